"""The laboratory of containers, without an engine: rights are translated whole, rules are read, changes are put back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from client.compose_file import Mount, Wanted, compose
from evidence.containers import container_federation, measure
from evidence.containers.bad_inputs import changed, mode, set_field
from evidence.containers.network_namespaces import RULES, read_counters
from evidence.containers.podman import Ended, until, words
from site_config.site_yaml import Compute, SiteConfig
from site_config.study.code_digest import code_digest
from tests.support import ROOT


def test_every_right_of_the_compose_files_reaches_the_engine(tmp_path: Path) -> None:
    site = SiteConfig(site="h")
    made = compose(site, Wanted("image", mounts=(Mount.parse("/pacs=/scans"),), proxy_secret="./proxy"))
    options = " ".join(words(made["services"]["site"], made["secrets"], tmp_path))
    for wanted in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--user 10001:10001", "--pids-limit 512"):
        assert wanted in options
    assert f"--volume {tmp_path}:/site:ro" in options and f"--volume {tmp_path}/state:/site/state" in options
    assert "--volume /pacs:/scans:ro" in options and f"--volume {tmp_path}/proxy:/run/secrets/proxy:ro" in options
    office = yaml.safe_load((ROOT / "docker" / "compose.coordinator.yaml").read_text())["services"]["coordinator"]
    assert "--read-only" in words(office, {}, tmp_path)


def test_podmans_gpu_is_a_device_and_an_unknown_field_is_not_left_out(tmp_path: Path) -> None:
    made = compose(SiteConfig(site="h", compute=Compute(device="cuda")), Wanted("image", engine="podman"))
    assert "--device nvidia.com/gpu=0" in " ".join(words(made["services"]["site"], {}, tmp_path))
    with pytest.raises(ValueError, match="privileged"):
        words({"privileged": True}, {}, tmp_path)


def test_packets_are_read_by_the_rules_comment() -> None:
    rule = {"comment": "out: dropped", "expr": [{"counter": {"packets": 3, "bytes": 9}}, {"drop": None}]}
    assert read_counters(json.dumps({"nftables": [{"table": {}}, {"rule": rule}, {"rule": rule}]})) == {"out: dropped": 6}
    assert RULES.count("policy drop") == 2


def test_a_changed_file_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("site: h\npaths:\n  images: scans\ncompute:\n  threads: 1\n")
    before, bits = path.read_text(), path.stat().st_mode
    with changed(path, lambda text: set_field(text, "paths", "images", "/mnt/pacs")), mode(path, 0o600, path.stat().st_uid):
        assert yaml.safe_load(path.read_text())["paths"]["images"] == "/mnt/pacs"
    assert path.read_text() == before and path.stat().st_mode == bits
    for text in ("site: h\n", before, "site: h\ncompute:\n  device: cpu\n"):
        assert yaml.safe_load(set_field(text, "compute", "device", "cuda"))["compute"]["device"] == "cuda"


def test_the_last_lines_are_what_a_person_sees() -> None:
    ended = Ended(12, "one\n\ntwo\nFH-910 x\n  why: y\n  fix: z\n  page: p\n", 1.0)
    assert ended.last[0] == "FH-910 x" and ended.said("two")
    assert until(lambda: True, 1.0) == 0.0 and until(lambda: False, 0.05, 0.01) is None


def test_parts_are_kept_between_calls_only_where_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piece = {"figures": {"code": "a", "images": {"site": 1}}, "covers": {}}
    monkeypatch.setattr(measure, "FOLDER", tmp_path)
    assert measure.measured_before("a") == {}
    (tmp_path / "containers.json").write_text(json.dumps(piece))
    assert measure.measured_before("a") == piece["figures"] and measure.measured_before("b") == {}
    (tmp_path / "containers.json").write_text(json.dumps(piece | {"covers": {"docker/site.Dockerfile": {"": "another"}}}))
    assert measure.measured_before("a") == {}


def test_every_part_tells_its_figures_and_an_image_of_other_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = measure.ContainerStage(tmp_path, measure.Podman(tmp_path), {}, ("site", "office"), 1)
    monkeypatch.setattr(stage, "begin", lambda: None)
    monkeypatch.setattr(measure, "canary", lambda *_: {})
    for one in (measure.image_contents, measure.bad_inputs):
        monkeypatch.setattr(one, "measure", lambda *_: {})
    monkeypatch.setattr(measure.containers_that_end, "measure", lambda _: iter([(n, {}) for n in measure.PARTS["ends"]]))
    told = [name for name, _ in measure.parts(stage, {}, list(measure.PARTS))]
    assert [*measure.PARTS["build"], *told] == [name for part in measure.PARTS.values() for name in part]
    said = f"fedhcc 1  code {code_digest()}"
    monkeypatch.setattr(stage.podman, "once", lambda *_: Ended(0, said, 1.0))
    assert measure.same_code(stage) == code_digest()
    said = "fedhcc 1  code 00"
    with pytest.raises(ValueError, match="other code"):
        measure.same_code(stage)


def test_images_are_built_where_they_are_missing_or_hold_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = measure.ContainerStage(tmp_path, measure.Podman(tmp_path), {}, ("site", "office"), 1)
    said = Ended(125, "Error: site: image not known", 0.1)
    monkeypatch.setattr(stage.podman, "once", lambda *_: said)
    monkeypatch.setattr(measure.build_images, "measure", lambda settings: {"settings": settings})
    assert measure.built(stage, ["build", "canary"], None) == {"build": {"settings": ["ENGINE=podman"]}}
    assert measure.built(stage, ["canary"], None) == {}
    said = Ended(0, f"fedhcc 1  code {code_digest()}", 1.0)
    assert measure.built(stage, ["build"], None) == {}
    assert measure.built(stage, ["build"], ["FRESH="]) == {"build": {"settings": ["ENGINE=podman", "FRESH="]}}


def test_every_part_begins_with_the_same_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = container_federation.ContainerStage(tmp_path, measure.Podman(tmp_path), {}, ("site", "office"), 1)
    made: list[int] = []

    def prepare() -> None:
        made.append(1)
        for name in (container_federation.COORDINATOR, *container_federation.SITES):
            stage.home(name).mkdir()
            (stage.home(name) / "study").write_text("locked")

    monkeypatch.setattr(stage, "_prepare", prepare)
    monkeypatch.setattr(stage, "end_all", lambda: None)
    monkeypatch.setattr(container_federation, "USER", os.getuid())
    monkeypatch.setattr(container_federation.os, "chown", lambda *_a, **_k: None)
    stage.begin()
    (stage.office / "study").write_text("over")
    stage.begin()
    assert made == [1] and (stage.office / "study").read_text() == "locked"
