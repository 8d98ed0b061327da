"""Where a study opens from fewer patients on than a hospital releases: a clash that would stop the study after its training."""

from __future__ import annotations

from collections.abc import Iterator

from site_config.problems import configuration as kinds
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import Study


def minima_clashes(policy: Policy, study: Study) -> list[Problem]:
    """FH-528 for every minimum of a hospital's policy above what the study asks by.

    The coordinator asks as soon as the study's own minimum is reached, and the hospital refuses until its own is: between the
    two the study stalls. A demonstration has no minima.
    """
    if study.privacy.demonstration:
        return []
    return [_clash(*each) for each in _compared(policy, study) if each[1] > each[2]]


def policy_findings(policy: Policy, most: int) -> list[Problem]:
    """FH-132 for a `minimum_patients` of one, which protects nobody, and for one above the `most` patients of a study on shares."""
    least, where = policy.minimum_patients, "site.yaml: policy.minimum_patients"
    if policy.simulated_patients or 1 < least <= most:
        return []
    what = f"`minimum_patients: {least}`: " + (
        "the sum of one patient is that patient's row" if least == 1 else f"no study on shares has more than {most:,d} patients"
    )
    return [kinds.SIZE_OF_SETS.problem(what, fix="Write 20, as left out, or what this hospital decides.", where=where)]


def _compared(policy: Policy, study: Study) -> Iterator[tuple[str, int, int, str]]:
    """The minimum's name, the hospital's, the study's, and what is opened from it on."""
    asked = study.privacy
    sums = max(asked.minimum_patients, study.blocks.minimum_patients)
    yield "minimum_patients", policy.minimum_patients, sums, "sums"
    yield "minimum_cox_patients", policy.minimum_cox_patients, asked.minimum_cox_patients, "a Cox model"
    yield "minimum_events_per_variable", policy.minimum_events_per_variable, asked.minimum_events_per_variable, "a Cox model by events"


def _clash(name: str, hospital: int, study: int, what: str) -> Problem:
    return privacy.MINIMA_CLASH.problem(
        f"`{name}`: the study opens {what} from {study:,d} on, the hospital from {hospital:,d}",
        fix=f"Write `{name}: {hospital}` under `privacy` of study.yaml, or `{name}: {study}` under `policy` of the hospital's site.yaml"
        " where the hospital accepts that.",
    )
