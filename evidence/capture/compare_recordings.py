"""Two recordings of one study beside each other: what of the traffic differs, after what is random was replaced by name."""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from evidence.capture.recorder import Pieces
from evidence.capture.traffic import Reply, contents, others, replies


@dataclass(frozen=True)
class Compared:
    """How much was held against each other, and the first differences (where: one form, other form)."""

    replies: int
    bytes: int
    calls: int
    differences: tuple[str, ...]


def compare(one: Mapping[str, Pieces], two: Mapping[str, Pieces]) -> Compared:
    """Every site's replies in order, with their kind, sizes and metadata, and the distinct forms of every other request."""
    differences: list[str] = []
    known, other = contents(one.values()), contents(two.values())
    n_replies = n_bytes = n_calls = 0
    for site in sorted(one.keys() | two.keys()):
        first, second = replies(one[site], ChainMap(known, other)), replies(two[site], ChainMap(other, known))
        n_replies += len(first)
        n_bytes += sum(reply.size for reply in first)
        for number, (a, b) in enumerate(zip_longest(first, second)):
            if a != b:
                differences.append(f"{site} reply {number}: {_difference(a, b)}")
        calls, same = others(one[site]), others(two[site])
        n_calls += sum(map(len, calls.values()))
        differences += [f"{site} {call}" for call in sorted(calls.keys() | same.keys()) if calls.get(call) != same.get(call)]
    return Compared(n_replies, n_bytes, n_calls, tuple(differences))


def _difference(one: Reply | None, two: Reply | None) -> str:
    """The kind and the first part that differs; parts are in normal form and hold no value of a patient."""
    if one is None or two is None:
        return "is only in one of the recordings"
    if one.kind != two.kind or len(one.form) != len(two.form):
        return f"{one.kind} of {len(one.form)} parts against {two.kind} of {len(two.form)}"
    parts = [(json.loads(a), json.loads(b)) for a, b in zip(one.form, two.form, strict=True) if a != b]
    return f"{one.kind}: " + "; ".join(text for a, b in parts for text in leaves(a, b))


def leaves(one: Any, two: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, and how."""
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        for key in one:
            yield from leaves(one[key], two[key], f"{path}.{key}")
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for number, (a, b) in enumerate(zip(one, two, strict=True)):
            yield from leaves(a, b, f"{path}[{number}]")
    elif one != two:
        yield f"{path} {one} against {two}"
