"""Evidence: figures with the commit, command, seeds, machine and the code they speak for.

`record` writes `docs/evidence/NAME.json`. `python -m evidence.record` checks every piece: it is stale, and the check fails, when
a covered definition means something else now (`evidence.code_meaning`). A definition that only moved is found where it stands now.
"""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evidence.code_meaning import ROOT, everywhere, meaning
from site_config.atomic_files import read_json, write_json

FOLDER = ROOT / "docs" / "evidence"


def covered(paths: list[str]) -> dict[str, dict[str, str]]:
    """Path relative to the repository → its definitions' meanings; a folder stands for its Python files."""
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


def without_places(words: list[str]) -> list[str]:
    """A command's words with every absolute path as a word in capitals: its option's name, else FILE or FOLDER.

    Example:
        >>> without_places(["a.module", "--out", "/data/out", "--cases=/data/c", "/data/axe.js", "3"])
        ['a.module', '--out', 'OUT', '--cases=CASES', 'FILE', '3']
    """
    told: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        option, is_option, value = word.partition("=")
        if is_option and option.startswith("-") and Path(value).is_absolute():
            told.append(f"{option}={_capitals(option)}")
        elif Path(word).is_absolute():
            told.append(_capitals(before) if before.startswith("-") and "=" not in before else "FILE" if Path(word).suffix else "FOLDER")
        else:
            told.append(word)
    return told


def _capitals(option: str) -> str:
    return option.strip("-").replace("-", "_").upper()


def record(name: str, *, covers: list[str], figures: dict[str, Any], seeds: list[int], command: str | None = None) -> Path:
    """Write `docs/evidence/NAME.json` and return its path.

    `covers` lists the files or folders (relative to the repository) whose change makes the figures stale.
    """
    spec = sys.modules["__main__"].__spec__
    words = [spec.name if spec else Path(sys.argv[0]).stem, *sys.argv[1:]]
    piece = {
        "name": name,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "command": shlex.join(without_places(shlex.split(command) if command else ["python", "-m", *words])),
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
    """What a piece covers and what means something else now: `FILE: DEFINITION`, by the file's name when it was recorded."""
    changed = []
    for name, was in read_json(path).get("covers", {}).items():
        now = meaning(ROOT / name) if (ROOT / name).exists() else {}
        elsewhere = everywhere() if name.endswith(".py") else everywhere(Path(name).name)
        lost = [one for one, digest in was.items() if now.get(one) != digest and (one, digest) not in elsewhere]
        changed += [f"{name}: {one}" if one else name for one in lost]
    return changed


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
