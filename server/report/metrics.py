"""Every number of the report, computed from the opened sums of a finished study."""

from __future__ import annotations

from server.report import conduct, estimate_models, estimate_scores, suppress
from server.report.limitations import limitations
from server.report.numbers import Cell, Characteristic, Metrics, SetSize, SetSurvival
from server.results import Characteristics, SetName, StudyResult
from site_config.study import Study

SETS: tuple[SetName, ...] = ("train", "validation", "test")
LABELS = {
    "age": "Age, years",
    "sex": "Sex",
    "manufacturer": "Scanner manufacturer",
    "response": "RECIST response",
    "flags": "Handling of scans",
}
VALUE_LABELS = {"SIEMENS": "Siemens", "PHILIPS": "Philips", "TOSHIBA": "Toshiba", "OTHER": "other", "UNKNOWN": "unknown", "NE": "not evaluable",
                "followup_chest_carried_forward": "follow-up chest carried forward", "slices_repeated": "slices repeated",
                "partial_organ": "organ partly outside the scan"}  # fmt: skip


def study_of(result: StudyResult) -> Study:
    """The locked study the result belongs to."""
    return Study.model_validate(result.lock["study"])


def compute(result: StudyResult) -> Metrics:
    """All numbers of the page and of `metrics.json`; small cells are already hidden."""
    study = study_of(result)
    minimum = max(study.privacy.minimum_patients, 1)
    sizes = _sizes(result)
    clinical = estimate_models.cox_model("CLN", result.clinical, study) if result.clinical else None
    concordance = estimate_scores.concordance_rows(result, study)
    return Metrics(
        study_id=result.study_id, title=result.title, label=result.label, simulated=result.simulated, minimum_cell=minimum,
        horizons=list(study.evaluation.horizons), sets=sizes, flow={k: suppress.cell(v, minimum) for k, v in result.flow.items()},
        characteristics=_characteristics(result, study, minimum), set_survival=SetSurvival(curves=[]), clinical=clinical,
        fusion=estimate_models.fusions(result, study), concordance=concordance, comparisons=[], roc=[], distributions=[], risk_groups=[],
        nomogram=None, calibration=[], subgroups=[], participation=conduct.participation(result), statistics=conduct.statistics(result),
        absent={}, limitations=limitations(result, study, sizes, concordance, clinical),
    )  # fmt: skip


def _sizes(result: StudyResult) -> list[SetSize]:
    by_set = {c.set: c for c in result.characteristics}
    return [SetSize(set=s, n=by_set[s].n, events=by_set[s].events, sites=by_set[s].sites) for s in SETS if s in by_set and by_set[s].n]


def _characteristics(result: StudyResult, study: Study, minimum: int) -> list[Characteristic]:
    by_set = {c.set: c for c in result.characteristics}
    return [row for s in SETS if s in by_set for row in _rows(by_set[s], study, minimum)]


def _rows(one: Characteristics, study: Study, minimum: int) -> list[Characteristic]:
    labels = LABELS | {variable.name: variable.label for variable in study.clinical}
    rows = [
        Characteristic(variable=name, label=labels.get(name, name), set=one.set, mean=mean, sd=one.sd.get(name))
        for name, mean in one.mean.items()
    ]
    for name, counts in one.counts.items():
        # Flags overlap and need not add up to n, so one hidden flag cannot be worked out from the others.
        shown = suppress.group(counts, minimum, total_known=name != "flags")
        cells = [
            Cell(value=VALUE_LABELS.get(value, value), count=count)
            for value, count in shown.items()
            if counts[value] != 0 or name not in LABELS
        ]
        rows.append(Characteristic(variable=name, label=labels.get(name, name), set=one.set, counts=cells))
    return rows
