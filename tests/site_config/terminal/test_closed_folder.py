"""A folder that this account may not open is called so, with its owner and the command; an open one is passed over."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from site_config.problems import host
from site_config.terminal import closed_folder
from site_config.terminal.closed_folder import closed


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "state" / "identity").mkdir(parents=True)
    (tmp_path / "state" / "journal.head").write_text("x")
    (tmp_path / "state" / "gone").symlink_to(tmp_path / "nowhere")
    return tmp_path


def test_an_open_folder_says_nothing(home: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(os.path.relpath(home / "state" / "control.sock"))
        assert closed(home) is None
    assert closed(tmp_path / "not-there") is None


@pytest.mark.parametrize("shut", ["state", "journal.head"])
def test_a_part_of_another_account_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, shut: str) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != shut)
    mine = closed(home)
    assert mine is not None and mine.kind == host.FILE_UNREADABLE and "chmod -R u+rwX" in mine.fix
    monkeypatch.setattr(closed_folder, "_owner", lambda _: 4_000_000_000)
    other = closed(home)
    assert other is not None and shut in other.what and "belongs to 4000000000" in other.what
    assert "sudo chown -R" in other.fix and str(home) in other.fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens everything")
def test_a_folder_shut_by_its_mode(home: Path) -> None:
    (home / "state").chmod(0)
    try:
        assert closed(home) is not None
    finally:
        (home / "state").chmod(0o700)
