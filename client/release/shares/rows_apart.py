"""Which patients two results have apart, from their rows as the ledger compares them.

A row is `ID.VALUES` or, in a study that reads scans, `ID.VALUES.SETTINGS.SLICES`. VALUES is the digest of the table's cells, and behind
hyphens what the study made of them: of the outcome, of the list of what it reads, of each variable that it read (`_` between them), and,
without the id, of outcome, age and sex. A new column, or other codes, make every row another one; who joined, whose
outcome and whose other values are others is found all the same. Where a hospital gives its patients other ids, those of the same
outcome, age and sex are the same patients: else everybody would have left and come, and would hide the one who did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from client.cohort.pseudonyms import keyed_hash

Sets = Mapping[str, frozenset[str]]
"""Set → its rows."""


def changed_ids(before: frozenset[str], now: frozenset[str]) -> set[str]:
    """Patients of two sets of rows who are in one only, or in both with other cells, another outcome, other values or slices.

    >>> sorted(changed_ids(frozenset({"a.1", "b.1.s.7", "c.1.s.7", "d.1.s.7"}), frozenset({"a.2", "b.1", "c.1.t.9", "d.1.s.9"})))
    ['a', 'd']
    """
    now = under_former_ids(before, now)
    left, came = before - now, now - before
    cells = {one for one, row, other in _both(left, came) if _cells(row) != _cells(other)}
    return cells | read_ids(before, now)


def moved_ids(before: frozenset[str], now: frozenset[str]) -> set[str]:
    """Of those, who is in one only."""
    return _ids(before) ^ _ids(under_former_ids(before, now))


def outcome_ids(before: frozenset[str], now: frozenset[str]) -> set[str]:
    """Of those, who is in one only or has another outcome: one who was followed on, or whom another study follows longer.

    >>> sorted(outcome_ids(frozenset({"a.1-x-l-5", "b.1-x-l-5", "c.1"}), frozenset({"a.1-y-l-5", "b.2-x-k-6", "c.2-x-l-5"})))
    ['a']
    """
    now = under_former_ids(before, now)
    pairs = _both(before - now, now - before)
    return moved_ids(before, now) | {one for one, row, other in pairs if _differ(_outcome(row), _outcome(other))}


def read_ids(before: frozenset[str], now: frozenset[str]) -> set[str]:
    """Of those, who is in one only, or has another outcome, or other values or slices where both results read the same of a patient.

    >>> sorted(read_ids(frozenset({"a.1-x-l-5", "b.1-x-l-5", "c.1-x-l-5"}), frozenset({"a.2-x-l-6", "b.2-x-k-6", "c.2-x-l-5"})))
    ['a']
    """
    now = under_former_ids(before, now)
    found = outcome_ids(before, now)
    for one, row, other in _both(before - now, now - before):
        by_list = any(lists[0] == lists[1] and _differ(*read) for lists, read in zip(*_readings(row, other), strict=True))
        if by_list or _values_apart(_part(row, 1, 3), _part(other, 1, 3)):
            found.add(one)
    return found


def differing(before: frozenset[str], now: frozenset[str]) -> int:
    """Patients that may be counted towards a minimum: who joined or left; where nobody did, whose outcome is another one; and so on.

    A new column or another code makes every row another one, and hides nobody in results that do not read it.
    """
    return next((len(found) for kind in (moved_ids, outcome_ids, read_ids, changed_ids) if (found := kind(before, now))), 0)


def left_of_four(now: frozenset[str], third: frozenset[str], before: frozenset[str], other: frozenset[str]) -> tuple[set[str], set[str]]:
    """Who is left of now − before − (other − third), by cells and outcome, and by being there.

    Before and after some came, once all patients and once those with scans: of the four results, who came without scans.

    >>> left_of_four(frozenset({"a.1", "n.1"}), frozenset({"a.1", "b.1"}), frozenset({"a.1"}), frozenset({"a.1", "b.1", "n.1", "m.1"}))
    ({'m'}, {'m'})
    """
    known = before | third
    now, other = under_former_ids(known, now), under_former_ids(known, other)
    rows, ids = Counter[tuple[str, str]](), Counter[str]()
    for sign, some in ((1, now), (1, third), (-1, before), (-1, other)):
        for row in some:
            one = row.partition(".")[0]
            rows[one, "-".join((_cells(row), _outcome(row)))] += sign
            ids[one] += sign
    return {one for (one, _), n in rows.items() if n}, {one for one, n in ids.items() if n}


def under_former_ids(before: frozenset[str], now: frozenset[str]) -> frozenset[str]:
    """The rows `now`, those of patients who are not in `before` under the id of one who left and has the same outcome, age and sex.

    >>> before, now = frozenset({"a.1-x-l-5-p", "b.2-y-l-6-q"}), frozenset({"b.2-y-l-6-q", "n.7-z-l-8-p", "m.9-z-l-8-r"})
    >>> sorted(under_former_ids(before, now))
    ['a.1-x-l-8-p', 'b.2-y-l-6-q', 'm.9-z-l-8-r']
    """
    left: dict[str, list[str]] = {}
    here = _ids(now)
    for row in sorted(before, reverse=True):
        person = person_of(row)
        if person and row.partition(".")[0] not in here:
            left.setdefault(person, []).append(row)
    if not left:
        return now
    there, found = _ids(before), set()
    for row in sorted(now):
        former = left.get(person_of(row)) if row.partition(".")[0] not in there else None
        found.add(_as_before(former.pop(), row) if former else row)
    return frozenset(found)


def under_other_ids(before: frozenset[str], now: Sets, rows: frozenset[str], earlier: Sets) -> bool:
    """Whether one of some earlier rows, who is in none of today's sets, is among `rows` under an id that no earlier set has."""
    left, came = _not_in(before, ids_in(now)), _not_in(rows, ids_in(earlier))
    return bool(persons_in({"": left}) & persons_in({"": came}))


def all_rows(sets: Sets) -> frozenset[str]:
    """The rows of all sets."""
    return frozenset().union(*sets.values())


def ids_in(sets: Sets) -> set[str]:
    """The patients of all sets."""
    return _ids(all_rows(sets))


def persons_in(sets: Sets) -> set[str]:
    """The patients of all sets by what they are, whatever their ids."""
    return {person for row in all_rows(sets) if (person := person_of(row))}


def _not_in(rows: frozenset[str], ids: set[str]) -> frozenset[str]:
    return frozenset(row for row in rows if row.partition(".")[0] not in ids)


def _as_before(former: str, row: str) -> str:
    """A row under its patient's former id, with the former digests of cells and outcome, which hold the id."""
    ident, cells, *_ = former.split(".")
    _, mine, *slices = row.split(".")
    kept = cells.split("-")[:2] + mine.split("-")[2:]
    return ".".join((ident, "-".join(kept), *slices))


def person_of(row: str) -> str:
    """The digest of a patient's outcome, age and sex; '' in a journal of before."""
    return _part(row, 1, 4)


def _both(left: frozenset[str], came: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Patients of both with their rows."""
    others = _by_id(came)
    return ((one, row, others[one]) for one, row in _by_id(left).items() if one in others)


def _by_id(rows: Iterable[str]) -> dict[str, str]:
    return {row.partition(".")[0]: row for row in rows}


def _ids(rows: Iterable[str]) -> set[str]:
    return {row.partition(".")[0] for row in rows}


def _part(row: str, place: int, within: int = 0) -> str:
    """A part between dots, or of it one between hyphens; '' where there is none."""
    parts = row.split(".")
    found = parts[place].split("-") if place < len(parts) else []
    return found[within] if within < len(found) else ""


def _cells(row: str) -> str:
    return _part(row, 1)


def _outcome(row: str) -> str:
    return _part(row, 1, 1)


def values_read(values: Mapping[str, str], secret: bytes) -> str:
    """The digests of a patient's values by variable, so that two studies are compared by those that both read."""
    digests = (keyed_hash(secret, "value", name, value).hex()[:8] for name, value in sorted(values.items()))
    names = (keyed_hash(secret, "variable", name).hex()[:6] for name in sorted(values))
    return "_".join(f"{name}{value}" for name, value in zip(names, digests, strict=True))


def _values_apart(one: str, other: str) -> bool:
    """Whether a variable that both read has another value; unknown of a journal of before, which has one digest for all."""
    mine, known = ({part[:6]: part[6:] for part in read.split("_")} if "_" in read else {} for read in (one, other))
    return any(mine[name] != known[name] for name in mine.keys() & known.keys())


def _readings(row: str, other: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What both were read by, and what was read: of the table, and of the scans."""
    lists = [(_part(row, *at), _part(other, *at)) for at in ((1, 2), (2, 0))]
    read = [(_part(row, *at), _part(other, *at)) for at in ((1, 3), (3, 0))]
    return lists, [two if not any("_" in one for one in two) else ("", "") for two in read]


def _differ(one: str, other: str) -> bool:
    """Whether both are known and are others: a journal of before holds cells alone."""
    return bool(one and other) and one != other
