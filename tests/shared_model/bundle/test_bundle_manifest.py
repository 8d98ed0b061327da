"""A bundle is one folder that is whole, says what it is, and gives the same scores everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from shared_model.bundle.bundle_manifest import load_bundle
from shared_model.bundle.export_onnx_and_monai import example
from shared_model.bundle.model_card import model_card
from site_config.problems.base import Problem
from tests.shared_model.bundle_support import bundle_in

ROOT = Path(__file__).resolve().parents[3]


def test_a_bundle_loads_with_one_call_and_keeps_its_networks(tmp_path: Path) -> None:
    sha256 = bundle_in(tmp_path)
    bundle = load_bundle(tmp_path, sha256=sha256)
    assert bundle.sha256 == sha256
    assert sorted(bundle.manifest.networks) == ["Rad-D", "Rad-S"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bundle.json",
        "card.md",
        "lock.json",
        "weights_Rad-D.safetensors",
        "weights_Rad-S.safetensors",
    ]
    assert bundle.network("Rad-D")(torch.zeros(1, 2, 2, 3, 64, 64)).shape == (1,)


def test_making_it_twice_gives_the_same_hash(tmp_path: Path) -> None:
    assert bundle_in(tmp_path / "one") == bundle_in(tmp_path / "two")


@pytest.mark.parametrize("name", ["weights_Rad-D.safetensors", "lock.json", "card.md"])
def test_a_changed_file_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    bundle_in(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[-3] ^= 1
    (tmp_path / name).write_bytes(bytes(data))
    with pytest.raises(Problem, match=name) as refused:
        load_bundle(tmp_path)
    assert refused.value.code == "FH-610"


def test_another_hash_a_damaged_manifest_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    bundle_in(tmp_path)
    with pytest.raises(Problem, match="FH-610"):
        load_bundle(tmp_path, sha256="0" * 64)
    (tmp_path / "weights_Rad-S.safetensors").rename(tmp_path / "elsewhere")
    with pytest.raises(Problem, match=r"weights_Rad-S\.safetensors cannot be read") as missing:
        load_bundle(tmp_path)
    assert missing.value.kind.exit != 11, "access, not content"
    manifest = json.loads((tmp_path / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps(manifest | {"surprise": 1}))
    with pytest.raises(Problem, match="surprise"):
        load_bundle(tmp_path)


def test_weights_with_a_renamed_or_missing_tensor_are_refused_with_its_name(tmp_path: Path) -> None:
    """Also where every hash was made to fit again."""
    bundle_in(tmp_path)
    path = tmp_path / "weights_Rad-D.safetensors"
    tensors = load(path.read_bytes())
    taken = tensors.pop("LSTM_liver.weight_ih_l1")
    for changed in (tensors, tensors | {"LSTM_lever.weight_ih_l1": taken}):
        path.write_bytes(save(changed))
        manifest = json.loads((tmp_path / "bundle.json").read_text())
        from hashlib import sha256

        manifest["networks"]["Rad-D"]["sha256"] = sha256(path.read_bytes()).hexdigest()
        (tmp_path / "bundle.json").write_text(json.dumps(manifest))
        with pytest.raises(Problem, match=r"missing LSTM_liver\.weight_ih_l1") as refused:
            load_bundle(tmp_path).network("Rad-D")
        assert refused.value.code == "FH-602"


def test_a_model_that_is_not_in_the_bundle_is_named(tmp_path: Path) -> None:
    bundle_in(tmp_path, models=("Rad-S",))
    with pytest.raises(Problem, match="no weights of Rad-D"):
        load_bundle(tmp_path).network("Rad-D")


def test_the_card_says_what_the_model_is_for_and_that_patients_were_simulated(tmp_path: Path) -> None:
    bundle_in(tmp_path)
    card = (tmp_path / "card.md").read_text()
    for words in (
        "Made from simulated patients",
        "Intended use",
        "Limits",
        "| train | 40 | 25 | 12 |",
        "0.712",
        "Field cropped to the organ.",
    ):
        assert words in card


def test_what_people_wrote_is_plain_text_on_the_card(tmp_path: Path) -> None:
    """A title, or a note that quotes a study's own words, brings neither HTML nor Markdown of its own."""
    bundle_in(tmp_path)
    bundle = load_bundle(tmp_path)
    bad = "<script>alert(1)</script>\n# [x](javascript:1) <img src=x onerror=y> | `"
    card = model_card(bundle.manifest.model_copy(update={"title": bad, "notes": (bad,)}), bundle.lock)
    assert card.count("&lt;script&gt;") == 2 and "<script" not in card and "<img" not in card
    assert "\\[x\\]" in card and "\n# \\[x" not in card and "\n# [x" not in card


def test_a_fresh_process_gives_the_same_scores(tmp_path: Path) -> None:
    bundle_in(tmp_path)
    bundle = load_bundle(tmp_path)
    network = bundle.network("Rad-D")
    here = network(example(bundle.lock.study, network, patients=2)).tolist()
    program = (
        "import json, sys; from pathlib import Path; from shared_model.bundle.bundle_manifest import load_bundle; "
        "from shared_model.bundle.export_onnx_and_monai import example; b = load_bundle(Path(sys.argv[1])); n = b.network('Rad-D'); "
        "print(json.dumps(n(example(b.lock.study, n, patients=2)).tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout), here, rtol=0, atol=1e-6)
