"""One development study on shares at the default minima, and its frozen model at new hospitals: what pooled rows give, both times."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from client.app import forget_agents
from client.cohort.prepared_cohort import load_patients
from client.statistics.study_patients import Bench
from server.asking.clocks_and_waiting import Effects
from server.report.parts.part import ReportedStudy
from server.report.report_page import render
from server.study.opened_analyses import OpenedAnalyses
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from shared_model.analyses.phases.frozen_models import frozen_models
from shared_model.analyses.trust_in_words import closed_lines, opened_lines
from shared_model.bundle.bundle_manifest import Bundle, load_bundle
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.kaplan_meier import kaplan_meier, single_cox
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.documents.read_yaml_documents import dump_yaml
from site_config.hash_chained_journal import read as read_journal
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Role, StudyLock

SETTINGS: dict[str, Any] = {"resolution": "shares", "models": ("CLN",), "shares": {"slots": 4}}


@dataclass(frozen=True)
class Finished:
    """A finished study with its homes."""

    homes: Homes
    lock: StudyLock
    result: StudyResult

    @property
    def model(self) -> Path:
        return self.homes.coordinator / "studies" / self.lock.study_id / "run" / "model"

    def pooled(self, split: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Score, day and event of every patient of a set, the score by the study's own formula."""
        role: Role = "evaluation" if split == "test" else "development"
        (spec,) = self.result.scores
        parts = []
        for site in self.lock.names(role):
            bench = Bench(self.lock.study, load_patients(self.homes.config(site), self.lock.study, self.lock.study_id, role))
            mine = bench.split(split)
            parts.append((bench.score(mine, spec, {}), mine.event_day, mine.event))
        score, day, event = (np.concatenate([part[k] for part in parts]) for k in range(3))
        return score, day, event

    @property
    def opened(self) -> OpenedAnalyses:
        assert self.result.analyses is not None
        return self.result.analyses


def cohort(root: Path, sites: tuple[int, int], patients: tuple[int, int], seed: int, **settings: float) -> Homes:
    base = PRESETS["clinical-only"]
    survival = replace(base.survival, sites=sites, patients=patients)
    homes = Homes(root)
    make_cohort(replace(base, survival=survival, study={**base.study, **SETTINGS, **settings}), homes.cohort, seed=seed)
    return homes


def finish(homes: Homes, seed: int) -> Finished:
    enrol(homes, seed)
    lock = publish(homes)
    approve_everywhere(homes, lock)
    try:
        effects = Effects(time.monotonic, lambda _s: None)
        return Finished(homes, lock, run_study(homes.coordinator, lock.study_id, local_transport(homes.sites()), effects=effects))
    finally:
        forget_agents()


@pytest.fixture(scope="module")
def developed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finish(cohort(tmp_path_factory.mktemp("developed") / "run", (7, 5), (118, 46), 3, validation_fraction=0.0), 3)


@pytest.fixture(scope="module")
def bundle(developed: Finished) -> Bundle:
    return load_bundle(developed.model)


@pytest.fixture(scope="module")
def validated(developed: Finished, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Patients that nobody saw before, at five hospitals, by the bundle alone."""
    homes = cohort(tmp_path_factory.mktemp("validated") / "run", (3, 6), (3, 64), 11)
    study = homes.study()
    sites = tuple(site for site in study.sites if site.role == "evaluation")
    changes = {"kind": "validate", "bundle_sha256": bundle.sha256, "sites": sites, "title": "New hospitals"}
    (homes.cohort / "study.yaml").write_text(dump_yaml(study.model_copy(update=changes)))
    shutil.copytree(developed.model, homes.cohort / "bundle")
    return finish(homes, 11)


def equals_pooled_rows(found: Finished, split: str) -> None:
    """C-index with its error and its p, survival of the set and of the risk groups at every opened point."""
    score, day, event = found.pooled(split)
    rounded = np.rint(score * 2.0**18)
    sized = next(one for one in found.opened.sets if one.set == split)
    assert sized.n == len(day)
    oracle = concordance(patient_cells(rounded, day, event))
    opened = next(one for one in found.opened.concordance if one.set == split)
    assert oracle is not None
    assert (opened.c, opened.se) == (pytest.approx(oracle.c, abs=1e-6), pytest.approx(oracle.se, abs=1e-5))
    test = single_cox(patient_cells(rounded, day, event), rounded, "score", found.lock.study.training.ties).score_test
    assert opened.score_p == pytest.approx(test.p, abs=1e-4)
    curves = next(one for one in found.opened.kaplan_meier if one.grouping == "set").groups
    everybody = next(curve for curve in curves if curve.value == split)
    high = rounded / 2.0**18 > found.result.cutoffs[0].value
    groups = [(everybody, np.ones(len(day), dtype=np.bool_))]
    for family in found.opened.kaplan_meier:
        if (family.grouping, family.set) == ("risk", split):
            groups += [(curve, high if curve.value == "high" else ~high) for curve in family.groups]
    for curve, members in groups:
        assert curve.day and curve.n == members.sum()
        pooled = kaplan_meier(patient_cells(rounded[members], day[members], event[members]))
        np.testing.assert_allclose(curve.survival, [pooled.at(point) for point in curve.day], atol=1e-4)


def test_an_evaluation_at_the_studys_own_minima_opens_what_pooled_rows_give(developed: Finished) -> None:
    opened = developed.opened
    assert not developed.result.tables and not developed.result.characteristics
    assert {entry.statistic for entry in developed.result.ledger} <= {"precounts", "shares.keys", "shares.rows", "shares.steps"}
    for split in ("train", "test"):
        equals_pooled_rows(developed, split)
    assert opened.characteristics[0].set == "train"
    assert opened.cutoffs and opened.calibration and opened.roc


def test_a_bundle_holds_the_score_and_everything_else_an_evaluation_needs(developed: Finished, bundle: Bundle) -> None:
    formula, opened = bundle.manifest.models["CLN"], developed.opened
    assert formula.spec == developed.result.scores[0]
    assert bundle.manifest.cohort["train"] == {"patients": 118, "events": opened.sets[0].events, "sites": 7}
    assert formula.cutoff == opened.cutoffs[0].value == formula.quartiles[1]
    assert list(formula.quartiles) == sorted(filter(None, formula.quartiles))
    hazards = dict(zip(opened.baseline[0].day, opened.baseline[0].cumulative_hazard, strict=True))
    assert hazards and {day: formula.hazard_at(day) for day in hazards} == hazards


def test_a_frozen_model_at_new_hospitals_opens_what_pooled_rows_give(validated: Finished, developed: Finished) -> None:
    assert validated.result.label == "COMPLETE"
    assert validated.result.scores == developed.result.scores
    assert {entry.phase for entry in validated.result.ledger} == {"admission", "evaluation"}
    equals_pooled_rows(validated, "test")
    opened = validated.opened
    risk = [family for family in opened.kaplan_meier if family.grouping == "risk"]
    assert [(family.set, family.cutoff) for family in risk] == [("test", developed.opened.cutoffs[0].value)]
    assert risk[0].hazard_ratio is not None and risk[0].logrank is not None
    assert {one.set for one in opened.calibration} == {"test"} and opened.roc
    assert [column.set for column in opened.characteristics] == ["test"]
    assert not [one for one in opened.closed if one.set in ("train", "validation")]
    assert opened.baseline == developed.opened.baseline and opened.cutoffs == developed.opened.cutoffs


def test_calibration_groups_lie_between_the_frozen_quartiles(validated: Finished, bundle: Bundle) -> None:
    score, _, _ = validated.pooled("test")
    quartiles = [value for value in bundle.manifest.models["CLN"].quartiles if value is not None]
    place = np.searchsorted(quartiles, np.rint(score * 2.0**18) / 2.0**18, side="left")
    sizes = [int((place == k).sum()) for k in range(len(quartiles) + 1)]
    runs = {sum(sizes[first:last]) for first in range(4) for last in range(first + 1, 5)}
    assert sum(group.n for group in validated.opened.calibration[0].groups) == len(score)
    assert all(group.n in runs for one in validated.opened.calibration for group in one.groups)


def test_what_a_validation_study_may_open_is_listed_before_and_shown_after(validated: Finished) -> None:
    lines = opened_lines(validated.lock)
    assert lines and all(line.startswith("evaluation, ") for line in lines)
    assert not any("quantile" in line for line in lines)
    assert not any("Cox models" in line or "Columns" in line for line in closed_lines(validated.lock))
    shown = render(ReportedStudy(validated.result))
    for value in (f"{validated.opened.concordance[0].c:.3f}", "Kaplan"):
        assert value in shown


def test_every_hospital_has_the_frozen_evaluation_in_its_journal(validated: Finished) -> None:
    for name in validated.lock.names("evaluation"):
        entries = list(read_journal(validated.homes.config(name).state / "journal.jsonl"))
        assert [entry.data["phase"] for entry in entries if entry.kind == "shared-rows"] == ["evaluation"]


def test_frozen_models_are_believed_only_as_the_lock_names_them(validated: Finished, developed: Finished, bundle: Bundle) -> None:
    assert frozen_models(validated.lock, bundle.text) == bundle.manifest.models
    for lock, text in ((validated.lock, bundle.text.replace("0", "1", 1)), (validated.lock, ""), (developed.lock, bundle.text)):
        with pytest.raises(Problem) as refused:
            frozen_models(lock, text)
        assert refused.value.code == "FH-562"


@pytest.mark.parametrize(
    "change",
    [{"quartiles": (0.5, 0.1, 0.9), "cutoff": 0.1}, {"quartiles": (0.1, 0.2, 0.3), "cutoff": 0.4}, {"cumulative_hazard": (0.1, -0.2, 0.3)}],
)
def test_a_manifest_with_numbers_that_no_fit_gives_is_refused(validated: Finished, bundle: Bundle, change: dict[str, Any]) -> None:
    formula = bundle.manifest.models["CLN"].model_copy(update=change)
    text = bundle.manifest.model_copy(update={"models": {"CLN": formula}}).model_dump_json()
    study = validated.lock.study.model_copy(update={"bundle_sha256": hashlib.sha256(text.encode()).hexdigest()})
    with pytest.raises(Problem) as refused:
        frozen_models(validated.lock.model_copy(update={"study": study}), text)
    assert refused.value.code == "FH-562"
