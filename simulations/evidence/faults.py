"""Evidence: every fault played on a loopback federation. `python -m simulations.evidence.faults [NAME ...]`.

Writes `docs/evidence/faults.json` and `docs/faults.md`. With names, only those are played and the others kept.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from simulations.evidence.record import FOLDER, ROOT, record
from simulations.faults.plays import PLAYS, Observed
from simulations.faults.stage import DEADLINE_S, ROUNDS, Stage
from site_config.files import read_json, write_atomic

COVERS = [
    "client/flower.py",
    "client/worker.py",
    "server/flower.py",
    "server/superlink.py",
    "server/gateway.py",
    "simulations/faults",
]
SHORT = " (the study ends after training here; fusion and evaluation ask in the same way)"
HEAD = """# Faults, and what becomes of the study

Written by `python -m simulations.evidence.faults` from a loopback federation: a real gateway, SuperLink and {sites} site
programs over TLS on one machine, and `fedhcc-coordinator run` as a process, which trains Rad-D for {rounds} rounds on simulated
patients with a deadline of {deadline:.0f} seconds a phase{short}. *Noticed* is the time from the fault until somebody is told.
*Weights* says whether the final weights are, to the last bit, those of the undisturbed run.

| fault | noticed after | who is told | codes | first run ends | then | label | weights | next command |
|---|---|---|---|---|---|---|---|---|
"""


def page(found: dict[str, dict[str, Any]], sites: int, whole: bool) -> str:
    """`docs/faults.md`."""
    lines = []
    for name, one in found.items():
        title = (PLAYS[name].__doc__ or name).split("\n")[0].rstrip(".")
        noticed = "at once" if one["detected_s"] == 0 else "never" if one["detected_s"] is None else f"{one['detected_s']:.0f} s"
        equal = "equal" if one["weights_equal"] else "DIFFER"
        then = "resumed" if one["resumed"] else "–"
        codes = ", ".join(f"[{code}](problems/{code}.md)" for code in one["codes"]) or "–"
        command = "–" if one["next_command"] == "none" else f"`{one['next_command']}`"
        lines.append(
            f"| {title} | {noticed} | {one['told']} | {codes} | {one['first_end']} | {then} | {one['label']} | {equal} | {command} |"
        )
    return HEAD.format(sites=sites, rounds=ROUNDS, deadline=DEADLINE_S, short="" if whole else SHORT) + "\n".join(lines) + "\n"


def finite(observed: Observed) -> dict[str, Any]:
    """The observation as JSON; a time that never came is null."""
    found = asdict(observed)
    if found["detected_s"] == float("inf"):
        found["detected_s"] = None
    return found


def main() -> None:
    """Play and record."""
    parser = argparse.ArgumentParser(description="Play faults on a loopback federation.")
    parser.add_argument("names", nargs="*", help="which faults; left out, all")
    parser.add_argument("--out", type=Path, default=None, help="a folder to keep; left out, a temporary one")
    parser.add_argument("--whole", action="store_true", help="play whole studies, with fusion and evaluation")
    chosen = parser.parse_args()
    os.environ.setdefault("FEDHCC_DEBUG", "0")
    kept = read_json(FOLDER / "faults.json")["figures"]["faults"] if (FOLDER / "faults.json").exists() else {}
    with tempfile.TemporaryDirectory(prefix="fedhcc-faults-") as folder:
        stage = Stage(chosen.out or Path(folder), whole=chosen.whole)
        stage.federation.start()
        try:
            seconds = stage.undisturbed()
            sys.stderr.write(f"undisturbed {seconds:.0f} s {stage.weights}\n")
            for name in chosen.names or PLAYS:
                stage.put_aside()
                kept[name] = finite(PLAYS[name](stage))
                sys.stderr.write(f"{name} {kept[name]}\n")
                ordered = {each: kept[each] for each in PLAYS if each in kept}
                record("faults", covers=COVERS, figures={"undisturbed_s": round(seconds, 1), "faults": ordered}, seeds=[7])
                write_atomic(ROOT / "docs" / "faults.md", page(ordered, len(stage.names), chosen.whole).encode(), 0o644)
        finally:
            stage.close()


if __name__ == "__main__":
    main()
