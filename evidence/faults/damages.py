"""Evidence: damaged files at the office and at a hospital, drawn by a seed: `python -m evidence.faults.damages`.

A study with images from sums, and one on shares, are stopped half-way, finished, and kept at both moments. Each damage flips a bit of one
file, cuts it, fills a part with zeros or takes it away; every kind of file has its turns. Then the study goes on. Good is a numbered
problem with a way back, or the numbers of the undisturbed study (`evidence.opened_units` says what that is on shares).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from client.app import forget_agents
from client.cohort.pseudonyms import patient_key, site_secret
from client.cohort.withdrawal import withdraw
from client.release import known_hospitals
from evidence.opened_units import StudyNumbers
from evidence.record import record
from server.asking.clocks_and_waiting import Effects
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.local_engine import local_transport
from simulations.study.prepare_all_hospitals import prepare
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import CLN, RAD_D, RADCLN_D

DAMAGES, SEEDS = 112, (112, 113, 114)
MODELS_OF: Final = {"exact": (CLN.name, RAD_D.name, RADCLN_D.name), "shares": (CLN.name,)}
"""Networks are trained from sums in either case, so that their files are damaged in the study that is quick to go on with."""
UNKEPT: Final = ("superlink.db",)
COVERS: Final = [
    "evidence/faults/damages.py",
    "evidence/opened_units.py",
    "server/asking",
    "server/study",
    "client/holder",
    "client/release",
    "client/cohort",
    "site_config/hash_chained_journal.py",
    "site_config/atomic_files.py",
]


class WaitedClock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Seconds waited so far."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds


@dataclass(frozen=True)
class Damage:
    """What was done to which file, at which moment, and how the study ended: a label or a code."""

    number: int
    moment: str
    kind: str
    file: str
    way: str
    end: str
    wrong: str = ""


class DamagedStudy:
    """A study kept at two moments, and what it comes to undisturbed."""

    def __init__(self, root: Path, resolution: str, **study: Any) -> None:
        self.homes = Homes(root / "run")
        base = PRESETS["tiny"]
        settings = {**base.study, "resolution": resolution, "models": MODELS_OF[resolution], **study}
        make_cohort(replace(base, study=settings), self.homes.cohort, seed=3)
        enrol(self.homes, 3)
        self.lock: StudyLock = publish(self.homes)
        approve_everywhere(self.homes, self.lock)
        prepare(self.homes, self.lock, 1, lambda _words: None)
        self.hospital = (self.lock.holders or self.lock.names("development"))[1]
        self._heard_and_withdrawn()
        asked = 0

        def once_trained() -> bool:
            nonlocal asked
            asked += any(self._run_folder().glob("training/*" if self.lock.study.reads_scans else "shares/clinical/results.json"))
            return asked > 1

        try:
            self.go(once_trained)
        except Problem:
            self._keep(root / "half-way")
        self.undisturbed = self.numbers(self.go())
        self._keep(root / "finished")
        self.kept = {"half-way": root / "half-way", "finished": root / "finished"}

    def numbers(self, result: StudyResult) -> StudyNumbers:
        """What this run of the study came to."""
        return StudyNumbers.of(result, self._run_folder())

    def _run_folder(self) -> Path:
        return self.homes.coordinator / "studies" / self.lock.study_id / "run"

    def _heard_and_withdrawn(self) -> None:
        """Files that only some hospitals have: digits heard on the telephone, a patient who withdrew."""
        site = self.homes.config(self.hospital)
        for other in self.lock.roster:
            if other.name != self.hospital:
                known_hospitals.check(site.state, other, other.fingerprint, datetime.now(UTC).isoformat(timespec="seconds"))
        largest = max(self.lock.names("development"), key=lambda name: len(self._rows(name)))
        state = self.homes.config(largest).state
        withdraw(state, state / "prepared", patient_key(site_secret(state), self._rows(largest)[0].split(",")[0]), ())

    def _rows(self, name: str) -> list[str]:
        site = self.homes.config(name)
        return site.path(site.paths.cohort).read_text(encoding="utf-8").splitlines()[1:]

    def _keep(self, aside: Path) -> None:
        forget_agents()
        shutil.copytree(self.homes.root, aside)

    def restore(self, moment: str) -> None:
        """Everything as it was then."""
        forget_agents()
        shutil.rmtree(self.homes.root)
        shutil.copytree(self.kept[moment], self.homes.root)

    def go(self, should_stop: Callable[[], bool] = lambda: False) -> StudyResult:
        """Run or go on, in this process."""
        clock = WaitedClock()
        try:
            effects = Effects(clock.monotonic, clock.sleep, should_stop)
            return run_study(self.homes.coordinator, self.lock.study_id, local_transport(self.homes.sites()), effects=effects)
        finally:
            forget_agents()

    def files(self) -> dict[str, list[Path]]:
        """Every file of the program's own by kind: the office's, and one hospital's for all."""
        found: dict[str, list[Path]] = {}
        site = self.homes.site(self.hospital)
        for name, root in (("office", self.homes.coordinator), ("hospital", site)):
            for path in sorted(root.rglob("*")):
                parts = path.relative_to(root).parts
                if path.is_file() and "kits" not in parts and path.suffix not in (".lock", ".nii", ".gz") and path.name not in UNKEPT:
                    found.setdefault(f"{name}: {_kind(parts)}", []).append(path)
        return found


def _kind(parts: Sequence[str]) -> str:
    """The folder a file lies in, without ids, and what it is."""
    folders = [part for part in parts[:-1] if len(part) < 32]
    stem = parts[-1] if len(parts) < 3 else f"*{Path(parts[-1]).suffix}"
    return "/".join([*folders, stem])


def spoil(path: Path, random: np.random.Generator) -> str:
    """One of four ways a file goes bad."""
    way = ("flip", "cut", "zeros", "gone")[random.integers(4)]
    data = bytearray(path.read_bytes())
    if way == "gone" or not data:
        path.unlink()
        return "gone"
    place = int(random.integers(len(data)))
    if way == "flip":
        data[place] ^= 1 << int(random.integers(8))
    elif way == "cut":
        del data[place:]
    else:
        data[place : place + 64] = bytes(len(data[place : place + 64]))
    path.chmod(0o600)
    path.write_bytes(bytes(data))
    return way


def damages(study: DamagedStudy, count: int, seed: int, kinds: Sequence[str] = ()) -> Iterator[Damage]:
    """So many damages, kind after kind, half of them half-way and half to a finished study. kinds: parts of their names, or all."""
    random = np.random.default_rng(seed)
    for number in range(count):
        moment = ("half-way", "finished")[number % 2]
        study.restore(moment)
        files = {kind: paths for kind, paths in study.files().items() if not kinds or any(part in kind for part in kinds)}
        if not files:
            raise SystemExit(f"no such kind of file; there are: {', '.join(sorted(study.files()))}")
        kind = sorted(files)[number // 2 % len(files)]
        path = files[kind][random.integers(len(files[kind]))]
        way = spoil(path, random)
        told = Damage(number, moment, kind, path.name[:12], way, "")
        try:
            result = study.go()
        except Problem as problem:
            yield replace(told, end=problem.code, wrong="" if problem.fix and problem.what else "without a way back")
        else:
            other = study.numbers(result).other_than(study.undisturbed)
            yield replace(told, end=result.label, wrong=f"other {', '.join(other)}" if other else "")


def measured(resolution: str, count: int, seed: int, kinds: Sequence[str]) -> list[Damage]:
    """So many damages to one study, told as they end."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for one in damages(DamagedStudy(Path(folder), resolution), count, seed, kinds):
            found.append(one)
            sys.stderr.write(f"{resolution} {seed} {one}\n")
    return found


def told(found: Sequence[Damage]) -> dict[str, Any]:
    """Damages, how they ended by kind of file, and what was wrong."""
    return {
        "damages": len(found),
        "kinds_of_file": len({one.kind for one in found}),
        "ends": dict(sorted(Counter(one.end for one in found).items())),
        "by_kind": {kind: dict(Counter(one.end for one in found if one.kind == kind)) for kind in sorted({one.kind for one in found})},
        "wrong": [f"{one.kind}, {one.way}, {one.moment}: {one.end} {one.wrong}" for one in found if one.wrong],
    }


def main() -> int:
    """Run and record; 1 when a damage gave other numbers or a problem without a way back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damages", type=int, default=DAMAGES)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--resolutions", nargs="*", choices=MODELS_OF, default=list(MODELS_OF))
    parser.add_argument("--only", default="", help="kinds of file, by parts of their names, as prepared,generations; nothing is recorded")
    asked = parser.parse_args()
    kinds = tuple(part for part in asked.only.split(",") if part)
    figures: dict[str, Any] = {}
    wrong: list[str] = []
    for seed in asked.seeds:
        for resolution in asked.resolutions:
            figures[f"{resolution}, seed {seed}"] = told(measured(resolution, asked.damages, seed, kinds))
            wrong = [one for figure in figures.values() for one in figure["wrong"]]
            if not kinds:  # after every study, so that a run that is cut off leaves what it finished
                bars = {"none gives COMPLETE with other numbers, each is a numbered problem or harmless": not wrong}
                record("damages", covers=COVERS, figures={**figures, "bars": bars}, seeds=asked.seeds)
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
