"""The hospital's own log file; nothing of it leaves."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path
from typing import TYPE_CHECKING

from site_config.identity import private_folder

if TYPE_CHECKING:
    pass


def log_to_file(state: Path, level: str, keep_megabytes: int) -> Path:
    """Log to `state/logs/site.log`, rotated; never to the coordinator."""
    path = private_folder(private_folder(state) / "logs") / "site.log"
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=max(keep_megabytes, 2) * 500_000, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("fedhcc")
    root.handlers = [handler]
    root.setLevel(level.upper())
    root.propagate = False
    return path
