from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from site_config import atomic_files
from site_config.problems.base import Exit, Problem


def test_a_written_file_is_whole_and_private(tmp_path: Path) -> None:
    atomic_files.write_atomic(tmp_path / "a.json", b"one")
    atomic_files.write_atomic(tmp_path / "a.json", b"two")
    assert (tmp_path / "a.json").read_bytes() == b"two"
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_failure_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    atomic_files.write_atomic(tmp_path / "a.json", b"one")
    with pytest.raises(KeyboardInterrupt), atomic_files.atomic_path(tmp_path / "a.json") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert (tmp_path / "a.json").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "FH-914"), (errno.EFBIG, "FH-914"), (errno.EROFS, "FH-913"), (errno.EACCES, "FH-913")]
)
def test_a_full_disk_is_told_apart_from_one_that_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/secret/patient.nii")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(Problem) as caught:
        atomic_files.write_atomic(tmp_path / "a.json", b"x")
    assert caught.value.code == code
    assert caught.value.kind.exit == Exit.ACCESS
    assert "secret" not in str(caught.value.as_dict())
    assert list(tmp_path.iterdir()) == []


def test_a_container_is_spoken_of_only_inside_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(path: Path) -> str:
        with pytest.raises(Problem) as caught:
            atomic_files.read_limited(path, 10)
        return f"{caught.value.why} {caught.value.fix}"

    monkeypatch.delenv(atomic_files.CONTAINER, raising=False)
    assert not any("container" in told(path) or "Docker" in told(path) for path in (tmp_path / "gone", tmp_path))
    monkeypatch.setenv(atomic_files.CONTAINER, "1")
    assert "Docker" in told(tmp_path)
    gone = told(tmp_path / "gone")
    assert "Its folder is mounted and it is not in it" in gone and "the folder is not mounted" in gone


def test_a_missing_folder_is_an_access_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="FH-913"):
        atomic_files.write_atomic(tmp_path / "gone" / "a.json", b"x")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, "FH-910"),
        (lambda path: path.mkdir(), "FH-915"),
        (lambda path: os.mkfifo(path), "FH-915"),
        (lambda path: path.symlink_to(path), "FH-910"),
        (lambda path: path.write_bytes(b"x" * 11), "FH-912"),
    ],
)
def test_reading_names_what_is_in_the_way_and_never_the_path(tmp_path: Path, make: object, code: str) -> None:
    path = tmp_path / "Mustermann.nii"
    make(path)  # type: ignore[operator]
    with pytest.raises(Problem) as caught:
        atomic_files.read_limited(path, 10)
    assert caught.value.code == code
    assert "Mustermann" not in str(caught.value.as_dict())


def test_a_path_with_a_nul_byte(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="FH-910"):
        atomic_files.read_limited(tmp_path / "a\0b", 10)


def test_json_comes_back_and_damage_is_told(tmp_path: Path) -> None:
    atomic_files.write_json(tmp_path / "a.json", {"é": [1, None, 0.5]})
    assert atomic_files.read_json(tmp_path / "a.json") == {"é": [1, None, 0.5]}
    for damage in (b"{", b"\xff", b"[" * 100_000):
        (tmp_path / "a.json").write_bytes(damage)
        with pytest.raises(Problem, match="FH-917"):
            atomic_files.read_json(tmp_path / "a.json")
