"""What a report prints of a study: metrics.json, made by the server's own functions of what the phases opened."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from evidence.accuracy.shares.paper_cohort import PaperStudy
from server.asking.ask_masked_sum import Asker
from server.phases.on_shares.evaluation_documents import keep_evaluation
from server.phases.on_shares.fit_phases import keep_clinical, keep_fusion
from server.phases.phase_context import Running
from server.report.metrics_json import metrics_text
from server.report.parts.part import ReportedStudy
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult
from shared_model.analyses.phases.earlier_results import known_scores
from shared_model.analyses.phases.evaluation_openings import EvaluationModel

AT = "2026-01-01T00:00:00+00:00"


def result_of(study: PaperStudy) -> StudyResult:
    """The result that a coordinator would hold, without networks' rounds."""
    lock = study.lock
    result = StudyResult(
        study_id="0" * 64,
        title=lock.study.title,
        label="COMPLETE",
        simulated=True,
        created=AT,
        software="evidence",
        lock=lock.model_dump(mode="json"),
    )
    asker = cast("Asker", SimpleNamespace(lock=lock, ledger=SimpleNamespace(excluded=())))
    running = Running(asker, cast("StudyFolder", Path()), result)
    keep_clinical(running, study.found["clinical"])
    keep_fusion(running, study.found["fusion"], study.opened)
    keep_evaluation(running, study.found["evaluation"], EvaluationModel(lock.study, known_scores(lock, study.opened)))
    result.scores = list(running.specs.values())
    return result


def printed_metrics(study: PaperStudy) -> dict[str, Any]:
    """metrics.json as it is written: four digits."""
    return dict(json.loads(metrics_text(ReportedStudy(result_of(study)))))
