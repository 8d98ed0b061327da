"""Sentences about this study's limits, each generated from a fact of the study and none from habit."""

from __future__ import annotations

from collections.abc import Iterator

from server.report import number_text
from server.report.common.cox_tables import ShownCoxModel
from server.report.page_blocks import Block, Bullets
from server.report.parts.discrimination.cindex_table import CONCORDANCE, ConcordanceRow
from server.report.parts.models.clinical_cox_model import CLINICAL
from server.report.parts.part import Heading, ReportedStudy, ReportPart, sentence
from server.report.parts.patients.set_sizes import SIZES, SetSize
from server.study.study_results import StudyResult
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

FEW_PATIENTS = 100
EVENTS_PER_VARIABLE = 10


def numbers(report: ReportedStudy) -> list[str]:
    """Every limitation whose fact holds, the gravest first."""
    result, study, sizes = report.result, report.study, report.of(SIZES)
    found: list[str] = []
    found += _kind(result, study)
    found += _participation(result)
    found += _size(sizes, report.of(CONCORDANCE))
    found += _order(study, report.of(CONCORDANCE))
    found += _models(result, study, sizes, report.of(CLINICAL))
    found += _data(result, sizes)
    found += _findings(result)
    return found


def _kind(result: StudyResult, study: Study) -> Iterator[str]:
    if result.simulated:
        yield "All patients are simulated. Nothing here says how the models do on people."
    if study.privacy.demonstration:
        yield "This demonstration opens sums that a study of its size would have to refuse with real patients."
    if not study.privacy.masks:
        yield "The sums were opened without masks: the coordinator saw each hospital's own contribution."
    if study.network.warm_start == "phantom":
        yield "The networks started from weights learned on simulated scans, not on people."
    if study.resolution == "exact":
        yield "Every hospital chose the resolution `exact`: the coordinator learned rank, day and event of every patient, by no name."
    if study.training.keep == "best":
        yield "The weights were chosen by validation loss, so the validation figures are optimistic; only the test set is untouched."


def _participation(result: StudyResult) -> Iterator[str]:
    if result.label == "INCOMPLETE":
        out = sorted({site for entry in result.ledger if entry.outcome == "excluded" for site in entry.roster})
        who = f" The blocks of {number_text.listed(out)} were taken out." if out else ""
        yield f"The study is INCOMPLETE: not every planned hospital took part to the end.{who}"
    if result.remarks:
        done = number_text.plural(len(result.remarks), "change")
        yield f"The office's state or code was changed by hand while the study ran ({done}; section on repeating the study)."
    missed = sum(entry.outcome == "missed" for entry in result.ledger)
    if missed:
        yield f"{number_text.plural(missed, 'release')} planned did not happen because a hospital was missing; the ledger names them."


def _size(sizes: list[SetSize], concordance: list[ConcordanceRow]) -> Iterator[str]:
    by_set = {size.set: size for size in sizes}
    test = by_set.get("test")
    if test is None or test.n == 0:
        yield "No held-out hospital was evaluated: nothing here is evidence beyond the hospitals that trained the models."
    elif test.n < FEW_PATIENTS:
        rows = [r for r in concordance if r.set == "test" and r.c.low is not None and r.c.high is not None]
        widest = max(((r.c.high or 0) - (r.c.low or 0)) / 2 for r in rows) if rows else None
        half = f" the 95 % interval of a C-index reaches up to ±{number_text.number(widest)}." if widest else ""
        yield (
            f"The test set has {number_text.plural(test.n, 'patient')} and {number_text.events(test.events)} from "
            f"{number_text.plural(test.sites, 'hospital')}:{half or ' small.'}"
        )
    validation = by_set.get("validation")
    if validation is not None and 0 < validation.n < FEW_PATIENTS:
        events = number_text.events(validation.events)
        yield f"The validation patients ({validation.n}, {events}) come from the hospitals that trained the models."


def _order(study: Study, concordance: list[ConcordanceRow]) -> Iterator[str]:
    """Where a model does worse on the held-out patients than what it is made of, or with the follow-up than without."""
    held = {row.model: row.c for row in concordance if row.set == "test" and row.c.value is not None}
    networks = [MODELS[name] for name in MODELS.networks(study.models) if name in held]
    pairs = [(one.name, less.name) for one in networks for less in networks if one.visits > less.visits]
    pairs += [
        (one.name, part)
        for one in MODELS.preferred(study.models)
        if one.is_fused and one.name in held
        for part in one.needs
        if part in held
    ]
    lower = [(one, other) for one, other in pairs if (held[one].value or 0.0) < (held[other].value or 0.0)]
    if lower:
        said = [
            f"{one} ({number_text.number(held[one].value)}) below {other} ({number_text.number(held[other].value)})" for one, other in lower
        ]
        first = held[lower[0][0]]
        few = (first.n or 0) < FEW_PATIENTS
        size = f"{number_text.plural(first.n or 0, 'patient')} and {number_text.events(first.events)}"
        settled = f"{size} do not settle such an order. " if few else ""
        yield f"On the test patients C stands for {number_text.listed(said)}. {settled}Table S2 has the differences with their intervals."


def _models(result: StudyResult, study: Study, sizes: list[SetSize], clinical: ShownCoxModel | None) -> Iterator[str]:
    train = next((size for size in sizes if size.set == "train"), None)
    variables = len(study.design) if MODELS.read_variables(study.models) else 0
    if train is not None and train.events is not None and train.events < EVENTS_PER_VARIABLE * variables:
        events = number_text.plural(train.events, "event")
        yield f"{events} for {variables} clinical variables is fewer than {EVENTS_PER_VARIABLE} a variable."
    if clinical is not None:
        lost = [c.label for c in clinical.coefficients if c.reason is not None]
        if lost:
            yield f"The clinical model could not estimate {number_text.listed(lost)}."
        yield from (f"Clinical model: {warning}" for warning in clinical.warnings)
    if any(model.is_fused for model in MODELS.preferred(result.fusion)):
        yield "The fused models weigh their two scores on the same patients the scores were trained on, which favours the radiological one."
    if study.training.local_steps > 1:
        yield (
            f"{study.training.local_steps} local steps a round with a frozen hazard approximate pooled training; one step a round "
            "equals it."
        )


def _data(result: StudyResult, sizes: list[SetSize]) -> Iterator[str]:
    total = sum(size.n for size in sizes)
    carried = sum((c.counts.get("flags", {}).get("carried_forward") or 0) for c in result.characteristics)
    if carried and total:
        share = number_text.percent(carried, total)
        yield (
            "Where a follow-up chest scan was missing, the baseline slices stand in for it "
            f"({number_text.count(carried if carried >= 5 else None)} of {total} patients, {share})."
        )
    lost = sum(count for key, count in result.flow.items() if key.split(".")[-1] in ("no_images", "clinical_missing"))
    if lost:
        yield (
            f"{number_text.plural(lost, 'enrolled patient')} could not be analysed; their reasons are in Figure 1, and whether they differ "
            "is not known."
        )
    if result.weights:
        yield (
            "Masks of organs and tumours decide which slices the networks see; their quality inside the hospitals was not measured by "
            "this study."
        )


def _findings(result: StudyResult) -> Iterator[str]:
    yield from (sentence(finding) for finding in result.findings)


def blocks(found: list[str], _report: ReportedStudy) -> Iterator[Block]:
    """One list."""
    yield Bullets(found)


LIMITATIONS = ReportPart(name="limitations", heading=Heading("limitations", "Limitations"), numbers=numbers, blocks=blocks, shape=list[str])
