"""One simulated study, its numbers and its page, made once for all tests of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.report.metrics_json import compute
from server.report.parts.part import ReportedStudy
from server.report.report_page import build
from server.study.study_results import StudyResult
from simulations.cohort.simulated_patients import SurvivalOptions
from tests.server.report.fixture_study import Cohort, make


@pytest.fixture(scope="session")
def study_result() -> StudyResult:
    return make(seed=7)


@pytest.fixture(scope="session")
def study_cohort() -> Cohort:
    return Cohort(7, SurvivalOptions())


@pytest.fixture(scope="session")
def study_report(study_result: StudyResult) -> ReportedStudy:
    return ReportedStudy(study_result)


@pytest.fixture(scope="session")
def study_metrics(study_result: StudyResult) -> Any:
    return compute(study_result)


@pytest.fixture(scope="session")
def study_page(study_result: StudyResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(study_result, tmp_path_factory.mktemp("report"))
