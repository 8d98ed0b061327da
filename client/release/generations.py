"""Base sets of patients, by generations: what a hospital computes from changes in steps of many, never by one.

The first generation is the table as it stands at the first study. New patients, corrected rows and later follow-ups wait:
a study computes from the rows of the last generation, which are kept here as they were. The next one opens when, against
*every* earlier one, nothing changed or at least the minimum did. A patient who withdrew is in no generation any more.

The kept rows lie in state/generations, one CSV file each, without withdrawn patients; the journal holds every row's keyed
digest, so that a damaged file is found, and so that the ledger can tell which rows a release used.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from client.cohort.pseudonyms import keyed_hash, patient_key, site_secret
from client.release.ledger import DoorRecord
from site_config.files import make_folder, read_limited, write_atomic
from site_config.journal import Entry, Journal
from site_config.names import plural
from site_config.problems import host, privacy
from site_config.study.model import Study
from site_config.tables.cohort import Cohort, parse_cohort
from site_config.tables.csv_text import BYTES, raw_rows

GENERATION, BASE = "generation", "base"
PATIENT = "patient"
Rows = Mapping[str, str]
"""Patient (HMAC id) → keyed digest of the row, 16 hex digits."""


class GenerationSeen(DoorRecord):
    """A base set, written when it opens."""

    number: int
    rows: dict[str, str]


class BaseSeen(DoorRecord):
    """The generation a study computes from, written at its first question."""

    study: str
    generation: int


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

    def as_csv(self) -> bytes:
        """The table again, in the order of the patients' ids."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.cells[key] for key in sorted(self.cells))
        return out.getvalue().encode()


def changed(before: Rows, now: Rows) -> int:
    """How many patients joined, left or have another row."""
    return sum(before.get(key) != now.get(key) for key in before.keys() | now.keys())


@dataclass
class Generations:
    """The fold: every base set of this hospital, and which one each study computes from."""

    known: list[GenerationSeen] = field(default_factory=list)
    since: list[str] = field(default_factory=list)
    bases: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Generations:
        """Those of a journal."""
        found = cls()
        for entry in entries:
            if entry.kind == GENERATION:
                found.known.append(GenerationSeen.model_validate(entry.data))
                found.since.append(entry.time)
            elif entry.kind == BASE:
                base = BaseSeen.model_validate(entry.data)
                found.bases[base.study] = base.generation
        return found

    def opens(self, now: Rows, least: int) -> bool:
        """Whether `now` may become the next base set: against each earlier one nothing changed, or at least `least` did."""
        return all(change == 0 or change >= least for change in (changed(one.rows, now) for one in self.known))

    def lacking(self, now: Rows, least: int) -> int:
        """How many further patients have to join, leave or change before the next generation opens."""
        changes = [changed(one.rows, now) for one in self.known]
        return max((least - change for change in changes if 0 < change < least), default=0)

    def waiting(self, now: Rows, least: int) -> str:
        """What waits, since when, and what is missing, in words; '' where nothing waits."""
        if not self.known or not changed(self.known[-1].rows, now):
            return ""
        what = plural(changed(self.known[-1].rows, now), "patient has joined, left or changed", "patients have joined, left or changed")
        return f"{what} since {self.since[-1][:10]}; the next generation opens after {self.lacking(now, least)} more"


def base_rows(
    journal: Journal, state: Path, study_id: str, live: LiveTable, least: int, gone: frozenset[str]
) -> tuple[GenerationSeen, bytes]:
    """The base set a study computes from and its table; chosen at the study's first question, and the same from then on.

    Raises STATE_DAMAGED where the kept table is not the one the journal knows, COHORT_EMPTIED where every patient left.
    """
    known = Generations.of(journal)
    if study_id not in known.bases:
        if not known.known or (changed(known.known[-1].rows, live.rows) and known.opens(live.rows, least)):
            opened = GenerationSeen(number=len(known.known) + 1, rows=dict(live.rows))
            write_atomic(_file(state, opened.number), live.as_csv())
            journal.append(GENERATION, opened.model_dump())
            known.known.append(opened)
        journal.append(BASE, BaseSeen(study=study_id, generation=known.known[-1].number).model_dump())
        known.bases[study_id] = known.known[-1].number
    generation = known.known[known.bases[study_id] - 1]
    return generation, _table(state, generation, gone)


def _file(state: Path, number: int) -> Path:
    return make_folder(state / "generations") / f"{number:04d}.csv"


def _table(state: Path, generation: GenerationSeen, gone: frozenset[str]) -> bytes:
    """A kept table without withdrawn patients, checked; their rows leave the file for good."""
    path, secret = _file(state, generation.number), site_secret(state)
    table = LiveTable.read(read_limited(path, BYTES, "state/generations"), secret, gone)
    if {**table.rows} != {key: row for key, row in generation.rows.items() if key not in gone}:
        raise host.STATE_DAMAGED.problem("a kept table is not the one the journal knows", where="state/generations")
    if generation.rows and not table.rows:
        raise privacy.COHORT_EMPTIED.problem("every patient of this hospital's base set has withdrawn")
    content = table.as_csv()
    if any(key in gone for key in generation.rows) and content != path.read_bytes():
        write_atomic(path, content)
    return content


def cohort_of(table: bytes, study: Study, today: date | None = None) -> Cohort:
    """The patients of a kept table as a study reads them; none for a table without rows."""
    _, lines = raw_rows(table, "cohort.csv")
    return parse_cohort(table, study, today or date.today()) if lines else Cohort(())
