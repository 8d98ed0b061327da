"""YAML text to plain values that remember their lines, with limits that hold before anything is expanded.

Only what a configuration needs is read: mappings with text keys, lists and scalars of the YAML 1.2 core schema (so `no`
is a text and `010` is ten). Anchors, aliases and tags are refused, as are duplicate keys and deep or huge documents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from site_config.problems import configuration as kinds
from site_config.problems.base import Problem, together

BYTES = 256 * 1024
DEPTH = 16
NODES = 20_000
INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "true": True,
    "True": True,
    "false": False,
    "False": False,
}
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
QUOTED = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
"""Words that one reader of YAML or another takes for a truth value or for nothing."""


def written(text: str) -> str:
    """A text as any reader of YAML reads it back: in quotes where it would be a number, a truth value or more than a word.

    >>> written("north"), written("007"), written("no"), written("Grade: I")
    ('north', '"007"', '"no"', '"Grade: I"')
    """
    plain = PLAIN.fullmatch(text) is not None and text.casefold() not in QUOTED
    return text if plain else json.dumps(text, ensure_ascii=False)


@dataclass
class Node:
    """A value of the document with the line it starts at (1-based); a mapping also knows the lines of its keys."""

    line: int
    value: Any = None
    items: dict[str, Node] | list[Node] | None = None
    key_lines: dict[str, int] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if isinstance(self.items, dict):
            return {key: node.plain() for key, node in self.items.items()}
        if isinstance(self.items, list):
            return [node.plain() for node in self.items]
        return self.value

    def at(self, location: tuple[int | str, ...]) -> tuple[Node, tuple[int | str, ...], int]:
        """The deepest node that `location` reaches, the part of the way that exists, and the line to point at."""
        node, way, line = self, [], self.line
        for part in location:
            if isinstance(node.items, dict) and str(part) in node.items:
                line = node.key_lines[str(part)]
                node = node.items[str(part)]
            elif isinstance(node.items, list) and isinstance(part, int) and part < len(node.items):
                node = node.items[part]
                line = node.line
            else:
                break
            way.append(part)
        return node, tuple(way), line


def decode(data: bytes, role: str) -> str:
    """UTF-8 text, with or without a byte-order mark; other encodings and NUL bytes are content problems with a line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise kinds.ENCODING.problem(f"line {line} is not UTF-8", where=f"{role}:{line}") from None
    for match in re.finditer(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text):
        line = text.count("\n", 0, match.start()) + 1
        raise kinds.NOT_TEXT.problem(f"line {line} holds a NUL byte or control character", where=f"{role}:{line}")
    return text


def parse(data: bytes, role: str) -> Node:
    """The document's tree; every syntax fault is a numbered problem with its line. Duplicate keys are reported together."""
    text = decode(data, role)
    faults: list[Problem] = []
    try:
        root = _build(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), role, faults)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise kinds.NOT_YAML.problem(f"line {line}: {error.problem or 'cannot be read'}", where=f"{role}:{line}") from None
    except yaml.YAMLError:
        raise kinds.NOT_TEXT.problem("a character that YAML does not allow", where=role) from None
    if faults:
        raise together(faults)
    return root


def _build(events: Iterator[Any], role: str, faults: list[Problem]) -> Node:
    stack: list[Node] = []
    keys: list[str | None] = []
    root: Node | None = None
    nodes = 0
    for event in events:
        line = event.start_mark.line + 1
        where = f"{role}:{line}"
        if isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise kinds.WRONG_FORM.problem(f"line {line} starts a second document", where=where)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise kinds.ALIAS.problem(f"line {line} holds an anchor, an alias or a tag", where=where)
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            stack.pop()
            keys.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        nodes += 1
        if nodes > NODES or len(stack) >= DEPTH:
            raise kinds.TOO_COMPLEX.problem(f"line {line}: more than {NODES:,} entries or {DEPTH} levels", where=where)
        if stack and isinstance(stack[-1].items, dict) and keys[-1] is None:
            keys[-1] = _key(event, stack[-1], line, role, faults)
            continue
        node = _node(event, line)
        if not stack:
            root = node
        elif isinstance(stack[-1].items, dict):
            stack[-1].items[str(keys[-1])] = node
            keys[-1] = None
        elif isinstance(stack[-1].items, list):
            stack[-1].items.append(node)
        if node.items is not None:
            stack.append(node)
            keys.append(None)
    if root is None:
        raise kinds.WRONG_FORM.problem("the document is empty", where=role)
    return root


def _key(event: Any, mapping: Node, line: int, role: str, faults: list[Problem]) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise kinds.NOT_YAML.problem(f"line {line}: a field's name must be a text", where=f"{role}:{line}")
    key = str(event.value)
    if key in mapping.key_lines:
        first = mapping.key_lines[key]
        faults.append(kinds.DUPLICATE_FIELD.problem(f"line {line}: `{key[:40]}` stands already in line {first}", where=f"{role}:{line}"))
        return f"{key} (line {line})"
    mapping.key_lines[key] = line
    return key


def _node(event: Any, line: int) -> Node:
    if isinstance(event, yaml.MappingStartEvent):
        return Node(line, items={})
    if isinstance(event, yaml.SequenceStartEvent):
        return Node(line, items=[])
    return Node(line, value=_scalar(event.value) if event.implicit[0] and not event.style else event.value)


def _scalar(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if DECIMAL.fullmatch(text):
        return float(text)
    return text
