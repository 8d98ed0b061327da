"""Weights travel as one vector with a schema; what does not fit is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.server_optimiser import VectorOptimiser, pseudo_gradient
from shared_model.networks.weight_vector import Schema, from_vector, gradient_vector, load_safetensors, save_safetensors, to_vector
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Network, Study, StudySite, Training
from site_config.study.prognostic_models import NetworkName


def network_of(seed: int = 1, norm: str = "group", model: NetworkName = "Rad-D") -> RadNetwork:
    network = Network.model_validate({"backbone": "small", "norm": norm})
    return build(Study(title="test", sites=(StudySite(name="a"),), network=network), model, seed=seed)


def test_vector_round_trip_is_exact() -> None:
    one, two = network_of(1), network_of(2)
    vector = to_vector(one)
    assert vector.dtype == np.float32
    assert vector.shape == (Schema.of(one).size,)
    from_vector(two, vector, Schema.of(one).hash)
    np.testing.assert_array_equal(to_vector(two), vector)
    assert Schema.of(one).entries[0].name in dict(one.named_parameters())


def test_the_vector_is_a_copy() -> None:
    network = network_of()
    vector = to_vector(network)
    vector[:] = 0
    assert np.abs(to_vector(network)).sum() > 0


@pytest.mark.parametrize("other", [{"norm": "frozen"}, {"model": "Rad-S"}])
def test_schema_hash_tells_networks_apart(other: dict[str, str]) -> None:
    assert Schema.of(network_of()).hash == Schema.of(network_of(seed=9)).hash
    with pytest.raises(Problem) as refused:
        from_vector(network_of(), to_vector(network_of()), Schema.of(network_of(**other)).hash)  # type: ignore[arg-type]
    assert refused.value.code == "FH-602"


def test_wrong_length_and_not_finite_are_refused() -> None:
    network = network_of()
    vector = to_vector(network)
    with pytest.raises(Problem, match="FH-602"):
        from_vector(network, vector[:-1])
    vector[3] = np.nan
    with pytest.raises(Problem, match="FH-603"):
        from_vector(network, vector)


def test_frozen_statistics_travel_and_are_not_trained() -> None:
    network = network_of(norm="frozen")
    schema = Schema.of(network)
    by_name = {entry.name: entry for entry in schema.entries}
    assert not by_name["extractor_liver.stages.0.1.running_mean"].trained
    assert "extractor_liver.stages.0.1.num_batches_tracked" not in by_name
    mask = schema.trained_mask()
    assert int(mask.sum()) == sum(p.numel() for p in network.parameters() if p.requires_grad)
    network.train()
    network(torch.randn(2, 2, 2, 3, 32, 32)).sum().backward()
    gradient = gradient_vector(network)
    assert np.all(gradient[~mask] == 0)
    assert np.abs(gradient[mask]).sum() > 0


def test_safetensors_round_trip_and_refusals_by_name(tmp_path: Path) -> None:
    network, other = network_of(1), network_of(2)
    path = tmp_path / "weights.safetensors"
    save_safetensors(network, path)
    load_safetensors(other, path.read_bytes())
    np.testing.assert_array_equal(to_vector(other), to_vector(network))

    tensors = load(path.read_bytes())
    missing = {name: tensor for name, tensor in tensors.items() if name != "cls_1.weight"}
    with pytest.raises(Problem, match=r"missing cls_1\.weight"):
        load_safetensors(other, save(missing))
    with pytest.raises(Problem, match=r"missing cls_1\.weight; unknown cls_9\.weight"):
        load_safetensors(other, save(missing | {"cls_9.weight": tensors["cls_1.weight"]}))
    with pytest.raises(Problem, match=r"cls_1\.weight has shape"):
        load_safetensors(other, save(tensors | {"cls_1.weight": torch.zeros(8, 63)}))
    with pytest.raises(Problem, match=r"cls_1\.weight holds values that are not finite"):
        load_safetensors(other, save(tensors | {"cls_1.weight": torch.full((8, 64), torch.inf)}))
    with pytest.raises(Problem, match="FH-603"):
        load_safetensors(other, path.read_bytes()[:-10])
    np.testing.assert_array_equal(to_vector(other), to_vector(network))


@pytest.mark.parametrize("server", [{"name": "adam", "rate": 0.01}, {"name": "sgd", "rate": 1.0, "momentum": 0.9}])
def test_server_optimiser_equals_torch_and_resumes_bit_for_bit(server: dict[str, object]) -> None:
    training = Training.model_validate({"server": server})
    draws = np.random.RandomState(0).standard_normal((6, 5))
    plain = torch.nn.Parameter(torch.zeros(5, dtype=torch.float64))
    reference: torch.optim.Optimizer = (
        torch.optim.Adam([plain], lr=0.01) if server["name"] == "adam" else torch.optim.SGD([plain], lr=1.0, momentum=0.9)
    )
    optimiser, weights = VectorOptimiser(training, 5), np.zeros(5)
    for index, gradient in enumerate(draws):
        plain.grad = torch.from_numpy(gradient.copy())
        reference.step()
        if index == 3:
            resumed = VectorOptimiser(training, 5)
            resumed.restore({name: array.copy() for name, array in optimiser.state().items()})
            optimiser = resumed
        weights = optimiser.step(weights, gradient)
    np.testing.assert_array_equal(weights, plain.detach().numpy())


def test_pseudo_gradient_is_the_mean_gradient_or_the_mean_displacement() -> None:
    update = np.array([4.0, -8.0])
    np.testing.assert_allclose(pseudo_gradient(update, 4, Training()), [1, -2])
    fedavg = Training.model_validate({"server": {"name": "sgd", "rate": 1.0}, "site": {"rate": 0.5}})
    np.testing.assert_allclose(pseudo_gradient(update, 4, fedavg), [0.5, -1])
    np.testing.assert_array_equal(pseudo_gradient(update * 0, 0, Training()), [0, 0])
