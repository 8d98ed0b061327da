"""The networks equal the published ones, fold slices exactly, and keep patients apart."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from shared_model.networks.rad_networks import RadNetwork, build
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Network, Organ, Study, StudySite, Training, Window, two_organs
from site_config.study.prognostic_models import NetworkName

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "rad_reference.json").read_text())


def study_of(backbone: str = "small", norm: str = "group", precision: str = "float32", organs: tuple[Organ, ...] | None = None) -> Study:
    return Study(
        title="test",
        sites=(StudySite(name="a"),),
        network=Network.model_validate({"backbone": backbone, "norm": norm}),
        training=Training.model_validate({"precision": precision}),
        organs=organs or two_organs(),
    )


def fill(network: torch.nn.Module) -> None:
    """The reference's weights: drawn by each tensor's name (tests/shared_model/data/rad_reference.json, `weights`)."""
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        n = tensor.numel()
        drawn = np.random.RandomState(zlib.crc32(name.encode()) % 2**32).standard_normal(n)
        if name.endswith("running_var"):
            drawn = 0.5 + 0.1 * abs(drawn)
        elif tensor.dim() == 1:
            drawn = 0.1 * drawn + float(name.endswith("weight") and "_bn" in name.split(".")[-2])
        else:
            drawn = 0.78 * drawn * np.sqrt(2 / (n // tensor.shape[0]))
        tensor.copy_(torch.from_numpy(drawn.reshape(tensor.shape)))


@pytest.mark.parametrize("model", ["Rad-D", "Rad-S"])
def test_eval_outputs_and_parameter_counts_equal_the_published_networks(model: NetworkName) -> None:
    network = build(study_of("efficientnet-b0", "frozen", "float64"), model)
    assert sum(parameter.numel() for parameter in network.parameters()) == REFERENCE[model]["n_parameters"]
    extractor = network.get_submodule("extractor_liver")
    assert sum(parameter.numel() for parameter in extractor.parameters()) == REFERENCE[model]["n_parameters_extractor"]
    fill(network)
    images = torch.from_numpy(np.random.RandomState(1).standard_normal((3, 2, 2, 3, 224, 224)))
    with torch.inference_mode():
        first = extractor(images[:1, 0, 0, :1])[0]
        scores = network(images[:2])
    np.testing.assert_allclose(first.numpy(), REFERENCE[model]["liver_baseline_slice0_features_patient0"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(scores.numpy(), REFERENCE[model]["score"][:2], rtol=0, atol=1e-9)


@pytest.mark.parametrize("model", ["Rad-D", "Rad-S"])
def test_tensor_names_and_shapes_are_the_published_ones(model: NetworkName) -> None:
    state = build(study_of("efficientnet-b0", "frozen"), model).state_dict()
    listed = sorted([name, list(tensor.shape)] for name, tensor in state.items() if not name.endswith("num_batches_tracked"))
    assert len(listed) == REFERENCE[model]["n_tensors"]
    assert hashlib.sha256(json.dumps(listed).encode()).hexdigest() == REFERENCE[model]["tensors_sha256"]


def test_one_batch_an_organ_equals_one_forward_a_slice() -> None:
    network = build(study_of(precision="float64"), "Rad-D", seed=3)
    images = torch.randn(2, 2, 2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        together = network.features(images)
        for organ, name in enumerate(network.organs):
            for visit in range(2):
                slices = [network.get_submodule(f"extractor_{name}")(images[:, visit, organ, [s]]) for s in range(3)]
                torch.testing.assert_close(together[:, visit, organ], torch.stack(slices).mean(0), rtol=0, atol=1e-12)


def test_rad_s_ignores_the_follow_up_and_has_no_recurrent_layer() -> None:
    network = build(study_of(), "Rad-S", seed=3)
    assert not any("LSTM" in name for name, _ in network.named_parameters())
    images = torch.randn(2, 2, 2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), network(images[:, :1]))


def test_a_third_organ_is_configuration() -> None:
    adrenal = Organ(name="adrenal", region="abdomen", window=Window(width=400, level=0), targets=("adrenal", "adrenal_tumour"))
    network = build(study_of(organs=(*two_organs(), adrenal)), "Rad-D", seed=1)
    assert network(torch.randn(2, 2, 3, 3, 32, 32)).shape == (2,)
    assert network.cls_1.in_features == 96


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, two, three = (build(study_of(), "Rad-S", seed=seed) for seed in (4, 4, 5))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.cls_1.weight, two.cls_1.weight)
    assert not torch.equal(one.cls_1.weight, three.cls_1.weight)


def test_frozen_statistics_stay_whatever_train_is_told() -> None:
    network = build(study_of(norm="frozen"), "Rad-D", seed=2)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.train()
    network(torch.randn(3, 2, 2, 3, 32, 32) * 7 + 3)
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_batch_norm_is_refused_in_a_federation_and_built_for_the_pooled_baseline() -> None:
    with pytest.raises(Problem) as refused:
        build(study_of(norm="batch"), "Rad-D")
    assert refused.value.code == "FH-601"
    assert isinstance(build(study_of(norm="batch"), "Rad-D", pooled=True), RadNetwork)


def test_the_last_bias_is_not_trained() -> None:
    network = build(study_of(), "Rad-D")
    assert [name for name, parameter in network.named_parameters() if not parameter.requires_grad] == ["cls_2.bias"]


@pytest.mark.parametrize("backbone", ["small", "efficientnet-b0"])
def test_dropout_belongs_to_the_patient_and_not_to_the_batch(backbone: str) -> None:
    network = build(study_of(backbone, precision="float64"), "Rad-D", seed=1).train()
    images = torch.randn(3, 2, 2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    seeds = [11, 12, 13]
    with torch.no_grad():
        network.noise.seed(seeds)
        together = network(images)
        network.noise.seed(seeds[1:2])
        alone = network(images[1:2])
        network.noise.seed(None)
        undisturbed = network(images)
        network.eval()
        network.noise.seed(seeds)
        evaluated = network(images)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(undisturbed, evaluated, rtol=0, atol=1e-12)
    assert not torch.allclose(together, evaluated, rtol=0, atol=1e-9)
