"""Why a part of the page is not there: the numbered finding where one was recorded, a plain sentence otherwise."""

from __future__ import annotations

from typing import Any

from server.report.numbers import Metrics
from server.study.results import StudyResult
from site_config.problems import federation
from site_config.study.model import Study
from site_config.study.prognostic_models import CLN, MODELS

WITHHELD = f"FH-{federation.SCORE_WITHHELD.code}"


def absent(result: StudyResult, study: Study, metrics: Metrics) -> dict[str, str]:
    """Part of the page → the sentence that stands in its place."""
    found: dict[str, str] = {}
    tabled = {table.model for table in result.tables}
    for model in study.models:
        fitted = metrics.clinical is not None if MODELS[model].variables else model in tabled
        if not fitted:
            found[model] = _why(result, model, f"{model} is not here")
        elif findings := told(result, model):
            found[model] = f"About {model}: {findings}"
    withheld = [finding for finding in result.findings if finding.get("code") == WITHHELD]
    if withheld:
        found["withheld"] = f"Not in these tables and figures. {' '.join(map(sentence, withheld))}"
    if study.kind == "validate" and metrics.clinical is None:
        found[CLN.name] = "This study evaluates a frozen bundle; no clinical model was fitted."
    pages = {
        "set_survival": (bool(metrics.set_survival.curves), "No evaluation table was opened, so survival cannot be drawn."),
        "concordance": (bool(metrics.concordance), "No C-index: no evaluation table was opened."),
        "comparisons": (bool(metrics.comparisons), "Models are not compared: no pair of scores was opened on held-out patients."),
        "roc": (any(one.false_positive for one in metrics.roc), "No ROC curve could be estimated at the declared horizons."),
        "distribution": (bool(metrics.distributions), "No score distribution: no table with bins of enough patients was opened."),
        "risk_groups": (bool(metrics.risk_groups), "No risk groups: no cut-off was frozen."),
        "fusion": (any(MODELS[one.model].is_fused for one in metrics.fusion), "No fused model was fitted."),
        "nomogram": (metrics.nomogram is not None, "No nomogram: it needs a fused model with both parts and a baseline hazard."),
        "calibration": (
            any(c.groups for c in metrics.calibration),
            "No calibration: it needs a baseline hazard and follow-up to the horizon.",
        ),
        "subgroups": (bool(metrics.subgroups), "No subgroup was opened."),
        "training": (bool(result.rounds), "No network was trained in this study."),
        "participation": (bool(result.ledger), "The ledger is empty."),
    }
    return found | {part: _why(result, part, sentence) for part, (there, sentence) in pages.items() if not there}


def told(result: StudyResult, about: str) -> str:
    """Every finding about one part, as sentences with their codes; empty where there is none."""
    return " ".join(sentence(finding) for finding in result.findings if finding.get("about") == about)


def sentence(finding: dict[str, Any]) -> str:
    """`FH-756: CLN: …` as one sentence, naming what it is about once."""
    about, what = str(finding.get("about") or ""), str(finding.get("what") or "").rstrip(". ")
    named = what if not about or what.startswith(about.split(" ")[0]) else f"{about}: {what}"
    return f"{finding.get('code', '')}: {named}."


def _why(result: StudyResult, about: str, plain: str) -> str:
    """The plain sentence, and every finding about this part."""
    return f"{plain.rstrip('.')}. {told(result, about)}".strip()
