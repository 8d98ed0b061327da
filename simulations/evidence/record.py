"""Evidence: figures with the commit, command, seeds, machine and the code they speak for.

`record` writes `docs/evidence/NAME.json`. `python -m simulations.evidence.record` checks every piece: it is stale, and the
check fails, when the meaning of a covered Python file (its syntax tree without docstrings) has changed since.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from site_config.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "evidence"


def meaning(path: Path) -> str:
    """SHA-256, hex, of a Python file's syntax tree without docstrings; of the bytes for any other file."""
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            node.body = body[1:]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def covered(paths: list[str]) -> dict[str, str]:
    """Path relative to the repository → hash of its meaning; a folder stands for its Python files."""
    files: list[Path] = []
    for name in paths:
        path = ROOT / name
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return {file.relative_to(ROOT).as_posix(): meaning(file) for file in files}


def commit() -> str:
    """The current commit, with `+` when the work tree differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
        return done.stdout.strip()

    return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def machine() -> dict[str, object]:
    """What the figures were measured on, without naming the machine."""
    cores = len([line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")])
    return {"system": platform.system(), "processor": platform.machine(), "cores": cores, "python": platform.python_version()}


def record(name: str, *, covers: list[str], figures: dict[str, Any], seeds: list[int], command: str | None = None) -> Path:
    """Write `docs/evidence/NAME.json` and return its path.

    `covers` lists the files or folders (relative to the repository) whose change makes the figures stale.
    """
    words = [Path(sys.argv[0]).stem, *sys.argv[1:]] if command is None else []
    piece = {
        "name": name,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "command": command or f"python -m simulations.evidence.{shlex.join(words)}",
        "seeds": seeds,
        "machine": machine(),
        "covers": covered(covers),
        "figures": figures,
    }
    path = FOLDER / f"{name}.json"
    write_json(path, piece)
    path.chmod(0o644)
    return path


def stale(path: Path) -> list[str]:
    """Covered files whose meaning changed, or that are gone, since a piece of evidence was recorded."""
    piece = read_json(path)
    return [name for name, was in piece.get("covers", {}).items() if not (ROOT / name).exists() or meaning(ROOT / name) != was]


def main() -> int:
    """Print each piece of evidence as current or stale; 1 when one is stale."""
    worst = 0
    for path in sorted(FOLDER.glob("*.json")):
        changed = stale(path)
        worst |= bool(changed)
        print(f"{path.name}: {'STALE: ' + ', '.join(changed) if changed else 'current'}")
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
