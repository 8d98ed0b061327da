"""First weights: the same for the same study, and never a network whose head is off for everybody."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from server.phases import first_weights
from server.phases.first_weights import can_learn, initial_weights, start
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.weight_vector import floating, to_vector
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Study
from site_config.study.study_presets import preset

DEAD_SEED = 393
"""A draw of the small Rad-D whose eight hidden units are off."""


def study(seed: int = 1, **network: object) -> Study:
    tiny = preset("tiny")
    return tiny.model_copy(
        update={"training": tiny.training.model_copy(update={"seed": seed}), "network": tiny.network.model_copy(update=network)}
    )


def hidden_of(network: RadNetwork, images: torch.Tensor) -> torch.Tensor:
    found: list[torch.Tensor] = []
    hook = network.cls_1.register_forward_hook(lambda _layer, _inputs, out: found.append(out))
    network(images)
    hook.remove()
    return found[0]


def test_the_first_draw_is_taken_where_it_can_learn(tmp_path: Path):
    found = start(study(), "Rad-D", tmp_path)
    assert found.skipped == 0
    assert np.array_equal(found.weights, to_vector(build(study(), "Rad-D", seed=found.seed)))
    assert np.array_equal(found.weights, initial_weights(study(), "Rad-D", tmp_path))


def test_a_head_that_is_off_for_everybody_has_no_gradient_and_is_named():
    network = build(study(), "Rad-D", seed=DEAD_SEED)
    assert not can_learn(network)
    images = torch.randn(6, 2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    assert (hidden_of(network, images) <= 0).all()
    network(images).sum().backward()
    assert not any(one.grad.any() for one in network.parameters() if one.grad is not None)


@pytest.mark.parametrize("model", ["Rad-D", "Rad-S"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_network_with_one_unit_on_can_learn_and_is_left_as_it_was(model: str, precision: str):
    tiny = study()
    wanted = tiny.model_copy(update={"training": tiny.training.model_copy(update={"precision": precision})})
    network = build(wanted, model, seed=2)
    with torch.no_grad():
        network.cls_1.bias.fill_(-100.0)
        assert not can_learn(network)
        network.cls_1.bias[3] = 100.0
    before = to_vector(network).copy()
    assert can_learn(network)
    assert np.array_equal(to_vector(network), before)
    assert not network.cls_1._forward_hooks


def test_a_dead_draw_is_passed_over_for_the_next_seed_and_every_study_starts_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    genuine, asked = build, []

    def first_dead(of: Study, model: str, *, seed: int | None = None) -> RadNetwork:
        asked.append(seed)
        return genuine(of, model, seed=DEAD_SEED if len(asked) == 1 else seed)

    monkeypatch.setattr(first_weights, "build", first_dead)
    found = start(study(), "Rad-D", tmp_path)
    assert asked == [found.seed - 1, found.seed]
    assert found.skipped == 1
    assert np.array_equal(found.weights, to_vector(genuine(study(), "Rad-D", seed=found.seed)))


def test_declared_weights_that_cannot_learn_are_refused_by_number(tmp_path: Path):
    from safetensors.torch import save

    network = build(study(), "Rad-D", seed=DEAD_SEED)
    data = save({name: tensor.contiguous() for name, tensor in floating(network)})
    sha256 = hashlib.sha256(data).hexdigest()
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained" / sha256).write_bytes(data)
    with pytest.raises(Problem, match="FH-615"):
        start(study(pretrained_sha256=sha256, warm_start="phantom"), "Rad-D", tmp_path)
