"""Evidence: the images as they are built, in three hospitals and a trial office. `python -m evidence.containers.measure`.

Needs root, podman, runc, nftables and iproute2. Images that are missing or hold other code are built first, and the time is measured;
settings of the build follow `--build`, or stand behind `make evidence`, which hands them on. Writes `docs/evidence/containers.json`
after every part, and keeps there what was measured before on the same code.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from evidence.containers import bad_inputs, build_images, containers_that_end, image_contents
from evidence.containers.container_federation import COORDINATOR, SITES, ContainerStage
from evidence.containers.network_namespaces import GATEWAY, OFFICE, PORT, Line, counters, network, reachable
from evidence.containers.podman import Podman, engine_file
from evidence.record import FOLDER, record, stale
from site_config.atomic_files import read_json
from site_config.study.code_digest import code_digest

COVERS = [
    "docker/site.Dockerfile",
    "docker/coordinator.Dockerfile",
    "docker/compose.coordinator.yaml",
    "requirements/site-cpu.txt",
    "requirements/coordinator-cpu.txt",
    "client/compose_file.py",
    "client/commands/run.py",
    "client/program/site_runner.py",
    "client/program/environment_variables.py",
    "evidence/containers",
]
SEED = 7
PARTS: Final = {
    "build": ("build",),
    "contents": ("images",),
    "canary": ("canary",),
    "bad_inputs": ("bad_inputs",),
    "ends": ("undisturbed", "health", "disturbed"),
}
"""Part → the figures it records."""
COMMAND: Final = "python -m evidence.containers.measure"


def rights(stage: ContainerStage) -> dict[str, Any]:
    """What the first process of every container may, as the kernel tells it."""
    probe = "import os; s=open('/proc/1/status').read().split('\\n'); print([l for l in s if l[:3] in ('Uid','Cap','NoN')])"
    write = "import pathlib; pathlib.Path('/usr/probe').touch()"
    found: dict[str, Any] = {}
    for name in (COORDINATOR, *SITES):
        told = stage.podman.inside(name, "python", "-c", probe).output
        refused = stage.podman.inside(name, "python", "-c", write)
        found[name] = {
            "user_at_least_10000": "Uid:\\t10001" in told,
            "no_capability": told.count("0000000000000000") == 5,
            "no_new_privileges": "NoNewPrivs:\\t1" in told,
            "root_is_read_only": "Read-only file system" in refused.output,
        }
    return found


def reach(stage: ContainerStage, lines: dict[str, Line]) -> dict[str, bool]:
    """Connections tried from a hospital's namespace outwards, and into it from the office."""
    first, second = lines[SITES[0]], lines[SITES[1]]
    nothing = [
        reachable(first.namespace, GATEWAY, 22),
        reachable(first.namespace, GATEWAY, 443),
        reachable(first.namespace, second.address, PORT),
        reachable(OFFICE, first.address, PORT),
        reachable(OFFICE, second.address, 22),
    ]
    return {"gateway_from_a_hospital": reachable(first.namespace, GATEWAY, PORT), "nothing_else_and_nobody_into_it": not any(nothing)}


def canary(stage: ContainerStage, lines: dict[str, Line]) -> dict[str, Any]:
    """From the start of every container to a passed canary, with what passed the hospitals' firewalls."""
    figures: dict[str, Any] = {"healthy_after_s": stage.start_all()}
    figures["rights"] = rights(stage)
    before = {name: counters(line) for name, line in lines.items()}
    ended = stage.podman.inside(COORDINATOR, "fedhcc-coordinator", "run", "--canary")
    figures["canary_passed"] = ended.said("Canary passed")
    figures["canary_seconds"] = round(ended.seconds)
    if not figures["canary_passed"]:
        print(ended.output[-3000:], flush=True)
    after = {name: counters(line) for name, line in lines.items()}
    figures["packets_of_the_canary"] = {
        name: {key: after[name][key] - before[name][key] for key in after[name] if key != "itself"} for name in lines
    }
    figures["nothing_came_in"] = all(found["in: connections dropped"] == 0 for found in after.values())
    figures["nothing_else_went_out"] = all(found["out: dropped"] == 0 for found in after.values())
    figures["reach"] = reach(stage, lines)
    probed = counters(lines[SITES[0]])
    figures["the_rules_count_what_they_drop"] = probed["in: connections dropped"] > 0 and probed["out: dropped"] > 0
    return figures


def built(stage: ContainerStage, wanted: list[str], settings: list[str] | None) -> dict[str, Any]:
    """The build's figures; empty where nothing was built, because nobody asked for it or both images hold this code already."""
    if "build" not in wanted or (settings is None and not other_code(stage)):
        return {}
    return {"build": build_images.measure(["ENGINE=podman", *(settings or [])])}


def other_code(stage: ContainerStage) -> str:
    """What the images answer to `--version` where one of them is missing or holds other code than this command belongs to."""
    options = ["--network", "none", "--pull", "never"]
    told = [stage.podman.once(image, options, "--version").output for image in (stage.site_image, stage.office_image)]
    return "" if all(code_digest()[:12] in output for output in told) else " · ".join(told)


def same_code(stage: ContainerStage) -> str:
    """The digest of the code in both images. Raises `ValueError` where it is not the code this command belongs to."""
    here, others = code_digest(), other_code(stage)
    if others:
        raise ValueError(f"the images hold other code than {here[:12]}, build them again: {others}")
    return here


def measured_before(code: str) -> dict[str, Any]:
    """Figures recorded on this very code; nothing where anything covered changed since."""
    path = FOLDER / "containers.json"
    figures: dict[str, Any] = read_json(path)["figures"] if path.exists() and not stale(path) else {}
    return figures if figures.get("code") == code else {}


def parts(stage: ContainerStage, lines: dict[str, Line], wanted: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures by name, each as soon as it is there; every part begins with the same locked study."""
    if "contents" in wanted:
        yield "images", image_contents.measure(stage.podman, stage.site_image, stage.office_image)
    if {"canary", "bad_inputs", "ends"} & set(wanted):
        stage.begin()
    if "canary" in wanted:
        yield "canary", canary(stage, lines)
        stage.begin()
    if "bad_inputs" in wanted:
        yield "bad_inputs", bad_inputs.measure(stage)
    if "ends" in wanted:
        yield from containers_that_end.measure(stage)


def play(options: argparse.Namespace, root: Path) -> int:
    """The parts asked for, printed and recorded as they come; 1 when a yes-or-no figure is no."""
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    wanted = options.only or list(PARTS)
    with network(list(SITES)) as lines:
        stage = ContainerStage(root, Podman(engine_file(root)), lines, (options.site, options.coordinator), SEED)
        fresh = built(stage, wanted, options.build)
        code = same_code(stage)
        figures = measured_before(code) | {"code": code}
        try:
            for name, found in (*fresh.items(), *parts(stage, lines, wanted)):
                fresh[name] = found
                print(f"{name}: {json.dumps(found, indent=1)}", flush=True)
                figures = {key: value for key, value in figures.items() if key not in (name, "not_played")} | {name: found}
                left = [one for part in PARTS.values() for one in part if one not in figures]
                if not options.no_record:
                    shown = figures | ({"not_played": left} if left else {})
                    record("containers", covers=COVERS, figures=shown, seeds=[SEED], command=COMMAND)
        finally:
            stage.end_all()
    return int(": false" in json.dumps(fresh))


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--site", default="localhost/fedhcc-site:cpu")
    parser.add_argument("--coordinator", default="localhost/fedhcc-coordinator:cpu")
    parser.add_argument("--build", nargs="*", metavar="SETTING", help="build both in any case; settings of make, such as TORCH_WHEELS=…")
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--folder", type=Path, help="where the places lie; kept, and used again by the next call")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    missing = [word for word in ("podman", "runc", "nft", "ip") if shutil.which(word) is None]
    if missing or os.geteuid():
        print(f"nothing was measured: {'root is needed' if os.geteuid() else 'missing: ' + ', '.join(missing)}")
        return 1
    with tempfile.TemporaryDirectory(prefix="containers") as folder:
        return play(options, options.folder or Path(folder))


if __name__ == "__main__":
    raise SystemExit(main())
