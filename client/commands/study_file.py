"""The study a command works for: study.yaml, a signed lock, or the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from site_config.study import Study


def read_study(path: Path | None) -> Study:
    """The study of a file; left out, one with every default, which only imaging commands may assume."""
    from pydantic import ValidationError

    from site_config.catalogue import configuration as kinds
    from site_config.documents import load_study
    from site_config.files import read_limited
    from site_config.study import SignedLock, Study, StudySite

    if path is None:
        return Study(title="defaults", sites=(StudySite(name="site"),))
    if path.suffix != ".json":
        return load_study(path)
    try:
        return SignedLock.model_validate_json(read_limited(path, 8 * 2**20)).lock.study
    except ValidationError:
        raise kinds.LOCK_DAMAGED.problem(f"{path.name} is no signed lock", where=path.name) from None
