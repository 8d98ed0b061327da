"""Who imports whom among our own modules: at the top of a file, inside functions, or for types alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import ROOT

PACKAGES = ("site_config", "shared_model", "client", "server", "simulations", "fedhcc", "evidence")


@dataclass(frozen=True)
class Import:
    """One own module that another one imports, and whether only a function does."""

    module: str
    line: int
    inside_function: bool


@dataclass(frozen=True)
class Module:
    """One file: its own imports, and the first parts of everything else it imports."""

    path: Path
    own: tuple[Import, ...]
    others: frozenset[str]


@cache
def modules(root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> Mapping[str, Module]:
    """Every module of our packages by its dotted name."""
    files = {_name(path.relative_to(root)): path for package in packages for path in sorted((root / package).rglob("*.py"))}
    return {name: _read(path, files) for name, path in files.items()}


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _read(path: Path, files: Mapping[str, Path]) -> Module:
    own, others = [], set()
    for node, inside in _imports(ast.parse(path.read_text("utf-8")), inside=False):
        for name in _named(node, files):
            if name in files:
                own.append(Import(name, node.lineno, inside))
            else:
                others.add(name.split(".")[0])
    return Module(path, tuple(own), frozenset(others))


def _imports(node: ast.AST, *, inside: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        yield from _imports(child, inside=inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def _named(node: ast.Import | ast.ImportFrom, files: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.level == 0 and node.module:
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in files else node.module


def circles(graph: Mapping[str, Module]) -> list[list[str]]:
    """Sets of modules each of which reaches itself over the others (Tarjan 1972), and modules that import themselves."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in (one.module for one in graph[name].own):
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            circle = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(circle) > 1 or name in (one.module for one in graph[name].own):
                found.append(sorted(circle))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def reach(graph: Mapping[str, Module], starts: set[str]) -> set[str]:
    """The modules that are imported by these, by those in turn, and so on; a package brings its `__init__`."""
    found: set[str] = set()
    left = list(starts)
    while left:
        name = left.pop()
        if name in found or name not in graph:
            continue
        found.add(name)
        left += [one.module for one in graph[name].own]
        left += [name.rpartition(".")[0]]
    return found
