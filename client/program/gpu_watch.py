"""Is the GPU still there? Asked without torch, every twenty seconds, so that one that goes away is named within a minute.

A container loses its GPU while it runs when the host reloads its units (the engine's device rules go) or replaces the
driver. Nothing is told to the container: the next use fails, which may be hours later in the middle of a round. Opening
the device files asks the kernel the same question at once: a rule that is gone answers EPERM, a card that fell off the bus
ENODEV or EIO, a removed driver ENOENT.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from site_config.problems import model as problems
from site_config.problems.base import Problem

DEVICES: Final = Path("/dev")
EVERY_S: Final = 20.0
CONTROL: Final = "nvidiactl"
WSL: Final = "dxg"


def gpu_files(devices: Path = DEVICES) -> tuple[Path, ...]:
    """The control file and one file a card, or Windows' own device under WSL; empty where there is no NVIDIA driver."""
    if (devices / WSL).exists():
        return (devices / WSL,)
    if not (devices / CONTROL).exists():
        return ()
    cards = sorted(path for path in devices.iterdir() if re.fullmatch(r"nvidia\d+", path.name))
    return (devices / CONTROL, *cards) if cards else ()


def fault(files: tuple[Path, ...]) -> str:
    """Why one of the files cannot be opened, as the system's own word for it; empty where all can."""
    for path in files:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            return f"{path.name}: {errno.errorcode.get(error.errno or 0, 'unknown')}"
    return ""


def require(wanted: str, devices: Path = DEVICES) -> tuple[Path, ...]:
    """The files to watch for `compute.device`: none for `cpu`. Raises FH-605 where `cuda` is asked for and cannot be opened."""
    if wanted == "cpu":
        return ()
    files = gpu_files(devices)
    why = fault(files) if files else "no device files of an NVIDIA driver"
    if wanted == "cuda" and why:
        raise problems.NO_GPU.problem(f"compute.device is cuda, and there is no usable GPU here ({why})", where="site.yaml: compute.device")
    return () if why else files


class GpuWatch:
    """Looks at the files until `stop`; calls `lost` once with the problem when one can no longer be opened."""

    def __init__(self, files: tuple[Path, ...], lost: Callable[[Problem], None], every_s: float = EVERY_S) -> None:
        self._files, self._lost, self._every_s = files, lost, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="gpu")

    def start(self) -> None:
        """Begin, where there is something to look at."""
        if self._files:
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()

    def look(self) -> Problem | None:
        """One look."""
        why = fault(self._files)
        return problems.GPU_LOST.problem(f"the GPU can no longer be opened ({why})", where="compute.device") if why else None

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            found = self.look()
            if found is not None:
                self._lost(found)
                return
