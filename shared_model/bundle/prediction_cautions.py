"""What a reader has to know of one patient's predictions: what they rest on, what could not be estimated, where models disagree."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isfinite

from shared_model.bundle.manifest_values import Formula, Manifest
from shared_model.disclosure.limits import EVENTS_A_COLUMN
from site_config.study.plan_and_lock import Study
from site_config.words_of_messages import plural

LARGEST_COEFFICIENT = 8.0
"""A coefficient beyond it is a hazard ratio over 3,000 a unit: it ran away where a column predicts all deaths or none."""
CERTAIN = 0.995
"""A survival above it is shown as 100 %."""


def rests_on(manifest: Manifest) -> str:
    """Size and events of the training cohort, in one sentence."""
    train = manifest.cohort.get("train")
    if not train:
        return "The bundle does not say how many patients it was trained on."
    made_up = "made-up " if manifest.simulated else ""
    patients, sites = train.get("patients", 0), train.get("sites", 0)
    events = f" with {plural(train['events'], 'event')}" if "events" in train else ""
    return f"Trained on {plural(patients, f'{made_up}patient')}{events} at {plural(sites, 'hospital')}."


def cautions(
    formula: Formula,
    manifest: Manifest,
    study: Study,
    entered: Mapping[str, float | None],
    score: float,
    survival: Mapping[int, float | None],
) -> tuple[str, ...]:
    """Sentences about one model's prediction; `entered` are the patient's values by column, `score` its linear predictor."""
    return (*_columns(formula, manifest, study, entered), *_score(formula, score), *_survival(formula, score, survival))


def _columns(formula: Formula, manifest: Manifest, study: Study, entered: Mapping[str, float | None]) -> list[str]:
    spec, found = formula.spec, []
    coefficients = dict(zip(spec.columns, spec.coefficients, strict=True))
    for column in study.design if coefficients else ():
        coefficient, value = coefficients.get(column.name), entered.get(column.name)
        if coefficient is None and value:
            found.append(f"{column.label} is not in the model: its effect could not be estimated, so it does not count here.")
        elif coefficient is not None and not abs(coefficient) <= LARGEST_COEFFICIENT:
            ratio = f"{exp(coefficient):.1e}" if isfinite(coefficient) and coefficient < 600 else "no finite one"
            found.append(
                f"The coefficient of {column.label} ran away (hazard ratio {ratio}): in training it went with all deaths or with none, "
                "and this prediction means little where it counts."
            )
    events = manifest.cohort.get("train", {}).get("events")
    if coefficients and events is not None and events < EVENTS_A_COLUMN.value * len(coefficients):
        found.append(f"{plural(events, 'event')} for {plural(len(coefficients), 'column')} is few: ten a column is the usual least.")
    return found


def _score(formula: Formula, score: float) -> list[str]:
    if formula.axis is None or formula.axis[0] <= score <= formula.axis[1]:
        return []
    low, high = formula.axis
    return [f"The score {score:.2f} lies outside the range it was declared for ({low:.2f} to {high:.2f})."]


def _survival(formula: Formula, score: float, survival: Mapping[int, float | None]) -> list[str]:
    found = []
    if not formula.time or any(value is None for value in formula.cumulative_hazard):
        return ["No survival can be given: the bundle holds no finite baseline hazard."]
    beyond = [day for day, value in survival.items() if value is None]
    if beyond:
        found.append(f"Day {beyond[0]} lies beyond the last day that was observed ({formula.time[-1]:.0f}).")
    certain = [day for day, value in survival.items() if value is not None and (value > CERTAIN or value < 1 - CERTAIN)]
    if certain:
        high = formula.cutoff is not None and score > formula.cutoff
        said = "high risk" if high else "the risk group"
        found.append(
            f"A survival of 0 or 100 % at day {certain[0]} is no certainty: too few deaths were seen up to then to estimate it. "
            f"Trust neither it nor {said} beside it."
        )
    return found


def disagreement(said: Mapping[str, str | None], survival: Mapping[str, Mapping[int, float | None]]) -> str | None:
    """A sentence where models put the patient into different risk groups, or far apart in survival; None where they agree.

    `said` and `survival` are by model: its risk group, and its survival by horizon in days.
    """
    groups = {model: group for model, group in said.items() if group is not None}
    if len(set(groups.values())) > 1:
        high, low = ([model for model, group in groups.items() if group == wanted] for wanted in ("high", "low"))
        return (
            f"The models disagree: {', '.join(high)} say high risk, {', '.join(low)} low. They read different parts of what is known "
            "of the patient; none of them is the referee."
        )
    for day in next(iter(survival.values()), {}):
        values = {model: value for model, days in survival.items() if (value := days[day]) is not None}
        if values and max(values.values()) - min(values.values()) > 0.2:
            most, least = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
            return f"The models are far apart: survival to day {day} is {values[most]:.0%} by {most} and {values[least]:.0%} by {least}."
    return None
