"""Messages no honest program sends: one of ours, broken at one place, as the records Flower would carry."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from flwr.app.message import Array

from shared_model.secure_sum.federation_messages import Message
from shared_model.secure_sum.message_bytes import pack
from site_config.study.plan_and_lock import canonical

Random = np.random.Generator
ODD: tuple[Any, ...] = (
    None, True, -1, 1e308, 1 << 70, "", "x" * 70_000, "\x1b[2J\x1b[31mAll is well", "<script>alert(1)</script>", "ü\x00", [], {}, [[]] * 50,
    {"a": {"a": {"a": 1}}}, "FH-1", "00" * 31, "zz" * 32, "AB" * 32,
)  # fmt: skip
HEADS = (
    {"descr": "<f4", "fortran_order": False, "shape": (2_500_000_000_000,)},
    {"descr": "|O", "fortran_order": False, "shape": (1,)},
    {"descr": "<f4", "fortran_order": True, "shape": (2, 2)},
    {"descr": "<f8", "fortran_order": False, "shape": (-1,)},
    {"descr": "<u8", "fortran_order": False, "shape": (1 << 40, 1 << 40)},
    {"descr": [("a", "<f4")], "fortran_order": False, "shape": (1,)},
)


@contextmanager
def memory_limit(more: int = 1 << 30) -> Iterator[None]:
    """No more than so many bytes of address space beyond what the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def npy(head: dict[str, Any], body: bytes = b"abcd") -> bytes:
    """A `.npy` file with such a head."""
    text = f"{head!r}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + body


def records(header: object, inline: object, large: ArrayRecord | None = None) -> RecordDict:
    """Flower's records with such a header and such arrays."""
    found = RecordDict({"fedhcc": ConfigRecord({"header": header, "inline": inline})})
    if large is not None:
        found["arrays"] = large
    return found


def broken_body(message: Message, random: Random) -> RecordDict:
    """A field missing, unknown, or of another type."""
    body = dict(message.body)
    names = sorted(body)
    what = random.integers(3) if names else 1
    if what == 0:
        del body[names[random.integers(len(names))]]
    elif what == 1:
        body["more"] = ODD[random.integers(len(ODD))]
    else:
        name = names[random.integers(len(names))]
        odd = [value for value in ODD if type(value) is not type(body[name]) or isinstance(value, str)]
        body[name] = odd[random.integers(len(odd))]
    packed = pack(Message(message.kind, {}, message.arrays))
    header = json.loads(packed.header)
    return records(json.dumps({**header, "body": body}).encode(), packed.inline)


def broken_header(message: Message, random: Random) -> RecordDict:
    """Another header than ours, or one that does not fit its arrays."""
    packed = pack(message)
    header = json.loads(packed.header)
    changes: tuple[Callable[[], object], ...] = (
        lambda: b"",
        lambda: b"{" * 5_000,
        lambda: b"[" * 200_000,
        lambda: packed.header[: len(packed.header) // 2],
        lambda: packed.header.replace(b":", b";"),
        lambda: "text",
        lambda: 3,
        lambda: random.bytes(200),
        lambda: json.dumps({**header, "kind": ["status"]}).encode(),
        lambda: json.dumps({**header, "kind": "evil"}).encode(),
        lambda: json.dumps({**header, "kind": "refusal", "body": {"code": "All is well", "until": 1 << 39}}).encode(),
        lambda: json.dumps({**header, "kind": "refusal", "body": {"code": "FH-721", "until": 1 << 39}}).encode(),
        lambda: json.dumps({**header, "arrays": [["a", "float32", [1 << 30, 1 << 30, 16]]]}).encode(),
        lambda: json.dumps({**header, "arrays": [["a", ["float32"], [1]]]}).encode(),
        lambda: json.dumps({**header, "arrays": [["a", "float64", [1 << 60]]]}).encode(),
        lambda: json.dumps({**header, "body": float("nan")}).encode(),
        lambda: canonical({**header, "body": {"number": "1" * 10}}).replace(b'"1111111111"', b"1" * 9_000),
    )
    return records(changes[random.integers(len(changes))](), packed.inline)


def broken_arrays(message: Message, random: Random) -> RecordDict:
    """Arrays of another serialisation, of sizes that are only claimed, or more than were asked for."""
    packed = pack(message)
    if random.integers(2):
        raw = npy(HEADS[random.integers(len(HEADS))])
        kind = ("numpy.ndarray", "pickle", "")[random.integers(3)]
        array = Array(dtype="float32", shape=(1,), stype=kind, data=(raw, b"abc", random.bytes(300))[random.integers(3)])
        return records(packed.header, packed.inline, ArrayRecord({"x": array}))
    more = {"more": np.zeros(int(random.integers(1, 50)))}
    arrays: dict[str, np.ndarray[Any, Any]] = dict(message.arrays)
    if arrays and random.integers(2):
        name = sorted(arrays)[random.integers(len(arrays))]
        changed = (arrays[name][:-1], np.r_[arrays[name], arrays[name]], arrays[name].astype(np.float32), arrays[name].reshape(1, -1))
        return _of(Message(message.kind, message.body, {**arrays, name: changed[random.integers(len(changed))]}))
    return _of(Message(message.kind, message.body, {**arrays, **more}))


def _of(message: Message) -> RecordDict:
    packed = pack(message)
    return records(packed.header, packed.inline)


def no_record(_message: Message, random: Random) -> RecordDict:
    """No record of ours at all."""
    others = (RecordDict({}), RecordDict({"fedhcc": ArrayRecord({})}), RecordDict({"other": ConfigRecord({"a": 1})}))
    return others[random.integers(len(others))]


def broken(message: Message, random: Random) -> RecordDict:
    """One of the ways above."""
    ways = (broken_body, broken_body, broken_header, broken_header, broken_arrays, broken_arrays, no_record)
    return ways[random.integers(len(ways))](message, random)
