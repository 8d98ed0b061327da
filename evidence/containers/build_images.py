"""Both CPU images from their unmodified Dockerfiles, by the Makefile's own targets, and how long that takes."""

from __future__ import annotations

import subprocess
import time
from typing import Any, Final

from evidence.code_meaning import ROOT

TARGETS: Final = ("site-image", "coordinator-image")


def measure(settings: list[str]) -> dict[str, Any]:
    """Seconds of each build without a layer kept from before; `settings` are make's, beside those in `MAKEFLAGS`.

    Raises `subprocess.CalledProcessError` where a build fails; what the engine says goes to the terminal.
    """
    figures: dict[str, Any] = {}
    for target in TARGETS:
        began = time.monotonic()
        subprocess.run(["make", "--no-print-directory", target, "FRESH=1", *settings], cwd=ROOT, check=True)  # noqa: S603, S607
        figures[f"{target.replace('-', '_')}_seconds"] = round(time.monotonic() - began)
    return figures
