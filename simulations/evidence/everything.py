"""All pieces of evidence, one after the other, each in a process of its own; hours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SKIP = {"__init__", "everything", "index", "record"}


def pieces() -> list[str]:
    """Modules of this folder that have a `main`."""
    folder = Path(__file__).parent
    return sorted(path.stem for path in folder.glob("*.py") if path.stem not in SKIP and "def main(" in path.read_text())


def main() -> int:
    """Run every piece; 1 when one failed, named at the end."""
    failed = []
    for name in pieces():
        print(f"— {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"simulations.evidence.{name}"], check=False).returncode:  # noqa: S603
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "all pieces recorded")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
