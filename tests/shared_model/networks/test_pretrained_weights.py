"""First weights: from a verified local file, with what was not loaded told; never a silent download."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
import torch
from torch import Tensor

from shared_model.networks.pretrained_weights import load_imagenet, published_name, read_verified
from shared_model.networks.rad_networks import build
from shared_model.networks.weight_vector import floating
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Study, StudySite


def study_of(norm: str = "frozen", sha256: str | None = None, backbone: str = "efficientnet-b0", warm: str = "none") -> Study:
    network = {"backbone": backbone, "norm": norm, "pretrained_sha256": sha256, "warm_start": warm}
    return Study.model_validate({"title": "test", "sites": [StudySite(name="a")], "network": network, "simulated": True})


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """Tensors with the names and shapes of EfficientNet-PyTorch's file: three input channels, a thousand classes."""
    extractor = build(study_of(), "Rad-S", pooled=True).get_submodule("extractor_liver")
    generator = torch.Generator().manual_seed(1)
    state = {published_name(name): torch.randn(tensor.shape, generator=generator) for name, tensor in floating(extractor)}
    state["_conv_stem.weight"] = torch.randn(32, 3, 3, 3, generator=generator)
    state["_fc.weight"], state["_fc.bias"] = torch.randn(1000, 1280), torch.randn(1000)
    return state


def as_file(state: object) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def test_everything_but_the_classes_is_loaded_and_the_stem_is_the_sum_of_its_colours(published: dict[str, Tensor]) -> None:
    network = build(study_of(), "Rad-S")
    report = load_imagenet(network, as_file(published))
    assert set(report.kept) == {"_fc.weight", "_fc.bias"}
    assert len(report.loaded) == 309  # of 311 floating tensors; the 49 integer counters are not weights
    for organ in network.organs:
        for name, tensor in floating(network.get_submodule(f"extractor_{organ}")):
            if name == "_conv_stem.weight":
                torch.testing.assert_close(tensor, published[name].sum(1, keepdim=True))
            elif name not in report.kept:
                assert torch.equal(tensor, published[published_name(name)]), name


def test_a_grey_slice_in_the_summed_stem_equals_three_equal_colours(published: dict[str, Tensor]) -> None:
    network = build(study_of(), "Rad-S")
    load_imagenet(network, as_file(published))
    grey = torch.randn(2, 1, 32, 32)
    ours = torch.nn.functional.conv2d(grey, network.get_parameter("extractor_liver._conv_stem.weight"))
    coloured = torch.nn.functional.conv2d(grey.expand(-1, 3, -1, -1), published["_conv_stem.weight"])
    torch.testing.assert_close(ours, coloured, rtol=1e-4, atol=1e-4)


def test_group_norm_takes_the_kernels_and_tells_what_it_leaves(published: dict[str, Tensor]) -> None:
    network = build(study_of("group"), "Rad-S")
    report = load_imagenet(network, as_file(published))
    assert all("_bn" in name or name.startswith("_fc") for name in report.kept)
    assert any("_bn" in name for name in report.kept)


def test_a_file_is_read_only_when_it_is_the_declared_one(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"declared")
    sha256 = hashlib.sha256(b"declared").hexdigest()
    assert read_verified(path, sha256.upper()) == b"declared"
    path.write_bytes(b"declarec")
    with pytest.raises(Problem, match="FH-608"):
        read_verified(path, sha256)


def test_a_file_that_would_run_code_is_refused() -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("run",)

    with pytest.raises(Problem, match="FH-603"):
        load_imagenet(build(study_of(), "Rad-S"), as_file({"_conv_stem.weight": Payload()}))


def test_what_is_no_such_file_is_refused(published: dict[str, Tensor]) -> None:
    with pytest.raises(Problem, match="FH-602"):
        load_imagenet(build(study_of("group", backbone="small"), "Rad-S"), as_file(published))
    with pytest.raises(Problem, match="FH-602"):
        load_imagenet(build(study_of(), "Rad-S"), as_file({"weights": torch.zeros(1)}))
    with pytest.raises(Problem, match="FH-603"):
        load_imagenet(build(study_of(), "Rad-S"), b"no torch file")


def test_a_file_of_a_sister_architecture_is_refused(published: dict[str, Tensor]) -> None:
    """EfficientNet-lite0 has no squeeze-and-excitation: most names and shapes are those of b0, and one tensor in six is missing."""
    lite = {name: tensor for name, tensor in published.items() if "_se_" not in name}
    assert 0.1 < 1 - len(lite) / len(published) < 0.3
    for norm in ("frozen", "group"):
        with pytest.raises(Problem, match="another architecture"):
            load_imagenet(build(study_of(norm), "Rad-S"), as_file(lite))
    wider = {**published, "_conv_head.weight": torch.zeros(1408, 352, 1, 1)}
    with pytest.raises(Problem, match=r"_conv_head\.weight first"):
        load_imagenet(build(study_of(), "Rad-S"), as_file(wider))
