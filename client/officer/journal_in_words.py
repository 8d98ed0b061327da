"""The journal in words, for a data-protection officer: what left, of how many patients, to whom, and by which rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

import shared_model.statistics.list_of_statistics  # noqa: F401 - fills the registry
from client.holder.holder_records import REVEALED
from client.release.journal_entries import COMPARED, COUNTED, OPEN, REFUSAL, RELEASE, SHARED, OpenedMask, Refused, Released, SharedRows
from shared_model.shares.messages.share_messages import ResultRecord
from shared_model.statistics.statistic_declaration import REGISTRY
from site_config.hash_chained_journal import Entry
from site_config.words_of_messages import plural

MOST_NUMBERS = 8


def told(entries: Iterable[Entry], study: str = "") -> Iterator[str]:
    """One sentence a thing that left this hospital or that it opened as a holder, in order; all studies, or those that begin so."""
    book = tuple(entries)
    opened = {OpenedMask.model_validate(entry.data).release for entry in book if entry.kind == OPEN}
    for entry in book:
        words, of = _words(entry, opened)
        if words and of.startswith(study):
            yield f"{entry.time[:16].replace('T', ' ')}  {of[:8]}  {words}"


def _words(entry: Entry, opened: set[int]) -> tuple[str, str]:
    """The sentence and the study; no words for what concerns nobody outside."""
    if entry.kind == RELEASE:
        one = Released.model_validate(entry.data)
        return _released(one, entry.number in opened), one.context.study
    if entry.kind in (SHARED, COMPARED):
        shared = SharedRows.model_validate({name: entry.data[name] for name in SharedRows.model_fields if name in entry.data})
        return (_shared(shared) if entry.kind == SHARED else _compared(shared)), shared.study
    if entry.kind == COUNTED:
        counted = SharedRows.model_validate(entry.data)
        return _counted(counted), counted.study
    if entry.kind == REVEALED:
        return f"As a holder, opened in the {entry.data['phase']} phase: {_numbers(entry)}", str(entry.data["study"])
    if entry.kind == REFUSAL:
        turned = Refused.model_validate(entry.data)
        return f"Refused ({turned.code}): {turned.statistic or turned.step} in the {turned.phase} phase; nothing left.", turned.study
    return "", ""


def _released(one: Released, is_open: bool) -> str:
    name = one.context.statistic
    title = REGISTRY[name].title if name in REGISTRY else name
    form = (
        "in the clear"
        if not one.masked
        else f"under a mask; the sum of {plural(len(one.roster), 'hospital')} " + ("was opened" if is_open else "was never opened")
    )
    return f"{title} ({one.context.phase}, round {one.context.round + 1}), {form}. Allowed by: {one.rule}."


def _shared(one: SharedRows) -> str:
    what, holders = plural(one.patients, "patient's row", "patients' rows"), ", ".join(one.holders)
    results = f"{plural(len(one.results), 'result')} of {plural(len(one.roster), 'hospital')} together may be opened of them"
    return f"{what} as secret shares to {holders} for the {one.phase} phase; {results}. Allowed by: {one.rule}."


def _counted(one: SharedRows) -> str:
    what, holders = f"Counts of {plural(one.patients, 'patient')}", ", ".join(one.holders)
    return f"{what} as secret shares to {holders}, who open them with noise over all hospitals. Allowed by: {one.rule}."


def _compared(one: SharedRows) -> str:
    who, holders = plural(one.patients, "patient"), ", ".join(one.holders)
    return f"Whether each of {who} joined, left or changed, as secret shares to {holders}; one bit a set is opened."


def _numbers(entry: Entry) -> str:
    """A result's name with its numbers, the first few of many."""
    record = ResultRecord.model_validate(entry.data["result"])
    values = np.ravel(record.opened().numbers())
    if record.bit:
        return f"{record.name}: {int(np.count_nonzero(values))} of {values.size} tests say yes."
    few = ", ".join(f"{value:.4g}" for value in values[:MOST_NUMBERS])
    return f"{record.name}: {few}" + (f" and {values.size - MOST_NUMBERS} more numbers." if values.size > MOST_NUMBERS else ".")
