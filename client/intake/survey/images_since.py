"""Whether images came, went or changed after a survey looked through them: a suggestion that is older says so (FH-379)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.intake.file_stamp import stamp
from site_config.atomic_files import readable_name
from site_config.problems import which_scan

STAMPS = "looked_at"
"""The key of `review.json` under which the stamps of the last survey stand."""


def stamps(root: Path) -> dict[str, str]:
    """For each entry of the images folder a digest of its files' names, sizes and times; {} where the folder cannot be listed.

    No file is opened. It is taken before a survey begins, so that what changes while the survey reads counts as changed.
    """
    try:
        entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError:
        return {}
    found: dict[str, str] = {}
    for entry in entries:
        name, digest = readable_name(entry.name), hashlib.sha256(json.dumps(stamp(entry, root)).encode()).hexdigest()[:16]
        found[name] = found[name] + digest if name in found else digest  # two names of other bytes may read alike
    return found


def changed_since(content: Mapping[str, Any], root: Path) -> list[dict[str, Any]]:
    """A remark (FH-379) for each entry that is not as the survey of a review's content saw it; [] for a review without stamps."""
    before = content.get(STAMPS)
    if before is None:
        return []
    now = stamps(root)
    told = []
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            how = "came" if name not in before else "went" if name not in now else "changed"
            text = f"images {how} after `data scan` looked through them: this suggestion is older"
            told.append({"folder": name, "patient": None, "visit": None, **which_scan.IMAGES_SINCE.problem(text).as_dict()})
    return told
