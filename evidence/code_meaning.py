"""What a piece of Python means, definition by definition: the hash of a syntax tree without what tidying may change.

Docstrings, annotations of layout, import statements, and the place where a module stands are left out, so that moving a file,
renaming a module or sorting imports changes no meaning, while one changed constant changes that constant's.
"""

from __future__ import annotations

import ast
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("site_config", "shared_model", "client", "server", "simulations", "fedhcc", "evidence")
PLACE: Final = "·module"
OURS: Final = re.compile(rf"\b(?:{'|'.join(PACKAGES)})(?:[./][A-Za-z_]\w*)+")
"""A module or a file of ours, by dots or slashes."""


def definitions(text: str, root: Path = ROOT) -> dict[str, str]:
    """Name of every top-level function, class and assignment → SHA-256, hex, of what it means; other statements by their hash.

    Example:
        >>> a = definitions("import os\\ndef f(x):\\n    'Says.'\\n    return x")
        >>> a == definitions("from sys import path\\ndef f(x):\\n    return x")
        True
    """
    tree = ast.parse(text)
    modules = _module_names(tree, root)
    found: dict[str, str] = {}
    for node in tree.body:
        if _is_prose(node) or isinstance(node, ast.Import | ast.ImportFrom) or _is_type_checking(node):
            continue
        plain = _Plain(modules).visit(node)
        digest = hashlib.sha256(ast.dump(plain).encode()).hexdigest()
        found[_name(node) or f"statement {digest[:8]}"] = digest
    return found


def meaning(path: Path) -> dict[str, str]:
    """`definitions` of a Python file; of any other file one entry with the hash of its bytes."""
    if path.suffix != ".py":
        return {"": hashlib.sha256(path.read_bytes()).hexdigest()}
    return definitions(path.read_text(encoding="utf-8"))


@cache
def everywhere(name: str = "*.py") -> frozenset[tuple[str, str]]:
    """(name, hash) of every definition in files of a name in our packages as they are now: where a moved one is looked up."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob(name))
    return frozenset(pair for path in files for pair in meaning(path).items())


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign):
        return ", ".join(ast.unparse(target) for target in node.targets)
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target)
    return None


def _is_prose(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _module_names(tree: ast.Module, root: Path) -> set[str]:
    """Names under which the file knows modules of ours."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            folder = root / node.module.replace(".", "/")
            names |= {a.asname or a.name for a in node.names if (folder / f"{a.name}.py").exists() or (folder / a.name).is_dir()}
    return names


class _Plain(ast.NodeTransformer):
    """Takes out of a tree what tidying may change."""

    def __init__(self, modules: set[str]) -> None:
        self.modules = modules

    def visit(self, node: ast.AST) -> ast.AST:
        """The node without docstrings and imports, its modules all under one name."""
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [x for x in body if not (_is_prose(x) or isinstance(x, ast.Import | ast.ImportFrom))]  # type: ignore[attr-defined]
        if isinstance(node, ast.Name) and node.id in self.modules:
            return ast.Name(id=PLACE, ctx=node.ctx)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.Constant(value=OURS.sub(PLACE, node.value))
        return self.generic_visit(node)
