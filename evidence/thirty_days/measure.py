"""Evidence: thirty simulated days of 52 hospitals in seven countries, seed by seed; `python -m evidence.thirty_days.measure`.

Each seed draws outages, two hospitals that close, three withdrawals and the day on which the office loses its disk. The study has to end
COMPLETE with at most three commands by a person, and with the numbers of a calm play in which the same ones leave before the same rounds.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from evidence.code_meaning import ROOT
from evidence.record import record
from evidence.thirty_days.calendar import world
from evidence.thirty_days.thirty_days_federation import StageScale, copied, patients_of, stage
from evidence.thirty_days.thirty_days_picture import draw
from evidence.thirty_days.thirty_days_play import Story, calm, parts_of, play, play_calmly
from simulations.study.site_folders import Homes
from site_config.atomic_files import read_json, write_atomic, write_json
from site_config.study.code_digest import code_digest, office_digest
from site_config.study.plan_and_lock import StudyLock

SEEDS = range(1, 11)
MOST_COMMANDS = 3
COMMAND = "python -m evidence.thirty_days.measure"
PICTURE = "docs/pictures/thirty_days.png"
COVERS = [
    "evidence/thirty_days",
    "evidence/opened_units.py",
    "server/asking/ask_masked_sum.py",
    "server/asking/ask_on_shares.py",
    "server/phases/network_rounds.py",
    "server/phases/network_training.py",
    "server/departure",
    "server/study/run_study.py",
    "server/watch/office_backup.py",
    "client/release/generations.py",
    "client/release/earlier_releases.py",
    "client/program/patients_by_study.py",
]


def one_seed(seed: int, homes: Homes, lock: StudyLock, place: Path, picture: Path | None = None) -> dict[str, Any]:
    """Both plays of a seed; homes are copied, never changed."""
    drawn = world(seed, lock.names("development"), lock.names("evaluation"), patients_of(homes), lock.study.training.rounds)
    place.mkdir(parents=True, exist_ok=True)
    began = time.process_time()
    story = play(drawn, copied(homes, place / "days"), lock, place)
    again = play_calmly(calm(drawn), copied(homes, place / "calm"), lock, place, parts_of(story, lock, drawn))
    for name, one in (("days.json", story), ("calm.json", again)):
        write_atomic(place / name, one.result.model_dump_json().encode() if one.result else b"{}", 0o644)
    if picture is not None:
        draw(drawn, story, picture)
    return told(seed, story, again) | {"cpu_seconds": round(time.process_time() - began)}


def told(seed: int, story: Story, again: Story) -> dict[str, Any]:
    """What is recorded of a seed."""
    outcomes = [entry.outcome for _, entry in story.ledger]
    apart, where = story.units_apart(again)
    return {
        "seed": seed,
        "label": story.result.label if story.result else "no end",
        "days": round(story.days, 1),
        "commands": len(story.commands),
        "typed": [words for _, words in story.commands],
        "asked_again": outcomes.count("retried"),
        "turns_owed": outcomes.count("missed") + outcomes.count("refused"),
        "left": {key.split(".")[0]: n for key, n in (story.result.flow if story.result else {}).items() if key.endswith(".left")},
        "other_than_the_calm_play": story.other_than(again),
        "numbers_on_shares": sum(map(len, story.numbers.opened.values())) if story.numbers else 0,
        "furthest_apart_on_shares_in_units": apart,
        "furthest_at": where,
    }


def code() -> str:
    """Which code played: a seed that was kept under other code is played again."""
    return f"{code_digest()[:16]} {office_digest()[:16]}"


def met(one: dict[str, Any]) -> bool:
    """Whether the story happened at all: the office's disk was lost and people left before the study had ended."""
    return bool(one["left"]) and any(words.startswith("restore") for words in one["typed"])


def _held(one: dict[str, Any]) -> bool:
    equal = not one["other_than_the_calm_play"]
    return met(one) and equal and bool(one["label"] == "COMPLETE" and one["commands"] <= MOST_COMMANDS)


def main() -> None:
    """Play and record."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    words.add_argument("--keep", type=Path, help="Keep every folder here; go on with what is here already.")
    given = words.parse_args()
    seeds = given.seeds
    with nullcontext(given.keep) if given.keep else tempfile.TemporaryDirectory(prefix="fedhcc-days-") as folder:
        homes, lock = stage(Path(folder) / "stage", StageScale())
        found = []
        for seed in seeds:
            place = Path(folder) / str(seed)
            kept = place / "told.json"
            if not (kept.exists() and read_json(kept)["code"] == code()):
                shutil.rmtree(place, ignore_errors=True)
                one = one_seed(seed, homes, lock, place, ROOT / PICTURE if seed == SEEDS[0] else None)
                write_json(kept, {"code": code(), "told": one}, 0o644)
            found.append(read_json(kept)["told"])
            print(found[-1], flush=True)
            record("thirty_days", covers=COVERS, figures=figures(found, lock), seeds=seeds[: len(found)], command=COMMAND)


def figures(found: list[dict[str, Any]], lock: StudyLock) -> dict[str, Any]:
    """What is recorded: every seed, and whether the bar is held by all that were played."""
    held = [_held(one) for one in found]
    return {
        "hospitals": len(lock.roster),
        "training_blocks": [len(block) for block in lock.blocks["development"]],
        "plays": found,
        "held": f"{sum(held)} of {len(held)}",
        "complete": f"{sum(one['label'] == 'COMPLETE' and one['commands'] <= MOST_COMMANDS for one in found)} of {len(found)}",
        "met the story": f"{sum(map(met, found))} of {len(found)}",
        "bars": {"COMPLETE through the whole story, at most three commands, equal to the calm play": all(held)},
    }


if __name__ == "__main__":
    main()
