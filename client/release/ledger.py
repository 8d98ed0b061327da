"""The release ledger: what the journal says about values that were opened before.

A value is asked by a *question*: a statistic with its parameters, numbers left out, because a question whose β or cut
points are nudged is the same question to somebody who subtracts two answers. The ledger is a fold of the site's one
journal, so it spans studies: a new study id is no fresh budget.

- Difference rule: a question opened before over a roster or an own cohort that differs by fewer than the minimum of sites
  or patients is refused, unless the hospital consented for this study.
- Burn rule: once a site opened its mask for a value (study, phase, round, statistic, parameters), it is asked again with
  the same roster, state and cohort only; that gives the same number once more, under fresh masks.
- Budgets: distinct opened values of a statistic that concern any of the same patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared_model.secure_sum.protocol import Context, OpenedCounts
from site_config.journal import Entry
from site_config.names import plural
from site_config.problems import privacy
from site_config.study.model import canonical

COHORT, RELEASE, OPEN, REFUSAL, CONSENT = "cohort", "release", "open", "refusal", "consent"


class DoorRecord(BaseModel):
    """Base of what the door writes into the journal."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Released(DoorRecord):
    """A vector that passed the door. Masked ones tell nothing until an `Opened` follows; clear ones are open at once."""

    context: Context
    parameters: dict[str, Any]
    question: str
    roster: tuple[str, ...]
    cohort: str
    shape: dict[str, tuple[int, ...]]
    bytes: int
    masked: bool
    noise: str
    counts: OpenedCounts | None
    rule: str
    hash: str


class OpenedMask(DoorRecord):
    """The site gave its own mask away; `release` is the number of the journal's entry it opens."""

    context: Context
    release: int


class Refused(DoorRecord):
    """A request that was turned away: at which step, with which code, and the reason that stays here."""

    step: str
    study: str
    phase: str
    round: int
    attempt: int
    statistic: str
    code: str
    what: str


class Consent(DoorRecord):
    """The hospital agrees that this study may open values that differ by few from earlier ones."""

    study: str
    note: str = ""


class CohortSeen(DoorRecord):
    """A set of patients (HMAC ids under the site's secret) behind releases, written once."""

    cohort: str
    patients: tuple[str, ...]


@dataclass(frozen=True)
class Minima:
    """The smallest numbers of sites and patients that two rosters or cohorts may differ by."""

    sites: int
    patients: int


@dataclass(frozen=True)
class OpenedValue:
    """What is about to be opened, as the ledger compares it."""

    context: Context
    question: str
    roster: frozenset[str]
    patients: frozenset[str]
    roster_patients: int | None

    @property
    def cohort(self) -> str:
        """SHA-256, hex, of the sorted HMAC ids."""
        return cohort_hash(self.patients)


def _without_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        kept = [_without_numbers(inner) for inner in value]
        return [inner for inner in kept if inner is not None]
    return None if isinstance(value, int | float) and not isinstance(value, bool) else value


def question_of(statistic: str, parameters: Mapping[str, Any]) -> str:
    """SHA-256, hex, of a statistic's name and its canonical parameters without numbers."""
    return hashlib.sha256(canonical([statistic, _without_numbers(parameters)])).hexdigest()


def cohort_hash(patients: Iterable[str]) -> str:
    """SHA-256, hex, of sorted HMAC ids."""
    return hashlib.sha256(canonical(sorted(patients))).hexdigest()


def _value_key(context: Context) -> tuple[str, str, int, str, str]:
    return (context.study, context.phase, context.round, context.statistic, context.parameters)


@dataclass
class Ledger:
    """The fold. Feed it every entry in order; ask it before a release and again before an opening."""

    _cohorts: dict[str, frozenset[str]] = field(default_factory=dict)
    _released: dict[int, Released] = field(default_factory=dict)
    _by_question: dict[str, set[tuple[frozenset[str], str, int | None]]] = field(default_factory=dict)
    _by_value: dict[tuple[str, str, int, str, str], tuple[str, str, str]] = field(default_factory=dict)
    _by_statistic: dict[str, dict[str, set[tuple[str, ...]]]] = field(default_factory=dict)
    _consents: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Ledger:
        """The ledger of a journal."""
        ledger = cls()
        for entry in entries:
            ledger.feed(entry)
        return ledger

    def feed(self, entry: Entry) -> None:
        """Take in one entry; kinds that do not concern the ledger pass by."""
        if entry.kind == COHORT:
            seen = CohortSeen.model_validate(entry.data)
            self._cohorts[seen.cohort] = frozenset(seen.patients)
        elif entry.kind == CONSENT:
            self._consents.add(Consent.model_validate(entry.data).study)
        elif entry.kind == RELEASE:
            released = Released.model_validate(entry.data)
            if released.masked:
                self._released[entry.number] = released
            else:
                self._opened(released)
        elif entry.kind == OPEN:
            number = OpenedMask.model_validate(entry.data).release
            if number in self._released:
                self._opened(self._released.pop(number))

    def _opened(self, released: Released) -> None:
        context = released.context
        patients = released.counts.patients if released.counts else None
        self._by_question.setdefault(released.question, set()).add((frozenset(released.roster), released.cohort, patients))
        self._by_value[_value_key(context)] = (context.roster, context.state, released.cohort)
        identity = (*map(str, _value_key(context)), context.roster, context.state)
        self._by_statistic.setdefault(context.statistic, {}).setdefault(released.cohort, set()).add(identity)

    def knows_cohort(self, cohort: str) -> bool:
        """Whether the journal holds the ids behind this hash."""
        return cohort in self._cohorts

    def consented(self, study: str) -> bool:
        """Whether the hospital agreed to small differences for this study."""
        return study in self._consents

    def spent(self, statistic: str, patients: frozenset[str]) -> int:
        """Distinct values of a statistic opened so far that concern any of these patients."""
        values: set[tuple[str, ...]] = set()
        for cohort, identities in self._by_statistic.get(statistic, {}).items():
            if patients & self._cohorts.get(cohort, frozenset()):
                values |= identities
        return len(values)

    def again(self, value: OpenedValue) -> bool:
        """Whether exactly this value was opened before: a retry or a resumed round, which costs no budget."""
        return self._by_value.get(_value_key(value.context)) == (value.context.roster, value.context.state, value.cohort)

    def check(self, value: OpenedValue, minima: Minima, budget: int | None) -> None:
        """Raise FH-514, FH-513 or FH-512 where the burn rule, the difference rule or the budget forbids `value`."""
        if _value_key(value.context) in self._by_value and not self.again(value):
            raise privacy.VALUE_BURNED.problem("the value was opened under another roster, state or cohort")
        if not self.consented(value.context.study):
            for roster, cohort, patients in self._by_question.get(value.question, set()):
                self._check_difference(value, roster, cohort, patients, minima)
        if budget is not None and not self.again(value) and self.spent(value.context.statistic, value.patients) >= budget:
            raise privacy.QUERY_BUDGET_SPENT.problem(f"{budget} values of {value.context.statistic} were opened for these patients")

    def _check_difference(self, value: OpenedValue, roster: frozenset[str], cohort: str, patients: int | None, minima: Minima) -> None:
        before = self._cohorts.get(cohort, frozenset())
        if not before & value.patients:
            return  # other patients: nothing of theirs is in the difference of the two sums but what each sum covers
        sites = len(roster ^ value.roster)
        if 0 < sites < minima.sites:
            raise privacy.VALUE_DIFFERS_BY_FEW.problem(
                f"the roster differs by {plural(sites, 'site')} from an earlier one; at least {minima.sites} are asked"
            )
        own = len(before ^ value.patients)
        if 0 < own < minima.patients:
            raise privacy.VALUE_DIFFERS_BY_FEW.problem(
                f"the own cohort differs by {plural(own, 'patient')} from an earlier one; at least {minima.patients}"
            )
        nested = roster < value.roster or value.roster < roster
        if sites and nested and patients is not None and value.roster_patients is not None:
            apart = abs(patients - value.roster_patients)
            if apart < minima.patients:
                raise privacy.VALUE_DIFFERS_BY_FEW.problem(
                    f"the rosters differ by {plural(apart, 'patient')}; at least {minima.patients} are asked"
                )
