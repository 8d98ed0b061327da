"""Nothing that comes from a model folder runs before it was refused (bar 3), and a genuine one gives nnU-Net's own labels."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.imaging import slices
from client.imaging.volume import Volume
from client.segmentation import safe_load
from client.segmentation.declared_models import SiteModels, check_targets, label_numbers
from client.segmentation.safe_load import read_model
from site_config.problems.base import Problem
from site_config.site_yaml import Policy, Segmentation, SegmentationModel, SiteConfig, Target
from tests.client.made_scans import a_study, body, write_site
from tests.client.nnunet_folder import DATASET, plans_of, write_model

CANARY: list[str] = []


class Payload:
    """Unpickling this would leave a trace."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.canary,))


def read(folder: Path, model: SegmentationModel, simulated: bool = False) -> safe_load.ModelFiles:
    return read_model("m", folder, model, simulated)


def refused(folder: Path, model: SegmentationModel) -> Problem:
    with pytest.raises(Problem) as caught:
        read(folder, model)
    return caught.value


def test_a_payload_in_a_checkpoint_is_refused_before_it_runs(tmp_path: Path) -> None:
    import torch

    canary = tmp_path / "canary"
    stream = io.BytesIO()
    torch.save({"network_weights": {}, "init_args": {"configuration": "2d"}, "trainer_name": Payload(canary)}, stream)
    model = write_model(tmp_path / "m", raw_checkpoint=stream.getvalue())
    assert refused(tmp_path / "m", model).code == "FH-341"
    assert not canary.exists()
    torch.load(io.BytesIO(stream.getvalue()), weights_only=False)  # the canary is a real one
    assert canary.exists()


def test_a_plain_pickle_with_a_payload_is_refused_before_it_runs(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    model = write_model(tmp_path / "m", raw_checkpoint=pickle.dumps({"network_weights": Payload(canary)}))
    assert refused(tmp_path / "m", model).code == "FH-341"
    assert not canary.exists()


def arch(plans: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = plans["configurations"]["2d"]["architecture"]
    return found


SPOILED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "network class": lambda plans: arch(plans).update(network_class_name="tests.client.segmentation.canary.Network"),
    "os.system as network": lambda plans: arch(plans).update(network_class_name="os.system"),
    "operator": lambda plans: arch(plans)["arch_kwargs"].update(conv_op="subprocess.Popen"),
    "norm": lambda plans: arch(plans)["arch_kwargs"].update(norm_op="tests.canary.Norm"),
    "nonlinearity": lambda plans: arch(plans)["arch_kwargs"].update(nonlin="builtins.exec"),
    "imported argument": lambda plans: arch(plans)["_kw_requires_import"].append("norm_op_kwargs"),
    "unknown argument": lambda plans: arch(plans)["arch_kwargs"].update(callback="os.system"),
    "preprocessor": lambda plans: plans["configurations"]["2d"].update(preprocessor_name="EvilPreprocessor"),
    "resampling": lambda plans: plans["configurations"]["2d"].update(resampling_fn_data="evil"),
    "resampling option": lambda plans: plans["configurations"]["2d"]["resampling_fn_data_kwargs"].update(callback="x"),
    "normalisation": lambda plans: plans["configurations"]["2d"].update(normalization_schemes=["EvilNormalization"]),
    "label manager": lambda plans: plans.update(label_manager="EvilManager"),
    "unused configuration": lambda plans: plans["configurations"].update(
        {"3d_fullres": {"architecture": {"network_class_name": "evil.Net", "arch_kwargs": {}}}}
    ),
    "old plans": lambda plans: plans["configurations"]["2d"].update(UNet_class_name="EvilNet"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_plans_that_name_something_foreign_are_refused_before_it_is_looked_up(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pydoc

    looked_up: list[str] = []
    monkeypatch.setattr(pydoc, "locate", lambda path, *_: looked_up.append(path))
    plans = plans_of()
    SPOILED[name](plans)
    model = write_model(tmp_path / "m", plans=plans)
    assert refused(tmp_path / "m", model).code == "FH-341"
    assert looked_up == []


@pytest.mark.parametrize("file", ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"])
def test_one_changed_byte_is_refused_before_the_file_is_parsed(tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_model(tmp_path / "m")
    path = tmp_path / "m" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    parsed: list[str] = []
    monkeypatch.setattr(safe_load, "_parsed", lambda _data, file, _name: parsed.append(file) or {})
    monkeypatch.setattr(safe_load, "_unpickled", lambda _data, file, _name: parsed.append(file) or {})
    problem = refused(tmp_path / "m", model)
    assert problem.code == "FH-340" and file in problem.what and parsed == []


def test_a_file_without_a_checksum_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m")
    fewer = {file: digest for file, digest in model.sha256.items() if file != "plans.json"}
    assert refused(tmp_path / "m", model.model_copy(update={"sha256": fewer})).code == "FH-340"


def test_cascades_several_channels_and_other_modalities_are_refused_with_a_reason(tmp_path: Path) -> None:
    cascade = plans_of()
    cascade["configurations"]["2d"]["previous_stage"] = "3d_lowres"
    assert "cascade" in refused(tmp_path / "a", write_model(tmp_path / "a", plans=cascade)).what
    two = {**DATASET, "channel_names": {"0": "CT", "1": "PET"}}
    problem = refused(tmp_path / "b", write_model(tmp_path / "b", dataset=two))
    assert problem.code == "FH-342" and "2 input images" in problem.what
    mri = {**DATASET, "channel_names": {"0": "T1"}}
    assert refused(tmp_path / "c", write_model(tmp_path / "c", dataset=mri)).code == "FH-342"


def test_a_model_of_version_1_or_an_incomplete_folder_is_told(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m", plans={"plans_per_stage": {}})
    assert refused(tmp_path / "m", model).code == "FH-345"
    missing = write_model(tmp_path / "n")
    (tmp_path / "n" / "plans.json").unlink()
    assert refused(tmp_path / "n", missing).code == "FH-910"


def test_phantom_models_are_for_simulated_sites_only(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m")
    (tmp_path / "m" / "fedhcc_phantom.json").write_text(json.dumps({"fit_for": "phantoms only"}))
    assert read(tmp_path / "m", model, simulated=True).configuration == "2d"
    assert refused(tmp_path / "m", model).code == "FH-344"


def site_with(folder: Path, labels: tuple[int, ...]) -> SiteConfig:
    targets = {"liver": Target(model="m", labels=labels)}
    model = write_model(folder)
    return SiteConfig(site="here", segmentation=Segmentation(models={"m": model}, targets=targets), policy=Policy())


def test_labels_that_the_model_lacks_are_refused_at_the_start(tmp_path: Path) -> None:
    check_targets(site_with(tmp_path / "ok", (1, 2)), a_study(), ())
    with pytest.raises(Problem) as caught:
        check_targets(site_with(tmp_path / "m", (1, 7)), a_study(), ())
    assert caught.value.code == "FH-343" and "has 1, 2" in caught.value.what


def test_region_based_labels_are_those_the_regions_are_written_as(tmp_path: Path) -> None:
    dataset = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": [1, 2], "tumour": [2]}, "regions_class_order": [1, 2]}
    files = safe_load.ModelFiles("m", copy.deepcopy(dataset), {}, (), "2d", "")
    assert label_numbers(files) == {1, 2}


@pytest.mark.parametrize(("patch", "spacing"), [((64, 64), (7.0, 7.0)), ((32, 32), (7.0, 7.0))])
def test_a_genuine_folder_gives_the_labels_nnunet_itself_gives(
    tmp_path: Path, patch: tuple[int, int], spacing: tuple[float, float]
) -> None:
    hu, _ = body((14, 48, 48))
    volume = Volume(hu, np.arange(14) * 5.0, (7.0, 7.0), np.zeros(3), np.eye(3))
    model = write_model(tmp_path / "m", plans=plans_of(patch, spacing))
    site = SiteConfig(site="here", segmentation=Segmentation(models={"m": model}))
    loaded = SiteModels(site).get("m")
    assert loaded.labels == {0, 1, 2} and SiteModels(site).get("m") is loaded
    ours = loaded.label_map(volume, slices.grid_of(volume.z_mm, 5.0))
    theirs = loaded.predictor.predict_single_npy_array(hu[None].astype(np.float32), {"spacing": [5.0, 7.0, 7.0]})
    assert (ours == theirs).mean() > 0.999  # nnU-Net keeps logits in half precision


def test_another_window_needs_no_second_segmentation_and_another_scan_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from client.cohort.prepared_cohort import prepare
    from client.segmentation.nnunet import NnUNetModel
    from site_config.study.plan_and_lock import Organ, Window

    made = write_site(tmp_path / "site", patients=2, scans=lambda key, visit, region: region == "abdomen")
    targets = {"liver": Target(model="m", labels=(1, 2)), "liver_tumour": Target(model="m", labels=(2,))}
    site = made.model_copy(update={"segmentation": Segmentation(models={"m": write_model(tmp_path / "m")}, targets=targets)})
    runs: list[int] = []
    ordinary = NnUNetModel._predict
    monkeypatch.setattr(NnUNetModel, "_predict", lambda self, *rest: (runs.append(1), ordinary(self, *rest))[1])

    def study_of(level: float) -> Any:
        liver = Organ(name="liver", region="abdomen", window=Window(width=400, level=level), targets=("liver", "liver_tumour"))
        return a_study().model_copy(update={"organs": (liver,)})

    prepare(site, study_of(0))
    assert len(runs) == 4  # organ and tumour of one model: once a scan
    assert prepare(site, study_of(50)).made == 2 and len(runs) == 4
    os.utime(tmp_path / "site" / "images" / "P001" / "followup_abdomen.nii.gz", (1, 1))
    assert prepare(site, study_of(50)).made == 1 and len(runs) == 5
    assert len(list((site.state / "prepared").glob("*.labels"))) == 4
