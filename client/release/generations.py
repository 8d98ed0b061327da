"""Base sets of patients, by generations: what a hospital computes from changes in steps of many, never by one.

A study computes from rows as they stand (`live`) or as they were used last (`base`), decided for each set (training, validation,
test) at its first question and kept. Live rows open where, against every earlier result, nothing changed or at least the minimum
did: at this hospital alone, or over all hospitals together, which the holders find out without anybody seeing a number
(`shared_model.analyses.generation_change`). Until then new patients, corrected rows and later follow-ups wait. A patient who withdrew is in
no rows any more. Slices that were prepared anew from another scan or other masks are a change like a corrected row; former ones are not
kept, so that a study that reads scans waits until the patient's former scan is back or enough others changed.

The kept tables lie in state/generations, one CSV file each, without withdrawn patients; the journal holds every row's keyed
digest, so that a damaged file is found, and so that the ledger can tell which rows a release used.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pydantic import Field

from client.cohort.pseudonyms import keyed_hash, patient_key, site_secret
from client.release.journal_entries import DoorRecord
from client.release.shares.rows_apart import differing
from shared_model.analyses.phases.admission_plan import BASE as BASE_ROWS
from shared_model.analyses.phases.admission_plan import LIVE
from site_config.atomic_files import make_folder, read_limited, write_atomic
from site_config.hash_chained_journal import Entry, Journal
from site_config.problems import host
from site_config.study.plan_and_lock import Study
from site_config.tables.cohort_csv import Cohort, parse_cohort
from site_config.tables.csv_text import BYTES, raw_rows
from site_config.words_of_messages import plural

GENERATION, CANDIDATE, BASE = "generation", "candidate", "base"
PATIENT = "patient"
SetRows = Mapping[str, frozenset[str]]
"""Set → rows as the ledger compares them (`client.release.shares.rows_apart`)."""
Rows = Mapping[str, str]
"""Patient (HMAC id) → keyed digest of the row, 16 hex digits."""


class GenerationSeen(DoorRecord):
    """A table that is kept: the digests of its rows."""

    number: int
    rows: dict[str, str]


class CandidateSeen(DoorRecord):
    """The table whose rows a study's hospitals compared with earlier ones, written before they did."""

    study: str
    generation: int


class BaseSeen(DoorRecord):
    """The tables a study computes from, by set, written at its first question; `generation` is the newest of them."""

    study: str
    generation: int
    sets: dict[str, int] = Field(default_factory=dict)

    def of(self, name: str) -> int:
        """The number of the table of one set."""
        return self.sets.get(name, self.generation)


@dataclass(frozen=True)
class LiveTable:
    """The table as it stands: its header and every patient's cells."""

    header: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]
    rows: Rows

    @classmethod
    def read(cls, data: bytes, secret: bytes, gone: frozenset[str] = frozenset()) -> LiveTable:
        """A table's bytes, without the patients in `gone`."""
        header, lines = raw_rows(data, "cohort.csv")
        place = header.index(PATIENT) if PATIENT in header else 0
        cells = {patient_key(secret, line[place]): line for line in lines if len(line) > place}
        kept = {key: line for key, line in cells.items() if key not in gone}
        return cls(header, kept, {key: keyed_hash(secret, "row", *header, "", *line).hex()[:16] for key, line in kept.items()})

    def side(self, name: str, side_of: Callable[[str], str]) -> LiveTable:
        """The patients of one set. side_of: patient, as in the table, → set."""
        place = self.header.index(PATIENT) if PATIENT in self.header else 0
        kept = {key: line for key, line in self.cells.items() if side_of(line[place]) == name}
        return LiveTable(self.header, kept, {key: self.rows[key] for key in kept})

    def without(self, keys: frozenset[str]) -> LiveTable:
        """The other patients."""
        kept = {key: line for key, line in self.cells.items() if key not in keys}
        return LiveTable(self.header, kept, {key: self.rows[key] for key in kept})

    def with_others(self, other: LiveTable) -> LiveTable:
        """Both tables' patients; a column that only one has is empty for the other's."""
        header = tuple(dict.fromkeys((*self.header, *other.header)))

        def aligned(table: LiveTable) -> dict[str, tuple[str, ...]]:
            at = {name: place for place, name in enumerate(table.header)}
            return {key: tuple(line[at[n]] if n in at and at[n] < len(line) else "" for n in header) for key, line in table.cells.items()}

        cells = self.cells if header == self.header else aligned(self)
        more = other.cells if header == other.header else aligned(other)
        return LiveTable(header, {**cells, **more}, {**self.rows, **other.rows})

    def as_csv(self) -> bytes:
        """The table again, in the order of the patients' ids."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.cells[key] for key in sorted(self.cells))
        return out.getvalue().encode()


@dataclass
class Generations:
    """The fold: every kept table of this hospital, and which one each study computes from."""

    known: list[GenerationSeen] = field(default_factory=list)
    candidates: dict[str, int] = field(default_factory=dict)
    bases: dict[str, BaseSeen] = field(default_factory=dict)
    since: str = ""
    """When the last study chose its rows."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Generations:
        """Those of a journal."""
        found = cls()
        for entry in entries:
            if entry.kind == GENERATION:
                found.known.append(GenerationSeen.model_validate(entry.data))
            elif entry.kind == CANDIDATE:
                candidate = CandidateSeen.model_validate(entry.data)
                found.candidates[candidate.study] = candidate.generation
            elif entry.kind == BASE:
                base = BaseSeen.model_validate(entry.data)
                found.bases[base.study], found.since = base, entry.time
        return found

    def last(self, sets: Iterable[str], alike: Collection[str] = ()) -> dict[str, int]:
        """Set → the table it was computed from last, in one of the studies that are alike if there is any; only sets that a study used."""
        found: dict[str, int] = {}
        for base in sorted(self.bases.values(), key=lambda one: one.study in alike):  # in each of both parts as they came
            found.update({name: base.of(name) for name in sets if not base.sets or name in base.sets})
        return found

    def waiting(self, now: LiveTable, side_of: Callable[[str], str], least: int) -> str:
        """What waits, since when, and what it waits for, in words; '' where nothing waits. side_of: patient → set."""
        if not self.bases:
            return ""
        place = now.header.index(PATIENT) if PATIENT in now.header else 0
        sides = {side_of(line[place]) for line in now.cells.values()}
        last = {name: self.known[number - 1].rows for name, number in self.last(sides).items()}
        apart = {key for key, line in now.cells.items() if last.get(side_of(line[place]), {}).get(key) != now.rows[key]}
        left = {key for rows in last.values() for key in rows} - now.rows.keys()
        n = len(apart | left)
        if not n:
            return ""
        what = plural(n, "patient has joined, left or changed", "patients have joined, left or changed")
        return (
            f"{what} since {self.since[:10]}. New rows count as soon as at least {least} patients of a set have, at this hospital alone "
            "or, in a study on shares, at all its hospitals together, against every earlier study; until then the old rows stay usable"
        )


def choose(
    before: Iterable[SetRows], live: SetRows, least: int, agreed: Collection[str] | None, base: SetRows | None = None
) -> dict[str, str]:
    """Set → `live` or `base`. before: the rows of every earlier result by set; agreed: choices that all hospitals may use together.

    Where the hospitals compared, all of them follow what they found; else each asks for enough changes of its own. `base` is given for
    a study that goes on from another one: there companions leave only the sets that could not be used with them.
    """
    first, second = (LIVE, BASE_ROWS) if base is None else (BASE_ROWS, LIVE)
    if agreed is not None:
        return {name: first if f"{first}.{name}" in agreed else second for name in live}
    earlier, chosen = tuple(before), {}
    for name, rows in (live if base is None else base).items():
        changes = [differing(one[name], rows) for one in earlier if name in one]
        chosen[name] = first if all(change == 0 or change >= least for change in changes) else second
    return chosen


def companions(secret: bytes, study: str, sets: SetRows, how_many: Mapping[str, int]) -> frozenset[str]:
    """Patients (HMAC ids) who leave with those who left a study: of each set so many, in an order that the hospital's secret alone knows.

    Asked for more, the same ones are among them.
    """
    found: set[str] = set()
    for name, rows in sets.items():
        ids = sorted({row.partition(".")[0] for row in rows}, key=lambda one: keyed_hash(secret, "companion", study, one))
        found.update(ids[: how_many.get(name, 0)])
    return frozenset(found)


def keep(journal: Journal, state: Path, known: Generations, live: LiveTable) -> int:
    """The number under which a table is kept: its old one where it was kept before, with those rows."""
    for one in reversed(known.known):
        if one.rows == live.rows and _file(state, one.number).exists():
            return one.number
    seen = GenerationSeen(number=len(known.known) + 1, rows=dict(live.rows))
    write_atomic(_file(state, seen.number), live.as_csv())
    journal.append(GENERATION, seen.model_dump())
    known.known.append(seen)
    return seen.number


def kept_table(
    state: Path, known: Generations, numbers: Mapping[str, int], side_of: Callable[[str], str], gone: frozenset[str]
) -> LiveTable:
    """The patients of each set from its table, without whoever withdrew: of one table, all of it.

    Raises STATE_DAMAGED where a kept table is not the one the journal knows.
    """
    tables = {number: _table(state, known.known[number - 1], gone) for number in dict.fromkeys(numbers.values())}
    if len(tables) == 1:
        return next(iter(tables.values()))
    found: LiveTable | None = None
    for name, number in sorted(numbers.items()):
        part = tables[number].side(name, side_of)
        found = part if found is None else found.with_others(part)
    return found or LiveTable((PATIENT,), {}, {})


def _file(state: Path, number: int) -> Path:
    return make_folder(state / "generations") / f"{number:04d}.csv"


def _table(state: Path, generation: GenerationSeen, gone: frozenset[str]) -> LiveTable:
    """A kept table without withdrawn patients, checked; their rows leave the file for good."""
    path, secret = _file(state, generation.number), site_secret(state)
    table = LiveTable.read(read_limited(path, BYTES, "state/generations"), secret, gone)
    if {**table.rows} != {key: row for key, row in generation.rows.items() if key not in gone}:
        raise host.STATE_DAMAGED.problem("a kept table is not the one the journal knows", where="state/generations")
    content = table.as_csv()
    if any(key in gone for key in generation.rows) and content != path.read_bytes():
        write_atomic(path, content)
    return table


def cohort_of(table: LiveTable, study: Study, today: date | None = None) -> Cohort:
    """The patients of a kept table as a study reads them; none for a table without rows."""
    return parse_cohort(table.as_csv(), study, today or date.today()) if table.cells else Cohort(())
