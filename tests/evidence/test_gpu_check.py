"""The GPU check as far as a CPU goes: its flow, its arithmetic, its time, and what it says where there is no GPU."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from client.program.gpu_watch import CONTROL
from client.segmentation.nnunet import logits_on_gpu
from evidence.gpu import gpu_here, gpu_numbers, gpu_segmentation, gpu_training_step, measure
from evidence.gpu.time_and_memory import StepClock, peak_mib, seconds
from site_config.problems.base import Problem
from tests.support import ROOT

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def made() -> gpu_training_step.GpuSetting:
    return gpu_training_step.GpuSetting.of(3, 32, "small", 5)


def test_both_steps_run_and_are_told_with_their_bars(made: gpu_training_step.GpuSetting) -> None:
    found = gpu_training_step.compare(made, CPU, 1, (1, 3))
    assert set(found) == {
        *(f"{precision} · {who}" for precision in ("float32", "mixed") for who in ("raw loop", "ours")),
        "float32 · ours, 1 at once",
        "float32 · ours, 3 at once",
    }
    assert all(one["images_a_second"] > 0 for one in found.values())
    raw, slow = {"images_a_second": 100.0, "peak_mib": 10.0}, {"images_a_second": 89.0, "peak_mib": 5.1}
    held = gpu_training_step.bars({f"{p} · {who}": one for p in ("float32", "mixed") for who, one in (("raw loop", raw), ("ours", slow))})
    assert not any(held.values()) and len(held) == 4


def test_the_equality_table_compares_like_with_like(made: gpu_training_step.GpuSetting) -> None:
    found = gpu_numbers.equality(made, CPU)
    table = found["differences"]
    assert found["float32_within_1e-5_of_the_cpu"] and table["GPU float32"]["gradient_to_cpu_float32"] == 0
    assert table["GPU TF32"]["gradient_to_float64"] < 1e-4, "the plain pass computes what a hospital's code computes"
    assert all(one["gradient_to_float64"] < 1e-4 and one["scores_at_most"] < 1e-4 for one in table.values())


def test_repeats_and_clipping(made: gpu_training_step.GpuSetting) -> None:
    assert gpu_numbers.repeats(made, CPU, 1)["float32_repeats_bit_for_bit"]
    found = gpu_numbers.clipping(made, CPU)
    assert found["difference"] < 1e-12 and found["norm_of_the_sum_within_the_limit"]


def test_a_tile_goes_through_our_segmenter_and_nnunets_predictor() -> None:
    model = gpu_segmentation.model(CPU, (16, 16, 16), (4, 8))
    found = gpu_segmentation.measure(CPU, (24, 16, 16), 1, model)
    assert found["tiles"] == 2 and found["seconds_a_tile"] > 0
    scan = np.random.default_rng(0).integers(-100, 200, (24, 16, 16), dtype=np.int16)
    assert model._predict(scan, (1.0, 1.0, 1.0)).shape == scan.shape


def test_the_number_of_tiles_is_nnunets() -> None:
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

    for shape in ((256, 256, 256), (128, 300, 129), (100, 128, 400)):
        padded = tuple(max(n, 128) for n in shape)
        theirs = compute_steps_for_sliding_window(padded, (128, 128, 128), 0.5)
        assert gpu_segmentation.tiles(shape, (128, 128, 128)) == math.prod(len(axis) for axis in theirs)


def test_logits_of_a_scan_fit_the_card_or_gather_on_the_host() -> None:
    card = 80 * 2**30
    assert logits_on_gpu(3, (600, 512, 512), card)
    assert not logits_on_gpu(118, (600, 512, 512), card // 2)
    assert not logits_on_gpu(3, (600, 512, 512), 1 * 2**30)


def test_the_parts_fit_the_time_and_what_does_not_is_left() -> None:
    needed = [needed for needed, _ in measure.parts(CPU).values()]
    assert list(measure.parts(CPU))[:4] == ["card", "tests", "training_step", "equality"]
    assert sum(needed[:-1]) <= measure.LIMIT_S < 540
    now = [0.0]
    clock = StepClock(100.0, lambda: now[0])
    assert clock.allows(100.0)
    now[0] = 41.0
    assert clock.left == 59.0 and not clock.allows(60.0)


def test_where_there_is_no_gpu_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither where the driver is missing nor where torch is a CPU build beside a driver."""
    monkeypatch.setattr("sys.argv", ["measure"])
    monkeypatch.setattr(measure, "record", lambda *_a, **_k: pytest.fail("recorded"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for require in (gpu_here.require, lambda *_: ()):
        monkeypatch.setattr(gpu_here, "require", require)
        assert measure.main() == 12
        said = capsys.readouterr().err.splitlines()
        assert said[0].startswith("FH-605 ") and said[0].endswith("nothing was measured") and said[-1].endswith("FH-605.md")


def test_the_command_refuses_before_it_installs_anything(tmp_path: Path) -> None:
    """With nothing but Python: no card, a card whose folder of wheels is missing, and both there."""
    with pytest.raises(Problem, match="FH-605 there is no usable GPU here"):
        gpu_here.check(devices=tmp_path)
    for name in (CONTROL, "nvidia0"):
        (tmp_path / name).touch()
    gpu_here.check(tmp_path, tmp_path)
    with pytest.raises(Problem, match="FH-910 the folder of wheels"):
        gpu_here.check(tmp_path / "wheels", tmp_path)
    command = [sys.executable, "-S", "-P", "-m", "evidence.gpu.gpu_here", "--wheels", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 12) and "Traceback" not in done.stderr
    recipe = (ROOT / "Makefile").read_text().split("\ngpu: ")[1]
    assert recipe.index("evidence.gpu.gpu_here") < recipe.index("pip install")


def test_a_meter_without_a_gpu_tells_time_and_no_memory() -> None:
    ran = []
    assert seconds(lambda: ran.append(1), CPU, 3) >= 0 and len(ran) == 4
    assert peak_mib(lambda: ran.append(1), CPU) == 0.0
