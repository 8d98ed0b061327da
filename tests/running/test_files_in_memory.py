"""The folder in memory goes with its tests, and what killed ones left goes with the next."""

from __future__ import annotations

import os
from pathlib import Path

from tests.running.files_in_memory import made_in, remove, remove_left, usable


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    used, handle = made_in(tmp_path)
    child = os.fork()
    if not child:
        left, _ = made_in(tmp_path)
        (left / "file").write_text("x")
        os._exit(0)
    os.waitpid(child, 0)
    assert len([*tmp_path.iterdir()]) == 4
    remove_left(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([used, used.with_suffix(".lock")])
    remove(used, handle)
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_is_not_there_is_not_used(tmp_path: Path) -> None:
    assert not usable(tmp_path / "none")
