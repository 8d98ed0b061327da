"""Write `docs/reference/notices.md`: the licences of what the images hold, from the installed packages: `python docs/notices.py`."""

from __future__ import annotations

import re
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {"site, CPU": "site-cpu", "site, CUDA": "site", "coordinator": "coordinator-cpu"}
KINDS = (
    ("NVIDIA's own terms", r"nvidia|cuda"),
    ("GNU LGPL", r"lgpl|lesser general"),
    ("GNU GPL", r"\bgpl|general public"),
    ("Mozilla (MPL)", r"mpl|mozilla"),
    ("Apache-2.0", r"apache"),
    ("BSD", r"bsd|historical permission|hpnd|mit-cmu"),
    ("MIT", r"\bmit\b|isc"),
    ("Python (PSF)", r"psf|python software"),
)


def licence(package: str) -> str:
    """The kind of licence a package states: expression, classifiers, or the first line of its text."""
    try:
        found = metadata(package)
    except PackageNotFoundError:
        return "not installed here"
    classifiers = [one.rpartition("::")[2] for one in found.get_all("Classifier") or () if one.startswith("License")]
    stated = " ".join([found.get("License-Expression") or "", *classifiers, (found.get("License") or "").strip().partition("\n")[0]])
    known = [kind for kind, pattern in KINDS if re.search(pattern, stated, re.IGNORECASE)]
    return known[0] if known else "other or unstated"


def main() -> None:
    """Count and write."""
    counts = {}
    listed: dict[str, set[str]] = {}
    for image, lock in LOCKS.items():
        names = set(re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "requirements" / f"{lock}.txt").read_text(), re.MULTILINE))
        kinds = {name: licence(name) for name in names}
        counts[image] = Counter(kinds.values())
        for name, kind in kinds.items():
            listed.setdefault(kind, set()).add(name)
    rows = [kind for kind, _ in KINDS] + ["other or unstated", "not installed here"]
    table = "\n".join(f"| {kind} | {' | '.join(str(counts[image][kind]) for image in LOCKS)} |" for kind in rows if kind in listed)
    few = "\n".join(
        f"- **{kind}**: {', '.join(sorted(listed[kind]))}" for kind in rows if kind in listed and kind not in ("Apache-2.0", "BSD", "MIT")
    )
    text = f"""# What the images contain, and under which licences

fedhcc itself is Apache-2.0. An image holds Python, Debian's base system (each package's notice lies in `/usr/share/doc`) and the
packages of a lock; each Python package's licence text lies in its `*.dist-info` folder in the image. Packages by the licence they state:

| licence | {" | ".join(LOCKS)} |
|---|{"---|" * len(LOCKS)}
{table}

All others than Apache, BSD and MIT, to look at before an image is passed on:

{few}

A bill of materials of a built image is written by `docker/pack.sh`. Models that segment are not part of an image: their weights have
terms of their own. This page is written by `python docs/notices.py` from what the packages state, and is no legal advice.
"""
    (ROOT / "docs" / "reference" / "notices.md").write_text(text, "utf-8")
    sys.stdout.write("wrote docs/reference/notices.md\n")


if __name__ == "__main__":
    main()
