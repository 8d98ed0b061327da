"""The studies that are recorded: one of tables, and one of phantoms in DICOM in three versions that differ in one patient."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evidence.capture.canaries import LEAK, MARK, Planted, Rows, change_rows, plant, read_rows
from evidence.capture.recorded_federation import recorded
from evidence.capture.recorder import Pieces
from server.asking.clocks_and_waiting import Effects
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from simulations.cohort.cohort_presets import PRESETS, CohortOptions
from simulations.cohort.write_cohort import make_cohort
from simulations.study.prepare_all_hospitals import prepare_site
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.study.plan_and_lock import StudyLock

PHASES = ("admission", "clinical", "training", "fusion", "evaluation")
DEADLINE_S = 600.0
SEED = 3


@dataclass(frozen=True)
class Made:
    """A study ready to run, with what was planted in which site."""

    homes: Homes
    lock: StudyLock
    planted: Mapping[str, Planted]


@dataclass(frozen=True)
class Capture:
    """What every site sent and received, and how the study ended."""

    sent: Mapping[str, Pieces]
    received: Mapping[str, Pieces]
    result: StudyResult


def tables() -> CohortOptions:
    """Three hospitals and one for evaluation, no images."""
    base = PRESETS["clinical-only"]
    survival = replace(base.survival, sites=(3, 1), patients=(45, 12))
    return replace(base, survival=survival, study={**base.study, "privacy": {"demonstration": True, "minimum_sites": 2}})


def phantoms() -> CohortOptions:
    """Three hospitals of the preset `tiny` and one for evaluation, in DICOM."""
    base = PRESETS["tiny"]
    return replace(base, survival=replace(base.survival, sites=(3, 1), patients=(8, 3)), format="dicom")


def make(root: Path, options: CohortOptions, leaking: int | None = None) -> Made:
    """The study below `root`, enrolled, published, approved and prepared; every development site is planted.

    `leaking` is the number of a site that gets the mark of what is leaked on purpose.
    """
    homes = Homes(root)
    study = {**options.study, "deadlines": dict.fromkeys(PHASES, DEADLINE_S)}
    make_cohort(replace(options, study=study), homes.cohort, SEED)
    enrol(homes, SEED)
    lock = publish(homes)
    approve_everywhere(homes, lock)
    names = lock.names("development")
    planted = {name: plant(homes.site(name), LEAK if number == leaking else MARK) for number, name in enumerate(names)}
    if options.phantom is not None:
        for entry in lock.roster:
            prepare_site(homes.root, entry.name)
    return Made(homes, lock, planted)


def version(made: Made, root: Path, change: Callable[[Rows], Rows] | None) -> Made:
    """A copy of a study, in which one hospital's table is changed and its slices are prepared again."""
    shutil.copytree(made.homes.root, root, symlinks=True)
    homes = Homes(root)
    planted = {name: replace(one, home=root / one.home.relative_to(made.homes.root)) for name, one in made.planted.items()}
    if change is not None:
        name = largest(made)
        change_rows(homes.site(name) / "cohort.csv", change)
        left = {row["patient"] for row in read_rows(homes.site(name) / "cohort.csv")}
        change_rows(homes.site(name) / "scans.csv", lambda rows: [row for row in rows if row["patient"] in left])
        prepare_site(homes.root, name)
    return Made(homes, made.lock, planted)


def largest(made: Made) -> str:
    """The development site with the most patients."""
    names = made.lock.names("development")
    return max(names, key=lambda name: len(read_rows(made.homes.site(name) / "cohort.csv")))


def another_patient(rows: Rows) -> Rows:
    """The first patient is another one: age, sex, event, days and every covariate."""
    first = rows[0]
    other = next(row for row in reversed(rows) if row["patient"] != first["patient"])
    changed = other | {"patient": first["patient"], "age": "33", "sex": "F" if first["sex"] == "M" else "M"}
    changed |= {"event": str(1 - int(first["event"])), "last_contact_day": str(int(first["last_contact_day"]) + 101)}
    changed |= {name: first[name] for name in ("baseline_ct_day", "followup_ct_day", "treatment_day")}
    return [changed, *rows[1:]]


def one_fewer(rows: Rows) -> Rows:
    """The first patient is not there."""
    return rows[1:]


def record(made: Made, odd: Mapping[str, str], canary: bool) -> Capture:
    """Run the study over loopback with a recorder before every site; with `canary`, admission, counts and a round of training."""
    places = {name: one.home for name, one in made.planted.items()}
    with recorded(made.homes, places, odd) as (federation, recorders):
        effects = Effects(time.monotonic, time.sleep)
        result = run_study(made.homes.coordinator, made.lock.study_id, federation.transport(), effects=effects, canary=canary)
    sent = {name: recorder.sent for name, recorder in recorders.items()}
    return Capture(sent, {name: recorder.received for name, recorder in recorders.items()}, result)
