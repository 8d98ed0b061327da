"""All pieces of evidence, one after the other, each in a process of its own; hours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDERS = ("accuracy", "accuracy/shares", "attacks", "faults", "packaging", "privacy", "running")
"""Each file of these whose `main` records something is a piece, under the file's name; `measure` goes by its folder's."""
LABORATORIES = ("attacks", "capture", "containers", "demo_story", "faults", "gpu", "report_seen", "thirty_days")
"""`measure` in each of these is a piece, under the folder's name."""


def pieces() -> dict[str, str]:
    """Name of every piece → the module that measures it."""
    home = Path(__file__).parent
    files = {path.stem: path for folder in FOLDERS for path in (home / folder).glob("*.py") if path.stem != "measure"}
    files |= {folder: home / folder / "measure.py" for folder in LABORATORIES}
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    found = {name: files[name] for name, text in texts.items() if "def main(" in text and " record(" in text}
    return {name: ".".join(("evidence", *found[name].relative_to(home).with_suffix("").parts)) for name in sorted(found)}


def main() -> int:
    """Run every piece; 1 when one failed, named at the end."""
    failed = []
    for name, module in pieces().items():
        print(f"— {name}", flush=True)
        if subprocess.run([sys.executable, "-P", "-m", module], check=False).returncode:  # noqa: S603
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "all pieces recorded")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
