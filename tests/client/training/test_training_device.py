"""Device, arithmetic, memory: as far as a machine without a GPU can tell, and the rest where there is one (`make gpu`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from client.training import training_device as place
from client.training.per_patient_clipping import ClippedSum
from client.training.training_device import Hardware, arithmetic, choose_device, is_device_fault, is_out_of_memory, patients_at_once
from shared_model.networks.weight_vector import gradient_vector
from site_config.problems.base import Problem

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_gpu_that_is_asked_for_and_missing_is_a_problem_and_auto_takes_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == CPU
    with pytest.raises(Problem, match="FH-605"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == GPU


def test_zero_takes_one_patient_on_a_cpu_and_four_on_a_gpu() -> None:
    assert [patients_at_once(n, d) for n, d in ((0, CPU), (0, GPU), (3, CPU), (3, GPU))] == [1, 4, 3, 3]
    assert Hardware(GPU, 0).micro_batch == 4


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("CUDA error: unspecified launch failure"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_told_from_other_faults(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory


def test_a_gpu_that_fails_is_named_and_its_arithmetic_is_put_back() -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    seen = []
    with pytest.raises(Problem, match="FH-616"), arithmetic(GPU):
        seen.append((cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32))
        raise torch.AcceleratorError("CUDA error: no CUDA-capable device is detected", 100)
    assert seen == [(True, False, False, False)]
    assert (cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32) == before
    assert not is_device_fault(RuntimeError("shapes differ"))


def test_a_gpu_out_of_memory_is_no_lost_gpu() -> None:
    with pytest.raises(torch.OutOfMemoryError), arithmetic(GPU):
        raise torch.OutOfMemoryError("CUDA out of memory")


def network_and_gradients(count: int) -> tuple[torch.nn.Module, list[Callable[[], None]]]:
    """A small network with a frozen part, and passes that leave one patient's gradient in it."""
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)).eval()
    network[1].weight.requires_grad_(False)
    inputs = torch.randn(count, 5)
    return network, [lambda row=row: network(row[None] * 3).sum().backward() for row in inputs]


@pytest.mark.parametrize("limit", [1e-9, 0.5, 1e9])
def test_clipping_where_the_gradients_are_equals_clipping_on_the_host(limit: float) -> None:
    network, passes = network_and_gradients(6)
    ours = ClippedSum(network, limit)
    expected, shrunk = np.zeros(gradient_vector(network).size), 0
    for backward in passes:
        network.zero_grad(set_to_none=True)
        backward()
        one = gradient_vector(network)
        norm = float(np.linalg.norm(one))
        expected += one * min(1.0, limit / norm)
        shrunk += norm > limit
        ours.take()
    total, count = ours.result()
    assert count == shrunk
    np.testing.assert_allclose(total, expected, rtol=1e-12, atol=1e-18)


def test_nobody_gives_zero() -> None:
    network, _ = network_and_gradients(1)
    total, count = ClippedSum(network, 1.0).result()
    assert count == 0 and not total.any() and total.size == gradient_vector(network).size


def test_the_workspace_of_reproducible_matrix_products_is_chosen_before_torch_uses_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(place.WORKSPACE[0], raising=False)
    choose_device("auto")
    assert place.os.environ[place.WORKSPACE[0]] == ":4096:8"


def test_a_network_that_does_not_fit_is_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: torch.nn.Module, _device: torch.device) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    network = torch.nn.Linear(2, 2)
    place.place(network, CPU)
    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(Problem, match="FH-604"):
        place.place(network, GPU)
