"""The hospital's own log file, one JSON object a line; nothing of it leaves."""

from __future__ import annotations

from pathlib import Path

from site_config.keys_and_signatures import private_folder
from site_config.log_lines import lines_to


def log_to_file(state: Path, level: str, keep_megabytes: int) -> Path:
    """Log to `state/logs/site.log`, rotated and without paths or UIDs; never to the coordinator."""
    return lines_to(private_folder(state) / "logs" / "site.log", "fedhcc", level, keep_megabytes)
