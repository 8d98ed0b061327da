"""What only a GPU can tell; run by `make gpu`, left out of `make test`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from client.program.gpu_watch import fault, require
from client.training.batches_and_flips import load_batch
from client.training.local_training import local_update, scores
from client.training.training_device import GPU_PATIENTS, arithmetic, choose_device
from evidence.gpu.gpu_numbers import apart, out_of_memory, share_for
from evidence.gpu.gpu_training_step import GpuSetting, our_gradient, our_scores
from shared_model.networks.grad_cam import grad_cam
from shared_model.networks.weight_vector import from_vector, to_vector

pytestmark = pytest.mark.gpu
CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture(scope="module")
def made() -> GpuSetting:
    return GpuSetting.of(6, 96, "efficientnet-b0", 3)


def test_the_card_is_chosen_and_watched() -> None:
    assert choose_device("auto") == choose_device("cuda") == CUDA
    files = require("cuda")
    assert files and fault(files) == ""


@pytest.mark.parametrize("micro_batch", [1, 4, 6])
def test_a_gradient_is_the_cpus(made: GpuSetting, micro_batch: int) -> None:
    expected = our_gradient(made, CPU, "float32")()
    assert apart(our_gradient(made, CUDA, "float32", micro_batch=micro_batch)(), expected) < 1e-5


def test_double_precision_is_the_cpus_double_precision(made: GpuSetting) -> None:
    assert apart(our_gradient(made, CUDA, "float64")(), our_gradient(made, CPU, "float64")()) < 1e-11


def test_bfloat16_is_close_and_scores_stay_in_float32(made: GpuSetting) -> None:
    assert apart(our_gradient(made, CUDA, "mixed")(), our_gradient(made, CPU, "float32")()) < 0.1
    np.testing.assert_allclose(our_scores(made, CUDA, "mixed"), our_scores(made, CPU, "float32"), atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_a_step_repeats_bit_for_bit(made: GpuSetting, precision: str) -> None:
    step = our_gradient(made, CUDA, precision)  # type: ignore[arg-type]
    np.testing.assert_array_equal(step(), step())


def test_clipping_is_the_cpus(made: GpuSetting) -> None:
    expected = our_gradient(made, CPU, "float32", gradient_norm=1e-2)()
    assert apart(our_gradient(made, CUDA, "float32", gradient_norm=1e-2)(), expected) < 1e-5


def test_tf32_is_off_inside_and_as_before_outside() -> None:
    before = torch.backends.cudnn.allow_tf32
    with arithmetic(CUDA):
        assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_copy_to_the_card_is_exact(made: GpuSetting) -> None:
    there = load_batch(made.patients, [0, 3], dtype=torch.float32, device=CUDA)
    np.testing.assert_array_equal(there.cpu().numpy(), made.patients.images.slices[[0, 3]])


def test_memory_that_runs_out_is_divided_and_a_patient_too_large_is_numbered(made: GpuSetting) -> None:
    found = out_of_memory(made, CUDA, share_for(made, CUDA, 1))
    assert found["same_result"] and found["code"] == "FH-604"


def test_weights_go_there_and_back(made: GpuSetting) -> None:
    network = made.network("float32").to(CUDA)
    vector = to_vector(network)
    from_vector(network, vector + 1)
    np.testing.assert_array_equal(to_vector(network), vector + 1)


def test_a_whole_round_on_the_card(made: GpuSetting) -> None:
    network, training = made.network("float32"), made.study("float32").training
    update = local_update(network, made.patients, made.hazard, 0.0, training, seed_parts=("s",), device="auto", micro_batch=0)
    here = local_update(made.network("float32"), made.patients, made.hazard, 0.0, training, seed_parts=("s",), device="cpu")
    assert apart(update.update, here.update) < 1e-5 and update.notes == () and GPU_PATIENTS > 1


def test_heat_maps_of_a_network_that_scored_on_the_card(made: GpuSetting) -> None:
    network = made.network("float32")
    scores(network, made.patients, device="cuda", micro_batch=2)
    assert grad_cam(network, made.patients.images.load(0)).shape == (2, 2, 3, 96, 96)
