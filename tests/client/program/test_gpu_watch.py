"""A GPU that goes away is named, by asking the kernel for its device files."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from client.program import gpu_watch
from client.program.gpu_watch import GpuWatch, fault, gpu_files, require
from site_config.problems.base import Problem


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    for name in ("nvidiactl", "nvidia0", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    return tmp_path


def test_the_files_of_the_driver_and_its_cards(devices: Path, tmp_path: Path) -> None:
    assert [path.name for path in gpu_files(devices)] == ["nvidiactl", "nvidia0"]
    (devices / "nvidia0").unlink()
    assert gpu_files(devices) == () and gpu_files(tmp_path / "none") == ()
    (devices / "dxg").touch()
    assert [path.name for path in gpu_files(devices)] == ["dxg"]


def test_what_is_asked_for_decides_what_a_missing_gpu_means(devices: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert len(require("auto", devices)) == len(require("cuda", devices)) == 2
    assert require("cpu", devices) == require("auto", empty) == ()
    with pytest.raises(Problem, match="FH-605"):
        require("cuda", empty)


@pytest.mark.parametrize(("number", "word"), [(1, "EPERM"), (19, "ENODEV"), (5, "EIO")])
def test_the_kernels_own_word_stands_in_the_problem(devices: Path, monkeypatch: pytest.MonkeyPatch, number: int, word: str) -> None:
    files = gpu_files(devices)
    assert fault(files) == "" and GpuWatch(files, lambda _problem: None).look() is None

    def refuse(path: Path, _flags: int) -> int:
        raise OSError(number, "refused")

    monkeypatch.setattr(gpu_watch.os, "open", refuse)
    found = GpuWatch(files, lambda _problem: None).look()
    assert found is not None and found.code == "FH-616" and f"nvidiactl: {word}" in found.what


def test_a_gpu_that_vanishes_is_told_once_and_in_time(devices: Path) -> None:
    told: list[str] = []
    seen = threading.Event()

    def lost(problem: Problem) -> None:
        told.append(problem.code)
        seen.set()

    watch = GpuWatch(gpu_files(devices), lost, every_s=0.02)
    watch.start()
    time.sleep(0.1)
    assert told == []
    (devices / "nvidia0").unlink()
    assert seen.wait(5)
    watch.stop()
    assert told == ["FH-616"] and gpu_watch.EVERY_S <= 30
