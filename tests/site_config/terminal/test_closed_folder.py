"""A folder that this account may not open is called so, with its owner and the command; an open one is passed over."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from site_config.problems import host
from site_config.terminal import closed_folder
from site_config.terminal.closed_folder import closed

NOBODY = 65_534


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


def test_a_folder_shut_by_its_mode() -> None:
    """Tried by an account that is not root's: root opens everything."""
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        (home / "state").mkdir()
        home.chmod(0o755)
        (home / "state").chmod(0)
        child = os.fork()
        if not child:
            status = 2
            try:
                if os.geteuid() == 0:
                    os.setuid(NOBODY)
                found = closed(home)
                status = int(found is None or found.kind != host.FILE_UNREADABLE)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
