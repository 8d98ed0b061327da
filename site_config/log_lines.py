"""Logs as JSON lines, one event a line, without what could name a person or open a door; rotated by size.

>>> redacted("cannot read /data/MUELLER^HANS/ct of 1.2.840.113619.2.55.3.1 by http://me:secret@proxy:3128")
'cannot read [path] of [uid] by http://[secret]@proxy:3128'
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from site_config.keys_and_signatures import private_folder

HIDDEN = (
    (re.compile(r"(?<=://)[^/@\s]+@"), "[secret]@"),
    (re.compile(r"(?<![\w:/])/(?:[^\s/:'\"]+/)+[^\s:'\"]*"), "[path] "),
    (re.compile(r"\b\d+(?:\.\d+){4,}\b"), "[uid]"),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "[address]"),
)
"""Users with passwords in addresses, absolute paths (which may hold a patient's name), DICOM UIDs, e-mail addresses."""


def redacted(text: str) -> str:
    """A text without paths, UIDs, passwords and e-mail addresses."""
    for pattern, instead in HIDDEN:
        text = pattern.sub(instead, text)
    return text.replace("  ", " ").rstrip()


class JsonLines(logging.Formatter):
    """A record as one JSON object: `time` (local, with offset), `level`, `where` (the logger), `text`, and what `extra` gave as `data`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "where": record.name,
            "text": redacted(record.getMessage()),
        }
        data = getattr(record, "data", None)
        if isinstance(data, dict):
            line["data"] = data
        return json.dumps(line, ensure_ascii=False)


def lines_to(path: Path, logger: str, level: str, megabytes: int) -> Path:
    """Let a logger write JSON lines into a private file, half of the megabytes in it and half in the one before."""
    private_folder(path.parent)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=max(megabytes, 2) * 500_000, backupCount=1, encoding="utf-8")
    handler.setFormatter(JsonLines())
    found = logging.getLogger(logger)
    for old in found.handlers:
        old.close()
    found.handlers = [handler]
    found.setLevel(level.upper())
    found.propagate = False
    return path


class OncePerText(logging.Handler):
    """Each text to `say` the first time it comes; at the end how often it came where that was more than once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        self._counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Say a text, or count it."""
        text = redacted(record.getMessage())
        self._counts[text] += 1
        if self._counts[text] == 1:
            self._say(text)

    def tell_counts(self) -> None:
        """What came more than once, with its count."""
        for text, count in self._counts.items():
            if count > 1:
                self._say(f"{count} times: {text}")


@contextmanager
def said_once(logger: str, say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, warnings of a logger without a file come once each, with their count at the end."""
    found, handler = logging.getLogger(logger), OncePerText(say)
    found.addHandler(handler)
    try:
        yield
    finally:
        found.removeHandler(handler)
        handler.tell_counts()


def readable(line: str) -> str:
    """A line as a person reads it; one of another form stays as it is."""
    try:
        found = json.loads(line)
        return f"{found['time'][:19].replace('T', ' ')} {str(found['level']).upper():7} {found['text']}"
    except (ValueError, KeyError, TypeError):
        return line.rstrip("\n")
