"""Evidence: the images as they are built, in three hospitals and a trial office. `python -m evidence.containers.measure`.

Needs root, podman, runc, nftables and iproute2, and the two images (`--site`, `--coordinator`); nothing is fetched. Writes
`docs/evidence/containers.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from evidence.containers import bad_inputs, containers_that_end, image_contents
from evidence.containers.container_federation import COORDINATOR, SITES, ContainerStage
from evidence.containers.network_namespaces import GATEWAY, OFFICE, PORT, Line, counters, network, reachable
from evidence.containers.podman import Podman, engine_file
from evidence.record import record

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
    """From nothing to a passed canary, with what passed the hospitals' firewalls."""
    figures: dict[str, Any] = {"prepare_seconds": round(stage.prepare()["prepare"], 1)}
    kept = stage.snapshot("locked")
    figures["healthy_after_s"] = stage.start_all()
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
    stage.restore(kept)
    return figures


def main() -> int:
    """Everything, printed as it comes; 1 when a yes-or-no figure is no."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--site", default="localhost/fedhcc-site:cpu")
    parser.add_argument("--coordinator", default="localhost/fedhcc-coordinator:cpu")
    parser.add_argument("--only", choices=("contents", "canary", "bad_inputs", "ends"), action="append")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    parts = options.only or ["contents", "canary", "bad_inputs", "ends"]
    missing = [word for word in ("podman", "runc", "nft", "ip") if shutil.which(word) is None]
    if missing or os.geteuid():
        print(f"nothing was measured: {'root is needed' if os.geteuid() else 'missing: ' + ', '.join(missing)}")
        return 1
    figures: dict[str, Any] = {}

    def keep(name: str, value: Any) -> None:
        figures[name] = value
        print(f"{name}: {json.dumps(value, indent=1)}", flush=True)

    with tempfile.TemporaryDirectory(prefix="containers") as folder, network(list(SITES)) as lines:
        root = Path(folder)
        root.chmod(0o755)
        stage = ContainerStage(root, Podman(engine_file(root)), lines, (options.site, options.coordinator), SEED)
        try:
            if "contents" in parts:
                keep("images", image_contents.measure(stage.podman, options.site, options.coordinator))
            if "canary" in parts:
                keep("canary", canary(stage, lines))
            else:
                stage.prepare()
            if "bad_inputs" in parts:
                keep("bad_inputs", bad_inputs.measure(stage))
            if "ends" in parts:
                for name, found in containers_that_end.measure(stage):
                    keep(name, found)
        finally:
            stage.end_all()
    if not options.no_record:
        record("containers", covers=COVERS, figures=figures, seeds=[SEED])
    return int(": false" in json.dumps(figures))


if __name__ == "__main__":
    raise SystemExit(main())
