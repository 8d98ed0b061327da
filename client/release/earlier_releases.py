"""The release ledger: what the journal says about values that were opened before.

Two answers are subtracted whatever they were answers to: a Cox model and a network's first round hold the same exposures. The
ledger is a fold of the site's one journal, so it spans studies: a new study id is no fresh budget. An opened sum and rows
shared for an analysis are recorded alike: study, phase, kind of fact, the rows by their set, and the generation they are of.

- Difference rule: it compares the rows a release really uses, whatever the question and whatever the study. Rows of the
  same set (train, validation, test) that differ from those of an earlier result by fewer patients than the minimum are refused
  (FH-531), and so is a roster that differs by few sites or patients (FH-513), unless the hospital consented for this study; or
  that two or three earlier ones, added and subtracted, would leave few sites of.
  There is no exception for rows that have nothing in common: a hospital's only patient who leaves is such a case.
- Burn rule: once a site opened its mask for a value (study, phase, round, statistic, parameters), it is asked again with
  the same roster, state and cohort only; that gives the same number once more, under fresh masks.
- Budgets: distinct opened values of a statistic that concern any of the same patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from client.release.journal_entries import (
    AGREED,
    COHORT,
    COMPARED,
    CONSENT,
    OPEN,
    RELEASE,
    SHARED,
    AgreedRows,
    CohortSeen,
    ComparedRows,
    Consent,
    OpenedMask,
    Released,
    SharedRows,
)
from client.release.shares.rows_apart import all_rows, changed_ids, differing, ids_in, persons_in, under_other_ids
from shared_model.secure_sum.federation_messages import Context
from site_config.hash_chained_journal import Entry, Fold
from site_config.problems import privacy
from site_config.study.earlier_rosters import Rosters, fewest_left
from site_config.study.plan_and_lock import canonical
from site_config.words_of_messages import plural

COUNTS = "precounts"
"""The statistic with which a study opens the counts of every block at its start."""


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
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    contributed: Mapping[str, int] = field(default_factory=dict)
    """Hospital → patients of these sets, of those known here; empty where none is known by its digits."""
    whole: bool = False
    """Whether the roster is every hospital of the role in the study."""
    sums: tuple[Rosters, ...] = ()
    """Hospitals of the study, and of each earlier one that its lock names, by kind of result."""

    @property
    def cohort(self) -> str:
        """SHA-256, hex, of the sorted HMAC ids."""
        return cohort_hash(self.patients)

    def hashes(self) -> dict[str, str]:
        """The hash of the rows of every set by its name."""
        return {name: cohort_hash(rows) for name, rows in self.sets.items()}

    def of_rows(self, generation: int) -> dict[str, Any]:
        """What a journal's line tells of the rows."""
        return {"sets": self.hashes(), "generation": generation, "contributed": dict(self.contributed)}


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


@dataclass(frozen=True)
class TableKey:
    """A table of one score on one set and group in one study, and the cuts it has."""

    what: tuple[object, ...]
    cuts: tuple[tuple[float, ...], tuple[float, ...]]


def _table_of(released: Released) -> TableKey | None:
    """The table behind a release as the journal has it; None for what is no table."""
    p = released.parameters
    if not {"score", "score_cuts", "time_edges", "variable", "value"} <= p.keys():
        return None
    context = released.context
    what = (context.study, context.statistic, p["split"], p["score"]["model"], p["variable"], p["value"])
    return TableKey(what, (tuple(map(float, p["score_cuts"])), tuple(map(float, p["time_edges"]))))


@dataclass(frozen=True)
class Use:
    """What an earlier result was made of: the roster, the hash of the own rows by set, and the patients of the roster if told."""

    study: str
    fact: str
    roster: frozenset[str]
    sets: tuple[tuple[str, str], ...]
    roster_patients: int | None
    generation: int = 0
    contributed: tuple[tuple[str, int], ...] = ()


@dataclass
class Agreement:
    """What a study's hospitals compared and found. A difference to rows that were compared needs no change of this hospital's own."""

    compared: list[ComparedRows] = field(default_factory=list)
    choices: frozenset[str] | None = None

    def covers(self, use: Use, name: str, rows: str) -> bool:
        """Whether these rows (hash) of a set were found to differ by enough, over all hospitals, from those of an earlier use."""
        if not self.compared or not self.choices:
            return False
        before = dict(use.sets).get(name)
        known = all(one.against.get(use.study, {}).get(name) == before for one in self.compared)
        # Asked twice, with a withdrawal between, the holders may have seen either: what both comparisons held is compared.
        return known and any(all(one.choices.get(choice) == rows for one in self.compared) for choice in self._of(name))

    def knows(self, study: str) -> bool:
        """Whether rows were compared with those of an earlier study."""
        return any(study in one.against for one in self.compared)

    def misses(self, sites: frozenset[str]) -> bool:
        """Whether these hospitals are none of those that compared: then a change of nobody was not permitted for their sets."""
        return bool(self.compared) and not any(sites & set(one.roster) for one in self.compared)

    def _of(self, name: str) -> list[str]:
        return [choice for choice in self.choices or () if choice.partition(".")[2] == name]


@dataclass
class Ledger(Fold):
    """The fold. Feed it every entry in order; ask it before a release and again before an opening."""

    _cohorts: dict[str, frozenset[str]] = field(default_factory=dict)
    _released: dict[int, Released] = field(default_factory=dict)
    _uses: dict[Use, None] = field(default_factory=dict)
    _tables: dict[tuple[object, ...], TableKey] = field(default_factory=dict)
    _by_value: dict[tuple[str, str, int, str, str], tuple[str, str, str]] = field(default_factory=dict)
    _by_statistic: dict[str, dict[str, set[tuple[str, ...]]]] = field(default_factory=dict)
    _consents: set[str] = field(default_factory=set)
    _agreements: dict[str, Agreement] = field(default_factory=dict)

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
        elif entry.kind == SHARED:
            shared = SharedRows.model_validate(entry.data)
            fact = f"shared rows of the {shared.phase} phase"
            known = tuple(sorted(shared.contributed.items()))
            self._use(Use(shared.study, fact, frozenset(shared.roster), _sets(shared), None, shared.generation, known))
        elif entry.kind == COMPARED:
            compared = ComparedRows.model_validate(entry.data)
            self._agreements.setdefault(compared.study, Agreement()).compared.append(compared)
        elif entry.kind == AGREED:
            agreed = AgreedRows.model_validate(entry.data)
            self._agreements.setdefault(agreed.study, Agreement()).choices = frozenset(agreed.choices)
        elif entry.kind == OPEN:
            number = OpenedMask.model_validate(entry.data).release
            if number in self._released:
                self._opened(self._released.pop(number))

    def _opened(self, released: Released) -> None:
        context = released.context
        patients = released.counts.patients if released.counts else None
        roster = frozenset(released.roster)
        table = _table_of(released)
        if table is not None:
            self._tables.setdefault(table.what, table)
        known = tuple(sorted(released.contributed.items()))
        self._use(Use(context.study, context.statistic, roster, _sets(released), patients, released.generation, known))
        self._by_value[_value_key(context)] = (context.roster, context.state, released.cohort)
        identity = (*map(str, _value_key(context)), context.roster, context.state)
        self._by_statistic.setdefault(context.statistic, {}).setdefault(released.cohort, set()).add(identity)

    def other_cuts(self, table: TableKey) -> bool:
        """Whether this table was opened before with other cuts."""
        return table.what in self._tables and self._tables[table.what] != table

    def _use(self, use: Use) -> None:
        self._uses[use] = None

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every distinct use of rows so far, oldest first."""
        return tuple(self._uses)

    def rows(self, cohort: str) -> frozenset[str]:
        """The rows behind a hash; none where the journal does not hold them."""
        return self._cohorts.get(cohort, frozenset())

    def agreed(self, study: str) -> frozenset[str] | None:
        """The choices of rows that a study's hospitals may use; None where they did not compare."""
        return self._agreements[study].choices if study in self._agreements else None

    def used(self) -> tuple[dict[str, frozenset[str]], ...]:
        """The rows of every distinct use so far, by set."""
        return tuple({name: self.rows(cohort) for name, cohort in use.sets} for use in self._uses)

    def knows_cohort(self, cohort: str) -> bool:
        """Whether the journal holds the ids behind this hash."""
        return cohort in self._cohorts

    def consented(self, study: str) -> bool:
        """Whether the hospital agreed to small differences for this study."""
        return study in self._consents

    def spent(self, statistic: str, patients: frozenset[str]) -> int:
        """Distinct values of a statistic opened so far that concern any of these patients."""
        values: set[tuple[str, ...]] = set()
        ids = ids_in({"": patients})
        for cohort, identities in self._by_statistic.get(statistic, {}).items():
            if ids & ids_in({"": self.rows(cohort)}):
                values |= identities
        return len(values)

    def opened(self, study: str, statistic: str) -> int:
        """Distinct values of a statistic opened in a study."""
        return len({one for many in self._by_statistic.get(statistic, {}).values() for one in many if one[0] == study})

    def again(self, value: OpenedValue) -> bool:
        """Whether exactly this value was opened before: a retry or a resumed round, which costs no budget."""
        return self._by_value.get(_value_key(value.context)) == (value.context.roster, value.context.state, value.cohort)

    def check(self, value: OpenedValue, minima: Minima, budget: int | None) -> None:
        """Raise FH-531, FH-513, FH-514 or FH-512 where the burn rule, the difference rule or the budget forbids `value`."""
        self.check_rows(value, minima)
        if _value_key(value.context) in self._by_value and not self.again(value):
            raise privacy.VALUE_BURNED.problem("the value was opened under another roster, state or cohort")
        if budget is not None and not self.again(value) and self.spent(value.context.statistic, value.patients) >= budget:
            raise privacy.QUERY_BUDGET_SPENT.problem(f"{budget} values of {value.context.statistic} were opened for these patients")

    def check_rows(self, value: OpenedValue, minima: Minima) -> None:
        """Raise FH-531 or FH-513 where the rows or the roster differ by few from those of any earlier result."""
        if self.consented(value.context.study):
            return
        _check_sums(value, minima)
        now = value.sets or {"": value.patients}
        agreement = self._agreements.get(value.context.study, Agreement())
        for use in self._uses:
            before = {name: self.rows(cohort) for name, cohort in use.sets}
            # The holders compared all hospitals together. Of a block nothing is known, so its results change by own changes alone.
            together = value.whole or use.roster != value.roster
            alone = {name: rows for name, rows in now.items() if not (together and agreement.covers(use, name, cohort_hash(rows)))}
            switched = _switched(before, now)
            _check_own(before, now if switched else alone, minima, switched=switched)
            _check_sides(before, now)
            shared = set(before) & set(now)
            covered = bool(shared) and not shared & set(alone)
            counted = value.whole and covered and agreement.misses(use.roster ^ value.roster)
            same = all(not changed_ids(before[name], now[name]) for name in shared & set(alone))
            if not counted and use.fact == COUNTS and value.whole and same:
                counted = self._beside_others(use, value.roster, agreement)
            if switched or (shared and not counted):
                _check_roster(use, value, minima, compared=agreement.knows(use.study))

    def _beside_others(self, use: Use, roster: frozenset[str], agreement: Agreement) -> bool:
        """Whether an earlier result is the counts of a block, and the roster is that of all blocks, which has its own check.

        A study opens the counts of every block, so that those of the other blocks are no news.
        """
        names = {name for name, _ in use.sets}
        return any(
            other.study == use.study
            and use.roster < other.roster
            and names <= {name for name, _ in other.sets}
            and (other.roster <= roster or agreement.misses(other.roster ^ roster))
            for other in self._uses
        )


def _sets(record: Released | SharedRows) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(record.sets.items())) or (("", record.cohort),)


HELD_OUT = "test"


def _switched(before: Mapping[str, frozenset[str]], now: Mapping[str, frozenset[str]]) -> bool:
    """Whether patients who trained or validated are held out now, or the other way: the hospital takes part in another role.

    Those sets have other names, so nobody compared them; taken together they are the same rows.
    """
    return (HELD_OUT in before) != (HELD_OUT in now) and bool(ids_in(before) & ids_in(now) or persons_in(before) & persons_in(now))


def _check_own(before: Mapping[str, frozenset[str]], now: Mapping[str, frozenset[str]], minima: Minima, *, switched: bool) -> None:
    pairs = [(all_rows(before), all_rows(now))] if switched else [(before[name], now[name]) for name in before.keys() & now.keys()]
    for earlier, later in pairs:
        own = differing(earlier, later)
        if 0 < own < minima.patients:
            raise privacy.ROWS_WAIT.problem(
                f"the own rows differ by {plural(own, 'patient')} from those of an earlier result; at least {minima.patients} are asked"
            )


def _check_sides(before: Mapping[str, frozenset[str]], now: Mapping[str, frozenset[str]]) -> None:
    """A patient who changed sides between training and validation would hide one who is new: both sets differ by many, together by one."""
    for name, rows in now.items():
        for other, earlier in before.items():
            if name != other and HELD_OUT not in (name, other) and ids_in({name: rows}) & ids_in({other: earlier}):
                raise privacy.ROWS_WAIT.problem(
                    f"patients of an earlier {other} set are in the {name} set: the validation fraction changed"
                )
            if name != other and HELD_OUT not in (name, other) and under_other_ids(earlier, now, rows, before):
                raise privacy.ROWS_WAIT.problem(
                    f"patients of an earlier {other} set are in the {name} set under other ids: cohort.csv needs their former ids"
                )


def _check_sums(value: OpenedValue, minima: Minima) -> None:
    left = min((n for now, before in value.sums if (n := fewest_left(now, before))), default=0)
    if 0 < left < minima.sites:
        raise privacy.VALUE_DIFFERS_BY_FEW.problem(
            f"results of earlier studies, added and subtracted, would leave {plural(left, 'site')}; at least {minima.sites} are asked"
        )


def _check_roster(use: Use, value: OpenedValue, minima: Minima, *, compared: bool) -> None:
    sites = len(use.roster ^ value.roster)
    if 0 < sites < minima.sites:
        raise privacy.VALUE_DIFFERS_BY_FEW.problem(
            f"the roster differs by {plural(sites, 'site')} from an earlier one; at least {minima.sites} are asked"
        )
    apart = _patients_apart(use, value, compared=compared)
    if sites and apart is not None and apart < minima.patients:
        raise privacy.VALUE_DIFFERS_BY_FEW.problem(
            f"the hospitals in which the rosters differ hold {plural(apart, 'patient')}; at least {minima.patients} are asked"
        )


def _patients_apart(use: Use, value: OpenedValue, *, compared: bool) -> int | None:
    """Patients at the hospitals that stand in one of two rosters only, whichever way these overlap.

    As hospitals known here contributed them: unknown ones count as nobody. Where none is known (made-up patients), the coordinator's
    two totals tell of one roster within the other, unless rows were `compared` between the two studies: then patients of the same
    hospitals left or came too, and the totals differ by these as well. None where nothing tells.
    """
    if value.contributed:
        before = dict(use.contributed)
        return sum(value.contributed.get(name, 0) for name in value.roster - use.roster) + sum(
            before.get(name, 0) for name in use.roster - value.roster
        )
    nested = use.roster < value.roster or value.roster < use.roster
    if compared or not nested or use.roster_patients is None or value.roster_patients is None:
        return None
    return abs(use.roster_patients - value.roster_patients)
