"""Misspelt names: the nearest valid one, and a stranger's text made fit for a message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to a misspelt or shortened one, or None when none is close."""
    plain = {one.lower().replace("-", "_"): one for one in known}
    given = name.lower().replace("-", "_")
    found = difflib.get_close_matches(given, list(plain), 1, 0.6)
    begun = [one for one in plain if len(given) >= 4 and (one.startswith(given) or (given.startswith(one) and len(one) >= 4))]
    return plain[found[0]] if found else (plain[begun[0]] if len(begun) == 1 else None)


def clean(text: str) -> str:
    """At most 40 printable characters of a document's text, for a message."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:40])
    return shown + ("…" if len(text) > 40 else "")
