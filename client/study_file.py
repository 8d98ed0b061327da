"""The study a command works for: study.yaml, a signed lock, or the defaults."""

from __future__ import annotations

from pathlib import Path

from site_config.atomic_files import read_limited
from site_config.documents.read_yaml_documents import load_study
from site_config.keys_and_signatures import read_lock
from site_config.problems import configuration as kinds
from site_config.study.plan_and_lock import Study, StudySite


def read_study(path: Path | None) -> Study:
    """The study of a file; left out, one with every default, which only imaging commands may assume."""
    if path is None:
        return Study(title="defaults", sites=(StudySite(name="site"),))
    if path.suffix != ".json":
        return load_study(path)
    return read_lock(read_limited(path, 8 * 2**20), kinds.LOCK_DAMAGED, path.name).lock.study
