"""Every number of the report, computed from the opened sums of a finished study."""

from __future__ import annotations

from typing import Literal

from server.report import conduct
from server.report.estimates import fused as estimate_fused
from server.report.estimates import models as estimate_models
from server.report.estimates import scores as estimate_scores
from server.report.estimates import suppress
from server.report.estimates import survival as estimate_survival
from server.report.limitations import limitations
from server.report.metrics_labels import LABELS, VALUE_LABELS
from server.report.missing_parts import absent
from server.report.numbers import Cell, Characteristic, Metrics, SetSize
from server.study.results import Characteristics, SetName, StudyResult
from site_config.study.model import Study
from site_config.study.prognostic_models import CLN, MODELS

SETS: tuple[SetName, ...] = ("train", "validation", "test")


def study_of(result: StudyResult) -> Study:
    """The locked study the result belongs to."""
    return Study.model_validate(result.lock["study"])


def compute(result: StudyResult) -> Metrics:
    """All numbers of the page and of `metrics.json`; small cells are already hidden."""
    study = study_of(result)
    minimum = max(study.privacy.minimum_patients, 1)
    sizes = _sizes(result)
    clinical = estimate_models.cox_model(CLN.name, result.clinical, study) if result.clinical else None
    concordance = estimate_scores.concordance_rows(result, study)
    found = Metrics(
        study_id=result.study_id,
        title=result.title,
        label=result.label,
        simulated=result.simulated,
        endpoint=study.endpoint.label,
        event=study.endpoint.event_label,
        reads_scans=study.reads_scans,
        minimum_cell=minimum,
        primary=MODELS.preferred(study.models)[0].name,
        horizons=list(study.evaluation.horizons),
        sets=sizes,
        flow=_flow(result, minimum),
        characteristics=_characteristics(result, study, minimum),
        set_survival=estimate_survival.set_survival(result, study, minimum),
        clinical=clinical,
        fusion=estimate_models.fusions(result, study),
        concordance=concordance,
        comparisons=estimate_scores.comparisons(result),
        roc=estimate_scores.roc_curves(result, study, minimum),
        distributions=estimate_fused.distributions(result, minimum),
        risk_groups=estimate_survival.risk_groups(result, minimum),
        nomogram=estimate_fused.nomogram(result, study),
        calibration=estimate_fused.calibrations(result, study, minimum),
        subgroups=estimate_survival.subgroups(result, minimum),
        participation=conduct.participation(result),
        statistics=conduct.statistics(result),
        absent={},
        limitations=limitations(result, study, sizes, concordance, clinical),
    )
    return found.model_copy(update={"absent": absent(result, study, found)})


def _sizes(result: StudyResult) -> list[SetSize]:
    by_set = {c.set: c for c in result.characteristics}
    return [SetSize(set=s, n=by_set[s].n, events=by_set[s].events, sites=by_set[s].sites) for s in SETS if s in by_set and by_set[s].n]


def _characteristics(result: StudyResult, study: Study, minimum: int) -> list[Characteristic]:
    by_set = {c.set: c for c in result.characteristics}
    return [row for s in SETS if s in by_set for row in _rows(by_set[s], study, minimum)]


def _rows(one: Characteristics, study: Study, minimum: int) -> list[Characteristic]:
    labels = LABELS | {variable.name: variable.titled for variable in study.clinical}
    rows = [
        Characteristic(variable=name, label=labels.get(name, name), set=one.set, mean=mean, sd=one.sd.get(name))
        for name, mean in one.mean.items()
    ]
    for name, counts in one.counts.items():
        # Flags overlap and need not add up to n, so one hidden flag cannot be worked out from the others.
        shown = suppress.group(counts, minimum, total_known=name != "flags")
        cells = [_cell(value, shown[value], counts[value], minimum) for value in counts if counts[value] != 0 or name not in LABELS]
        rows.append(Characteristic(variable=name, label=labels.get(name, name), set=one.set, counts=cells))
    return rows


def _cell(value: str, shown: int | None, opened: int | None, minimum: int) -> Cell:
    hidden: Literal["small", "complement"] | None = None
    if shown is None:
        hidden = "complement" if opened is not None and opened >= minimum else "small"
    return Cell(value=VALUE_LABELS.get(value, value), count=shown, hidden=hidden)


def _flow(result: StudyResult, minimum: int) -> dict[str, int | None]:
    """Flow counts by set; where enrolled − analysed would give a small exclusion back, `enrolled` is hidden too."""
    shown: dict[str, int | None] = {}
    for set_ in SETS:
        mine = {key: count for key, count in result.flow.items() if key.startswith(f"{set_}.")}
        reasons = {key: count for key, count in mine.items() if key.split(".")[1] not in ("enrolled", "analysed")}
        hidden = suppress.group(reasons, minimum, total_known=True)
        lone = sum(count is None for count in hidden.values()) == 1
        ends = {key: None if lone and key.endswith(".enrolled") else count for key, count in mine.items() if key not in reasons}
        shown |= {key: ({**ends, **hidden})[key] for key in mine}
    return shown
