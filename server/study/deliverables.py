"""What a finished study leaves for people: the report with its metrics, and the model somebody can use."""

from __future__ import annotations

import shutil
from pathlib import Path

from server.report.report_page import build
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult

MODEL_FOLDER = "model"


def write_outcome(result: StudyResult, folder: StudyFolder, out: Path) -> Path:
    """`report.html`, `metrics.json` and `model/` below `out`; returns the report's path.

    `folder` is the run's own folder, where the study left its bundle (`server.study.bundle_of_study`); a copy made anew goes to `out`.
    """
    report = build(result, out)
    bundle, copy = folder.root / MODEL_FOLDER, out / MODEL_FOLDER
    if bundle.is_dir() and bundle.resolve() != copy.resolve():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(bundle, copy)
    return report
