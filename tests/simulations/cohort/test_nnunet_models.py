"""The committed segmenters are genuine, small, listed with their hashes, and find what phantoms hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from simulations.cohort.nnunet_models import CHECKPOINT, MARK, TASKS, TrainingOptions, dice, evaluate, list_hashes, train
from simulations.cohort.warm_start import FILE
from simulations.cohort.write_cohort import MODELS


def test_the_folders_are_small_marked_and_listed_with_their_hashes():
    listed = json.loads((MODELS / "models.json").read_text())
    assert listed == {"fit_for": "phantoms only", "sha256": list_hashes(MODELS)}
    assert sum(path.stat().st_size for name in ("liver", "lung") for path in (MODELS / name).rglob("*")) < 1_000_000
    for task in TASKS:
        assert json.loads((MODELS / task.name / MARK).read_text())["fit_for"] == "phantoms only"


def test_a_checkpoint_has_the_keys_of_the_trainer_and_loads_without_running_code():
    from importlib import import_module

    trusted = [import_module("numpy._core.multiarray").scalar, np.dtype, np.dtypes.Float64DType]
    with torch.serialization.safe_globals(trusted):
        state = torch.load(MODELS / "liver" / CHECKPOINT, weights_only=True)
    assert set(state) == {
        "network_weights", "optimizer_state", "grad_scaler_state", "logging", "_best_ema", "current_epoch", "init_args",
        "trainer_name", "inference_allowed_mirroring_axes",
    }  # fmt: skip
    assert state["trainer_name"] == "nnUNetTrainer"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_committed_models_segment_fresh_phantoms(task):
    found = evaluate(task, MODELS / task.name, range(500, 504), (2.5, 2.5))
    assert found.organ_dice >= 0.9
    assert found.tumour_dice >= 0.6


def test_training_writes_a_folder_that_evaluates(tmp_path: Path):
    options = replace(TrainingOptions(), phantoms=2, steps=2, batch=2)
    losses: list[float] = []
    folder = train(TASKS[0], tmp_path / "liver", options, lambda step, loss: losses.append(loss))
    assert len(losses) == 2
    assert set(list_hashes(tmp_path)["liver"]) == {"plans.json", "dataset.json", MARK, CHECKPOINT}
    assert 0 <= evaluate(TASKS[0], folder, [1], (2.0, 2.0)).organ_dice <= 1


def test_dice_of_two_empty_masks_is_one_and_of_disjoint_ones_zero():
    empty, left, right = np.zeros(4, bool), np.array([1, 1, 0, 0], bool), np.array([0, 0, 1, 1], bool)
    assert dice(empty, empty) == 1.0
    assert dice(left, right) == 0.0
    assert dice(left, left) == 1.0


def test_the_warm_start_fits_the_networks_and_has_an_opinion_on_nothing():
    from safetensors.torch import load_file

    tensors = load_file(FILE)
    for model in ("Rad-D", "Rad-S"):
        assert not tensors[f"{model}/cls_2.weight"].any()
    assert FILE.stat().st_size < 2_000_000


def demo_study(**changes: object):
    from site_config.study.study_presets import preset

    return preset("demo").model_copy(update=changes)


def test_the_demonstration_starts_from_the_committed_file_and_from_no_other(tmp_path: Path):
    from server.phases.first_weights import initial_weights
    from shared_model.networks.pretrained_weights import load_warm_start
    from shared_model.networks.rad_networks import build
    from shared_model.networks.weight_vector import to_vector
    from site_config.problems.base import Problem

    study = demo_study()
    with pytest.raises(Problem, match="FH-607"):
        initial_weights(study, "Rad-D", tmp_path)
    place = tmp_path / "pretrained" / study.network.pretrained_sha256
    place.parent.mkdir()
    place.write_bytes(FILE.read_bytes())
    study_folder = tmp_path / "studies" / "id" / "run"
    study_folder.mkdir(parents=True)
    for model in ("Rad-D", "Rad-S"):
        network = build(study, model)
        load_warm_start(network, FILE.read_bytes())
        assert np.array_equal(initial_weights(study, model, study_folder), to_vector(network))
    place.write_bytes(FILE.read_bytes()[:-1] + b"x")
    with pytest.raises(Problem, match="FH-608"):
        initial_weights(study, "Rad-D", tmp_path)


def test_a_warm_start_for_another_network_is_refused_by_name():
    from shared_model.networks.pretrained_weights import load_warm_start
    from shared_model.networks.rad_networks import RadNetwork
    from site_config.problems.base import Problem

    with pytest.raises(Problem, match="do not fit"):
        load_warm_start(RadNetwork("Rad-D", ["liver", "bone"], backbone="small", norm="group", dropout=0.0), FILE.read_bytes())
    with pytest.raises(Problem, match="not a readable"):
        load_warm_start(RadNetwork("Rad-D", ["liver", "lung"], backbone="small", norm="group", dropout=0.0), b"nothing")


def test_a_study_of_real_patients_may_not_start_from_phantoms():
    from site_config.documents.rules_over_fields import study_faults

    assert not study_faults(demo_study())
    assert any(fault.location == ("network", "warm_start") for fault in study_faults(demo_study(simulated=False)))
