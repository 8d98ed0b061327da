"""What tests of mistakes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from simulations.study.site_folders import Homes
from site_config.study.plan_and_lock import StudyLock
from tests.end_to_end.faults.one_screen import Desk


@pytest.fixture
def desk(tables: Callable[..., tuple[Homes, StudyLock]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Four hospitals with tables, an office and a published study."""
    place = tmp_path / "desk"
    place.mkdir()
    with ExitStack() as undo:
        yield Desk(*tables(sites=(3, 1), patients=(12, 4)), place, undo, monkeypatch)
