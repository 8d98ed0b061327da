"""The way back from a damaged study folder: keep what is whole, set the rest aside, and ask for the same numbers again.

Nothing is deleted and nothing is believed that the chain does not vouch for. What was set aside stands in the ledger as a
remark, and so in the report. Hospitals answer a question they answered before with the same number.
"""

from __future__ import annotations

from pathlib import Path

from server.asking.office_ledger import DROPPED, REMARK, StudyLedger, history, owner_of, owners
from server.study.array_files import part_folder
from site_config.atomic_files import read_limited, write_atomic
from site_config.hash_chained_journal import FIRST, Entry, parse
from site_config.problems import federation, privacy
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import canonical
from site_config.words_of_messages import plural

LEDGER_LIMIT = 1 << 30


def repair(root: Path) -> list[str]:
    """Make a study's run folder one that `resume` goes on with; what was done, in words. STUDY_BUSY while a run is on."""
    done: list[str] = []
    path = root / "ledger.jsonl"
    try:
        history(path)
    except Problem as problem:
        if problem.kind != federation.LEDGER_DAMAGED:
            raise
        done.append(_salvage(path))
    if owners(history(path)) - {owner_of(path)}:
        _set_aside(path)
        done.append("the ledger was another study's; it was set aside, and all that is needed is asked for again")
    ledger = StudyLedger(path)
    try:
        for name, why in sorted(ledger.files.faults(root).items()):
            file = root / name
            for damaged in (file, part_folder(file)):
                if damaged != root and damaged.exists():
                    damaged.rename(_aside(damaged))
            ledger.note(DROPPED, name=name)
            done.append(f"the kept file {name[-30:]} {why}; it was set aside and is asked for again")
        for words in done:
            ledger.note(REMARK, words=words)
    finally:
        ledger.close()
    return done


def _aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _set_aside(ledger: Path) -> Path:
    """Move a ledger and its side file away; the side file's place."""
    head = ledger.with_suffix(".head")
    for damaged in (ledger, head):
        if damaged.exists():
            damaged.rename(_aside(damaged))
    return head


def _salvage(path: Path) -> str:
    """The entries before the first damage become the ledger; the damaged files stay beside it."""
    content = read_limited(path, LEDGER_LIMIT, "the ledger") if path.exists() else b""
    whole = whole_entries(content)
    head = _set_aside(path)
    write_atomic(path, b"".join(entry.line() for entry in whole))
    last = whole[-1] if whole else None
    write_atomic(head, canonical({"number": last.number if last else 0, "hash": last.hash if last else FIRST}))
    return f"the ledger was whole for {plural(len(whole), 'entry', 'entries')} only; what came after was set aside and is asked for again"


def whole_entries(content: bytes) -> list[Entry]:
    """The entries of a journal's content before the first one that does not fit."""
    low, high = 0, content.count(b"\n")
    lines = content.split(b"\n")
    while low < high:  # the longest prefix that parses
        middle = (low + high + 1) // 2
        try:
            parse(b"\n".join(lines[:middle]) + b"\n")
        except Problem as problem:
            if problem.kind != privacy.JOURNAL_TAMPERED:
                raise
            high = middle - 1
        else:
            low = middle
    return parse(b"\n".join(lines[:low]) + b"\n")[0] if low else []
