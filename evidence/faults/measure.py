"""Evidence: every fault played on a loopback federation. `python -m evidence.faults.measure [NAME ...]`.

Writes `docs/evidence/faults.json` and `docs/faults.md` after every play. Without names it plays what is not recorded for
the code as it stands, or did not end with the undisturbed weights (a machine too busy for the deadline); with names those,
whether recorded or not. Plays of other code are dropped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evidence.code_meaning import ROOT
from evidence.faults.faults_of_machines import PLAYS
from evidence.faults.faulty_federation import EVIDENCE, Stage
from evidence.record import FOLDER, covered, record
from site_config.atomic_files import read_json, write_atomic

COVERS = [
    "client/program/flower_node.py",
    "client/program/resident_worker.py",
    "client/program/site_runner.py",
    "server/asking/ask_masked_sum.py",
    "server/asking/incidents.py",
    "server/link/flower_grid.py",
    "server/link/superlink.py",
    "server/link/nginx_gateway.py",
    "server/phases/admission_phase.py",
    "evidence/faults",
]
SEED = 7
STARTING_AGAIN = Path(__file__).with_name("starting_again.md")
"""What tests with real processes play, as a table."""
SHORT = " The study ends after training here, because fusion and evaluation\nask in the same way."
HEAD = """# Faults, and what becomes of the study

Written by `python -m evidence.faults.measure` from a loopback federation: a real gateway, SuperLink and {sites} site programs
(four hospitals of simulated patients that train, two that evaluate) over TLS on one machine, and `fedhcc-coordinator run` as a
process. The study trains Rad-D for {rounds} rounds with a deadline of {deadline:.0f} seconds a phase.{short}
Every play starts from what the coordinator had on disk after the first round of the undisturbed run. *Noticed* is the time from
the fault until somebody is told. *Weights* says whether the final weights are, to the last bit, those of the undisturbed run
(CPU, one thread, seed {seed}). The machine was busy with other work, so times are upper bounds.

`fedhcc-sim faults NAME` plays one; a short form of every play runs in `make test`.

| fault | noticed after | who is told | codes | first run ends | then | label | weights | next command | the ledger tells |
|---|---|---|---|---|---|---|---|---|---|
"""


def row(name: str, one: dict[str, Any]) -> str:
    """A play as a line of the table."""
    title = (PLAYS[name].__doc__ or name).split("\n")[0].rstrip(".")
    noticed = "at once" if one["detected_s"] == 0 else "never" if one["detected_s"] is None else f"{one['detected_s']:.0f} s"
    codes = ", ".join(f"[{code}](problems/{code}.md)" for code in one["codes"]) or "–"
    command = "–" if one["next_command"] == "none" else f"`{one['next_command']}`"
    cells = (
        title,
        noticed,
        one["told"],
        codes,
        one["first_end"],
        "resumed" if one["resumed"] else "–",
        one["label"],
        "equal" if one["weights_equal"] else "DIFFER",
        command,
        one["ledger"] or "–",
    )
    return f"| {' | '.join(cells)} |"


def page(found: dict[str, dict[str, Any]], sites: int, whole: bool) -> str:
    """`docs/faults.md`."""
    head = HEAD.format(sites=sites, rounds=EVIDENCE.rounds, deadline=EVIDENCE.deadline_s, short="" if whole else SHORT, seed=SEED)
    rest = [name for name in PLAYS if name not in found]
    missing = f"\nNot played for this code yet: {', '.join(rest)}.\n" if rest else ""
    return head + "\n".join(row(name, one) for name, one in found.items()) + "\n" + missing + "\n" + STARTING_AGAIN.read_text("utf-8")


def known() -> dict[str, dict[str, Any]]:
    """What is recorded for the code as it stands; nothing where it changed."""
    path = FOLDER / "faults.json"
    piece = read_json(path) if path.exists() else {}
    return piece["figures"]["faults"] if piece.get("covers") == covered(COVERS) else {}


def main() -> None:
    """Play and record."""
    parser = argparse.ArgumentParser(description="Play faults on a loopback federation.")
    parser.add_argument("names", nargs="*", help="which faults; left out, those not recorded for this code")
    parser.add_argument("--out", type=Path, default=None, help="a folder to keep; left out, a temporary one")
    parser.add_argument("--whole", action="store_true", help="play whole studies, with fusion and evaluation")
    chosen = parser.parse_args()
    kept = known()
    names = chosen.names or [name for name in PLAYS if not (name in kept and kept[name]["weights_equal"])]
    if not names:
        sys.stderr.write("every fault is recorded for this code\n")
        return
    with tempfile.TemporaryDirectory(prefix="fedhcc-faults-") as folder:
        stage = Stage(chosen.out or Path(folder), EVIDENCE, SEED, whole=chosen.whole)
        stage.federation.start()
        try:
            seconds = stage.undisturbed()
            sys.stderr.write(f"undisturbed {seconds:.0f} s {stage.weights}\n")
            for name in names:
                began = time.monotonic()
                stage.set_back()
                kept[name] = asdict(PLAYS[name](stage))
                sys.stderr.write(f"{name} {time.monotonic() - began:.0f} s {kept[name]}\n")
                ordered = {each: kept[each] for each in PLAYS if each in kept}
                figures: dict[str, Any] = {"undisturbed_s": round(seconds, 1), "weights": stage.weights, "faults": ordered}
                figures["not_played"] = [each for each in PLAYS if each not in ordered]
                record("faults", covers=COVERS, figures=figures, seeds=[SEED], command="python -m evidence.faults.measure")
                write_atomic(ROOT / "docs" / "faults.md", page(ordered, len(stage.names), chosen.whole).encode(), 0o644)
        finally:
            stage.close()


if __name__ == "__main__":
    main()
