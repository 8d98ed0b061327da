"""The journal: survives a kill at any byte, and tells where it was changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from site_config import hash_chained_journal
from site_config.hash_chained_journal import Journal
from site_config.problems import privacy
from site_config.problems.base import Problem

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "journal.jsonl"


def filled(path, n=5):
    with Journal(path, clock=lambda: NOON) as book:
        for i in range(n):
            book.append("release", {"i": i, "text": "ü"})
    return path


def found(kind, path, where=None):
    for action in (lambda: hash_chained_journal.read(path), lambda: Journal(path)):
        with pytest.raises(Problem) as caught:
            action()
        assert caught.value.kind is kind
        assert where is None or caught.value.where == f"journal.jsonl:{where}"


def test_entries_come_back_in_order_and_new_ones_follow(path):
    filled(path, 3)
    with Journal(path) as book:
        book.append("open", {})
        assert [entry.number for entry in book] == [1, 2, 3, 4]
    assert [entry.kind for entry in hash_chained_journal.read(path)] == ["release", "release", "release", "open"]
    assert path.stat().st_mode & 0o077 == 0


def test_one_writer_at_a_time_many_readers(path):
    with Journal(path) as book:
        book.append("release", {})
        with pytest.raises(Problem) as caught:
            Journal(path)
        assert caught.value.kind is privacy.JOURNAL_BUSY
        assert len(hash_chained_journal.read(path)) == 1
    Journal(path).close()


def test_torn_at_every_byte_of_the_last_line(path):
    """As a killed process leaves it: a prefix of the last line, the head still at the entry before."""
    filled(path, 3)
    head = path.with_suffix(".head").read_bytes()
    with Journal(path, clock=lambda: NOON) as book:
        book.append("open", {"last": True})
    whole = path.read_bytes()
    before = whole.rindex(b"\n", 0, -1) + 1
    for end in range(before, len(whole)):
        path.write_bytes(whole[:end])
        path.with_suffix(".head").write_bytes(head)
        with Journal(path, clock=lambda: NOON) as book:
            kinds = [entry.kind for entry in book]
            book.append("open", {"again": True})
        assert kinds == ["release"] * 3 + ["repair"] * (end > before)
        if end > before:
            assert path.with_suffix(".torn-4").read_bytes() == whole[before:end]
        assert hash_chained_journal.read(path)[-1].data == {"again": True}


def test_killed_between_line_and_head(path):
    filled(path, 3)
    head = path.with_suffix(".head").read_bytes()
    filled(path, 1)
    path.with_suffix(".head").write_bytes(head)
    with Journal(path) as book:
        assert len(book) == 4


def test_every_changed_byte_is_found_at_its_entry(path):
    filled(path, 3)
    whole = path.read_bytes()
    line = 1
    for position, byte in enumerate(whole[:-1]):
        changed = bytes([byte ^ 1])
        path.write_bytes(whole[:position] + changed + whole[position + 1 :])
        with pytest.raises(Problem) as caught:
            hash_chained_journal.read(path)
        assert caught.value.kind in (privacy.JOURNAL_TAMPERED, privacy.JOURNAL_TRUNCATED)
        assert caught.value.where == f"journal.jsonl:{line}"
        line += byte == ord("\n")


def test_cut_reordered_or_exchanged_lines_are_found(path):
    filled(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    found(privacy.JOURNAL_TRUNCATED, path, 4)
    path.write_bytes(b"")
    found(privacy.JOURNAL_TRUNCATED, path, 1)
    path.write_bytes(b"".join([*lines[:1], *lines[2:]]))
    found(privacy.JOURNAL_TAMPERED, path, 2)
    path.write_bytes(b"".join([lines[0], lines[2], lines[1], *lines[3:]]))
    found(privacy.JOURNAL_TAMPERED, path, 2)
    path.write_bytes(b"".join(lines) + b"{}\n")
    found(privacy.JOURNAL_TAMPERED, path, 6)
    path.write_bytes(b"".join(lines))
    path.with_suffix(".head").unlink()
    found(privacy.JOURNAL_TRUNCATED, path)


def test_rewritten_chain_is_found_by_the_head(path):
    filled(path, 3)
    head = path.with_suffix(".head").read_bytes()
    for file in path.parent.iterdir():
        file.unlink()
    with Journal(path, clock=lambda: NOON) as book:
        for _ in range(3):
            book.append("release", {"i": "another"})
    path.with_suffix(".head").write_bytes(head)
    found(privacy.JOURNAL_TAMPERED, path, 3)


WRITER = """
import sys
from pathlib import Path
from site_config.hash_chained_journal import Journal
with Journal(Path(sys.argv[1])) as book:
    print("ready", flush=True)
    for number in range(100_000):
        book.append("release", {"number": number, "filling": "x" * (number * 997 % 5000)})
        print(number, flush=True)
"""


def test_kill_nine_while_writing(path):
    """What was told to the outside is in the journal, whatever moment the process died at."""
    for delay in (0.0, 0.002, 0.011, 0.023, 0.05, 0.081):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split("\n")
        process.wait()
        said = [int(line) for line in told[:-1] if line]
        with Journal(path) as book:
            written = [entry.data["number"] for entry in book if entry.kind == "release"]
        assert written[-len(said) :] == said or (said and written[-len(said) - 1 : -1] == said) or not said


def test_full_disk_leaves_no_half_line(path, monkeypatch):
    filled(path, 2)
    size = path.stat().st_size
    with Journal(path) as book:
        real = os.write

        def full(handle, data):
            real(handle, bytes(data)[:7])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(Problem):
            book.append("release", {})
        monkeypatch.undo()
        assert path.stat().st_size == size
        book.append("release", {"after": True})
    assert len(hash_chained_journal.read(path)) == 3


def _taken_away(path):
    path.unlink()


def _moved_back(path):
    copy = path.with_name("older")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def _cut(path):
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


def _emptied(path):
    path.write_bytes(b"")


def _written_to(path):
    with path.open("ab") as file:
        file.write(b"x")


def _two_homes_one_file(path):
    """Another home whose journal is a hard link to this one, with a lock of its own."""
    other = path.parent.parent / "other" / path.name
    other.parent.mkdir()
    other.hardlink_to(path)
    other.with_suffix(".head").write_bytes(path.with_suffix(".head").read_bytes())
    with Journal(other) as book:
        book.append("release", {"of": "the other home"})


@pytest.mark.parametrize("spoil", [_taken_away, _moved_back, _cut, _emptied, _written_to, _two_homes_one_file])
def test_a_file_spoiled_while_it_is_open_takes_no_entry(path, spoil):
    """Whatever an entry would tell of does not leave: the file that would tell it is not there."""
    with Journal(path) as book:
        book.append("release", {"i": 0})
        book.append("release", {"i": 1})
        path.with_suffix(".lock").unlink()  # whoever tidies up takes the lock along
        spoil(path)
        before = path.read_bytes() if path.exists() else None
        for _ in range(2):
            with pytest.raises(Problem) as caught:
                book.append("release", {"i": 2})
            assert caught.value.kind in (privacy.JOURNAL_GONE, privacy.JOURNAL_TAMPERED)
            assert caught.value.fix
        assert len(book) == 2
        assert before == (path.read_bytes() if path.exists() else None)


def test_cut_to_any_line_without_its_head_is_found(path):
    filled(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.with_suffix(".head").unlink()
    for left in (1, 2, 3):
        path.write_bytes(b"".join(lines[:left]))
        found(privacy.JOURNAL_TRUNCATED, path)


def test_killed_between_the_first_line_and_its_head(path):
    with Journal(path) as book:
        head = path.with_suffix(".head").read_bytes()
        book.append("release", {})
    path.with_suffix(".head").write_bytes(head)
    assert len(hash_chained_journal.read(path)) == 1
    Journal(path).close()


def test_damaged_head_is_told(path):
    filled(path, 2)
    path.with_suffix(".head").write_text(json.dumps({"number": "x"}))
    found(privacy.JOURNAL_TAMPERED, path)
