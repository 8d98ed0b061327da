"""The points in a patient's time a study speaks of, in words."""

from __future__ import annotations

from typing import Final

from site_config.study.plan_and_lock import Study

STARTS: Final = {
    "treatment": "the start of treatment",
    "enrolment": "enrolment",
    "randomisation": "randomisation",
    "diagnosis": "diagnosis",
    "baseline_ct": "the baseline CT",
    "first_followup": "the first follow-up CT",
}
"""Moments every study may count from, and how a sentence names them."""
COLUMN_OF: Final = {"first_followup": "followup_ct"}
"""Moments whose column in cohort.csv has another name."""


def zero_column(study: Study | None) -> str:
    """The moment of cohort.csv that a study counts from; a study that says nothing counts from treatment."""
    zero = study.endpoint.time_zero if study is not None else "treatment"
    return COLUMN_OF.get(zero, zero)


def zero_words(study: Study) -> str:
    """Where the study counts from, for a sentence."""
    zero = study.endpoint.time_zero
    return study.moments.get(zero) or STARTS.get(zero, zero.replace("_", " "))
