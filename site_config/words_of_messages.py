"""Words of messages: the nearest valid name, the choices there are, counts with their noun, and a stranger's text made fit."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to a misspelt or shortened one, or None when none is close."""
    plain = {one.lower().replace("-", "_"): one for one in known}
    given = name.lower().replace("-", "_")
    found = difflib.get_close_matches(given, list(plain), 1, 0.6)
    begun = [one for one in plain if len(given) >= 4 and (one.startswith(given) or (given.startswith(one) and len(one) >= 4))]
    return plain[found[0]] if found else (plain[begun[0]] if len(begun) == 1 else None)


def choice(name: str, known: Iterable[str]) -> str:
    """The remedy for a name that is none of those known: the nearest one where one is close, and all there are."""
    names = list(known)
    near = nearest(name, names)
    return f"{f'Did you mean `{near}`? ' if near else ''}Choose from {', '.join(names)}."


def plural(n: int, one: str, many: str | None = None) -> str:
    """A count with its noun: `1 hospital`, `3 hospitals`, `2 graft losses`, `4 biopsies`."""
    return f"{n:,d} {one if n == 1 else (many or many_of(one))}"


def many_of(one: str) -> str:
    """A noun's regular plural."""
    if one.endswith(("s", "x", "z", "ch", "sh")):
        return f"{one}es"
    return f"{one[:-1]}ies" if one.endswith("y") and one[-2:-1] not in "aeiou" else f"{one}s"


def joined(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


def clean(text: str) -> str:
    """At most 40 printable characters of a document's text, for a message."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:40])
    return shown + ("…" if len(text) > 40 else "")


LEAST_DIGITS = 6
"""Digits of its id by which a study is named at least."""


def begins(prefix: str, known: str) -> bool:
    """Whether the first digits that somebody gave name this id: six at least, large or small letters."""
    wanted = prefix.strip().lower()
    return len(wanted) >= LEAST_DIGITS and known.startswith(wanted)


def not_one_study(prefix: str, n: int, studies: str) -> str:
    """Why first digits name no single study, of which `n` begin so.

    >>> not_one_study("abc", 0, "studies")
    "'abc' is too short: a study is named by the first 6 digits of its id or more"
    """
    if not prefix.strip():
        return "The study that was named is an empty word"
    if len(prefix.strip()) < LEAST_DIGITS:
        return f"{clean(prefix)!r} is too short: a study is named by the first {LEAST_DIGITS} digits of its id or more"
    number = f"{n} {studies} have" if n > 1 else f"none of the {studies} has"
    return f"{number} an id that starts with {clean(prefix)!r}"
