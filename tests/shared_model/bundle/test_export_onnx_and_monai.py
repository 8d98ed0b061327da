"""Exports are accepted by the tools whose conventions they are: MONAI's own commands, onnxruntime, torch."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
import torch

from shared_model.bundle.bundle_manifest import load_bundle
from shared_model.bundle.export_onnx_and_monai import TOLERANCE, example, export_bundle
from shared_model.bundle.monai_bundle import load_monai
from shared_model.bundle.monai_parts import WindowedSlices
from shared_model.bundle.onnx_program import export_onnx, run_elsewhere
from site_config.problems.base import Problem
from tests.shared_model.bundle_support import bundle_in
from tests.support import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `bundle` and its exports `out`."""
    root = tmp_path_factory.mktemp("export")
    bundle_in(root / "bundle")
    export_bundle(load_bundle(root / "bundle"), root / "out")
    return root


def monai(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One of MONAI's own commands, started in the bundle's folder, without a network."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "monai.bundle", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600, env=environment)


@pytest.mark.parametrize("backbone", ["small", "efficientnet-b0"])
def test_exports_agree_with_the_network_for_any_number_of_patients(
    tmp_path: Path, backbone: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle_in(tmp_path / "bundle", backbone, models=("Rad-D",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = export_bundle(load_bundle(tmp_path / "bundle"), tmp_path / "out")
    assert [one.file for one in found] == ["network_Rad-D.pt2", "network_Rad-D.onnx", "monai/Rad-D/models/model.pt"]
    assert max(one.difference for one in found) <= TOLERANCE
    assert capfd.readouterr() == ("", ""), "nothing is printed"


def test_onnx_is_valid_and_names_its_ends(made: Path) -> None:
    model = onnx.load(made / "out" / "network_Rad-D.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.input] == ["image"] and [one.name for one in model.graph.output] == ["pred"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param, "the number of patients is free"


def test_onnx_of_other_weights_gives_other_scores(made: Path, tmp_path: Path) -> None:
    """The comparison would see a wrong file."""
    bundle = load_bundle(made / "bundle")
    network = bundle.network("Rad-S")
    images = example(bundle.lock.study, network, patients=2)
    with torch.no_grad():
        network.cls_2.weight += 1.0
    changed = run_elsewhere(export_onnx(network, images, tmp_path / "changed.onnx"), [images.numpy()])[0]
    right = run_elsewhere(made / "out" / "network_Rad-S.onnx", [images.numpy()])[0]
    assert np.abs(changed - right).max() > TOLERANCE
    with pytest.raises(Problem, match="FH-611"):
        (tmp_path / "broken.onnx").write_bytes(b"no graph")
        run_elsewhere(tmp_path / "broken.onnx", [images.numpy()])


def test_monai_runs_the_bundle_from_slices_to_scores(made: Path) -> None:
    """Slices of other sizes in Hounsfield units, three patients; the scores are the network's own."""
    folder, bundle = made / "out" / "monai" / "Rad-D", load_bundle(made / "bundle")
    draw = np.random.default_rng(4)
    study = bundle.lock.study
    cases = {f"case-{n}": draw.normal(40, 120, (2, 2, study.imaging.slices, 70 + n, 64)).astype(np.float32) for n in range(3)}
    for name, slices in cases.items():
        np.save(folder / "slices" / f"{name}.npy", slices)
    ran = monai(folder, "run", "--config_file", "configs/inference.json", "--bundle_root", ".")
    assert ran.returncode == 0, ran.stderr[-2000:]
    with (folder / "eval" / "scores.csv").open() as file:
        scores = {row["case"]: float(row["score"]) for row in csv.DictReader(file)}
    windowed = WindowedSlices([[organ.window.width, organ.window.level] for organ in study.organs], study.imaging.size)
    network = bundle.network("Rad-D")
    for name, slices in cases.items():
        with torch.inference_mode():
            expected = float(network(windowed({"image": slices})["image"][None]))
        assert scores[name] == pytest.approx(expected, abs=1e-5)


def test_monai_verifies_metadata_and_network_without_a_network_connection(made: Path) -> None:
    folder = made / "out" / "monai" / "Rad-S"
    ran = monai(folder, "verify_metadata", "--meta_file", "configs/metadata.json", "--filepath", "schema.json")
    assert ran.returncode == 0 and "metadata is verified with no error" in ran.stdout + ran.stderr, ran.stderr[-2000:]
    metadata, schema = (json.loads((folder / name).read_text()) for name in ("configs/metadata.json", "schema.json"))
    del metadata["network_data_format"]["outputs"]["pred"]
    with pytest.raises(jsonschema.ValidationError, match="pred"):
        jsonschema.validate(metadata, schema)
    files = ("--meta_file", "configs/metadata.json", "--config_file", "configs/inference.json")
    for network in ("Rad-S", "Rad-D"):
        ran = monai(made / "out" / "monai" / network, "verify_net_in_out", "--net_id", "network_def", *files)
        assert ran.returncode == 0 and "is verified with no error" in ran.stdout + ran.stderr, ran.stderr[-2000:]


def test_monai_exports_the_checkpoint(made: Path) -> None:
    """TorchScript that gives the network's scores for one, three and seven patients."""
    folder, bundle = made / "out" / "monai" / "Rad-D", load_bundle(made / "bundle")
    files = ("--meta_file", "configs/metadata.json", "--config_file", "configs/inference.json")
    ran = monai(folder, "ckpt_export", "--net_id", "network_def", "--filepath", "models/model.ts", "--ckpt_file", "models/model.pt", *files)
    assert ran.returncode == 0, ran.stderr[-2000:]
    script, network = torch.jit.load(str(folder / "models" / "model.ts")), bundle.network("Rad-D")
    for patients in (1, 3, 7):
        images = example(bundle.lock.study, network, patients=patients)
        with torch.inference_mode():
            np.testing.assert_allclose(script(images)[:, 0], network(images), atol=1e-5)


def test_a_bundle_of_another_version_is_refused_by_name(made: Path, tmp_path: Path) -> None:
    bundle_in(tmp_path / "bundle", models=("Rad-S",))
    export_bundle(load_bundle(tmp_path / "bundle"), tmp_path / "out")
    folder = tmp_path / "out" / "monai" / "Rad-S"
    path = folder / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    assert list(metadata["required_packages_version"]) == ["fedhcc"]
    for package, wanted in (("fedhcc", "99.1"), ("a-package-nobody-has", "1.0")):
        path.write_text(json.dumps(metadata | {"required_packages_version": {package: wanted}}))
        with pytest.raises(Problem, match=f"FH-617 the bundle needs {package} {wanted}, installed is"):
            load_monai(folder)
    ran = monai(folder, "run", "--config_file", "configs/inference.json", "--bundle_root", ".")
    assert ran.returncode and "a-package-nobody-has 1.0" in ran.stderr
