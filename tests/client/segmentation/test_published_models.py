"""Recipes of published models, each tried on a folder of the same layout, labels and file names with random weights."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from client.commands import models
from client.imaging import slices
from client.imaging.volume import Volume
from client.segmentation.declared_models import SiteModels
from client.segmentation.published_models import LOBES, PACKS, ModelPack, add_pack, pack_of
from site_config.problems.base import Exit, Problem
from site_config.site_yaml import Segmentation, SiteConfig, Target
from tests.client.made_scans import body
from tests.client.nnunet_folder import genuine_checkpoint, plans_3d
from tests.support import app_of, run_cli

LABELS: dict[str, dict[str, int]] = {
    "organs": {
        **{name: k for k, name in enumerate(("background", "spleen", "kidney_right", "kidney_left", "gallbladder", "liver", "stomach"))},
        **{name: k for k, name in enumerate(("pancreas", "adrenal_gland_right", "adrenal_gland_left", *LOBES), start=7)},
    },
    "liver-lesions": {"background": 0, "liver_lesions": 1},
    "lung-nodules": {"background": 0, "lung": 1, "lung_nodules": 2},
}


def archive(path: Path, pack: ModelPack, labels: dict[str, int] | None = None, fold: str = "fold_0") -> Path:
    """What the makers' zip holds: Dataset/trainer__plans__configuration/{dataset,plans}.json and a fold."""
    plans = plans_3d()
    plans["configurations"] = {pack.configuration: plans["configurations"]["3d_fullres"]}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels or LABELS[pack.name], "numTraining": 4, "file_ending": ".nii.gz"}
    stream = io.BytesIO()
    torch.save(genuine_checkpoint(plans, dataset), stream)
    here = f"{pack.file.removesuffix('.zip')}/nnUNetTrainer__nnUNetPlans__{pack.configuration}"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"{here}/plans.json", json.dumps(plans))
        made.writestr(f"{here}/dataset.json", json.dumps(dataset))
        made.writestr(f"{here}/{fold}/checkpoint_final.pth", stream.getvalue())
        made.writestr(f"{here}/{fold}/progress.png", b"x")
    return path


@pytest.mark.parametrize("name", list(PACKS))
@pytest.mark.parametrize("fold", ["fold_0", "fold_all"])
def test_every_recipe_becomes_a_model_that_segments(tmp_path: Path, name: str, fold: str) -> None:
    pack = PACKS[name]
    added = add_pack(pack, archive(tmp_path / "m.zip", pack, fold=fold), tmp_path / "models" / name)
    assert set(added.targets) == set(pack.targets) and set(added.model.sha256) == {
        "dataset.json",
        "plans.json",
        f"{fold}/checkpoint_final.pth",
    }
    said: dict[str, Any] = yaml.safe_load(added.as_yaml(tmp_path))["segmentation"]
    site = SiteConfig(site="here", home=tmp_path, segmentation=Segmentation.model_validate(said))
    assert site.segmentation.targets == {target: Target(model=name, labels=numbers) for target, numbers in added.targets.items()}
    hu, _ = body((16, 40, 40))
    volume = Volume(hu, np.arange(16) * 5.0, (7.0, 7.0), np.zeros(3), np.eye(3))
    labels = SiteModels(site).get(name).label_map(volume, slices.grid_of(volume.z_mm, 5.0))
    assert labels.shape == (16, 40, 40) and SiteModels(site).get(name).reverse_in_plane


def test_other_labels_than_the_recipes_are_refused(tmp_path: Path) -> None:
    pack = PACKS["organs"]
    moved = {**LABELS["organs"], "liver": 6, "stomach": 5}
    with pytest.raises(Problem) as caught:
        add_pack(pack, archive(tmp_path / "m.zip", pack, moved), tmp_path / "m")
    assert caught.value.code == "FH-343" and "liver" in caught.value.what


@pytest.mark.parametrize("data", [b"no zip", b""])
def test_what_is_no_archive_of_a_model_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.zip").write_bytes(data)
    with pytest.raises(Problem) as caught:
        add_pack(PACKS["organs"], tmp_path / "m.zip", tmp_path / "m")
    assert caught.value.code == "FH-345"


def test_a_pack_is_found_by_what_it_supplies() -> None:
    assert pack_of("liver").name == pack_of("lung").name == "organs" and pack_of("lung_tumour").name == "lung-nodules"
    with pytest.raises(Problem) as caught:
        pack_of("spleen")
    assert caught.value.code == "FH-348"
    targets = [target for pack in PACKS.values() for target in pack.targets]
    assert sorted(targets) == ["liver", "liver_tumour", "lung", "lung_tumour"]
    assert all(pack.licence and pack.trained_on and pack.url.startswith("https://") for pack in PACKS.values())


def test_the_commands(tmp_path: Path) -> None:
    app = app_of(models.register)
    listed = run_cli(app, "models", "list", "--json")
    assert [pack["name"] for pack in listed.data["packs"]] == list(PACKS)
    absent = run_cli(app, "models", "add", "liver")
    assert absent.status == Exit.CONFIGURATION and "FH-347" in absent.err and "--fetch" in absent.err
    (tmp_path / "site.yaml").write_text("site: lab\n")
    pack = PACKS["lung-nodules"]
    made = run_cli(app, "models", "add", "lung-nodules", "--from", archive(tmp_path / "m.zip", pack), "--home", tmp_path, "--json")
    assert made.status == 0 and made.data["targets"] == {"lung_tumour": [2]} and (tmp_path / "models/lung-nodules/plans.json").exists()
