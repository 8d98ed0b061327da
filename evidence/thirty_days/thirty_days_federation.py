"""The federation of the thirty days: 52 hospitals of phantoms with their declared hours, enrolled, prepared and approved once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from client.program.patients_by_study import live_table
from evidence.thirty_days.calendar import DAY_S, office_hours, zones
from server.study.resume_state import StudyFolder
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.study.simulated_study import Options, ready
from simulations.study.site_folders import Homes
from simulations.threads import one_thread
from site_config.atomic_files import write_atomic
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import RAD_S

SEED: Final = 7
LONG: Final = 20 * DAY_S
"""Deadline of a phase: all hospitals together have one working hour a day in common, in which nobody may be out."""


@dataclass(frozen=True)
class StageScale:
    """How large: training and held-out hospitals, their patients, rounds, hospitals a block."""

    sites: tuple[int, int] = (37, 15)
    patients: tuple[int, int] = (220, 60)
    rounds: int = 16
    block: int = 5


def stage(root: Path, scale: StageScale) -> tuple[Homes, StudyLock]:
    """Everything up to approval below `root`, and the lock; what an earlier call made there is taken as it is."""
    one_thread()
    homes = Homes(root)
    for made in sorted((homes.coordinator / "studies").glob("*/lock.json")):
        return homes, StudyFolder(made.parent).signed_lock().lock
    _cohort(homes.cohort, scale)
    path = homes.cohort / "study.yaml"
    plan = yaml.safe_load(path.read_text())
    of = {role: [site["name"] for site in plan["sites"] if site["role"] == role] for role in ("development", "evaluation")}
    zone = zones(of["development"], of["evaluation"])
    for site in plan["sites"]:
        site["hours"] = office_hours(zone[site["name"]]).model_dump(mode="json")
    write_atomic(path, yaml.safe_dump(plan, sort_keys=False).encode(), 0o644)
    return homes, ready(Options(root, seed=SEED, workers=1, pooled=False), homes, lambda _event: None)


def _cohort(folder: Path, scale: StageScale) -> None:
    base = PRESETS["paper"]
    assert base.phantom is not None
    study: dict[str, Any] = {
        **base.study,
        "models": (RAD_S.name,),
        "resolution": "shares",
        "shares": {"holders": 3, "slots": 4},
        "network": {"backbone": "small", "norm": "group"},
        "imaging": {"size": 32, "field": "organ", "slices": 1},
        "training": {"rounds": scale.rounds, "batch": 16, "server": {"name": "adam", "rate": 1e-3}},
        "blocks": {"minimum_sites": scale.block, "minimum_patients": 20, "missed_share": 1.0},
        "validation_fraction": 0.0,
        "deadlines": dict.fromkeys(("admission", "clinical", "training", "fusion", "evaluation"), LONG),
    }
    survival = replace(base.survival, sites=scale.sites, patients=scale.patients, lone_sites=1)
    options = replace(base, study=study, survival=survival, phantom=replace(base.phantom, matrix=64, slice_mm=6.0), segmenter="masks")
    make_cohort(replace(options, truth_masks=False), folder, SEED, workers=1)


def copied(homes: Homes, place: Path) -> Homes:
    """The same federation again, keys and secrets included."""
    shutil.copytree(homes.root, place, symlinks=True)
    return Homes(place)


def patients_of(homes: Homes) -> Mapping[str, int]:
    """Rows of each hospital's table."""
    return {site: len(live_table(homes.config(site)).rows) for site in homes.sites()}
