"""What cohort.csv declares about a patient's moments, and what a scan's day means beside it. One place for all commands.

A scan after the first dose is never a baseline, one up to it never a follow-up; a scan more than 31 days from the day that
cohort.csv states is another examination; any other difference is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass

from site_config.tables.table_values import Patient, Visit

NEAR_DAYS = 31


@dataclass(frozen=True)
class Verdict:
    """What a scan's day means for a visit: a fault that rules it out, a finding to read, or nothing."""

    fault: str | None = None
    finding: str | None = None


@dataclass(frozen=True)
class Declared:
    """A patient's row: `zero` in the table's own count (ordinal of a date, or day), the moments relative to it, sex and age.

    >>> one = Declared(zero=None, treatment=0, baseline=-3, followup=57, male=None, age=None, dated=True)
    >>> one.verdict("baseline", 20).fault, one.verdict("baseline", -5).finding, one.verdict("baseline", -3)
    ('lies after the first dose', '2 days before the day that cohort.csv states', Verdict(fault=None, finding=None))
    """

    zero: float | None
    treatment: float | None
    baseline: float | None
    followup: float | None
    male: bool | None
    age: float | None
    dated: bool

    @classmethod
    def of(cls, patient: Patient) -> Declared:
        """What a patient's row declares."""
        zero = float(patient.zero_date.toordinal()) if patient.zero_date else patient.zero_day
        return cls(
            None if zero is None else float(zero),
            patient.treatment_day,
            patient.baseline_day,
            patient.followup_day,
            patient.male,
            patient.age,
            patient.zero_date is not None,
        )

    def moment(self, visit: Visit | str) -> float | None:
        """The visit's stated day, relative to time zero."""
        return self.baseline if visit == "baseline" else self.followup

    def verdict(self, visit: Visit | str, day: float) -> Verdict:
        """What a scan of this day (relative to time zero) means for a visit."""
        stated = self.moment(visit)
        if self.treatment is not None and visit == "baseline" and day > self.treatment:
            return Verdict(fault="lies after the first dose")
        if self.treatment is not None and visit == "followup" and day <= self.treatment:
            return Verdict(fault="is not after the first dose")
        if stated is None or day == stated:
            return Verdict()
        apart = f"{abs(day - stated):g} day{'s' if abs(day - stated) != 1 else ''} {'after' if day > stated else 'before'}"
        if abs(day - stated) > NEAR_DAYS:
            return Verdict(fault=f"more than {NEAR_DAYS} days from the visit's moment in cohort.csv")
        return Verdict(finding=f"{apart} the day that cohort.csv states")

    def may_be(self, visit: Visit | str, day: float) -> bool:
        """Whether a scan of this day may be the visit's: no fault, and not nearer to the other visit."""
        other = self.followup if visit == "baseline" else self.baseline
        stated = self.moment(visit)
        if stated is None or self.verdict(visit, day).fault:
            return False
        return other is None or abs(day - stated) <= abs(day - other)
