"""The laboratory of containers, without an engine: rights are translated whole, rules are read, changes are put back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from client.compose_file import Mount, Wanted, compose
from evidence.containers.bad_inputs import changed, mode, set_field
from evidence.containers.network_namespaces import RULES, read_counters
from evidence.containers.podman import Ended, until, words
from site_config.site_yaml import Compute, SiteConfig
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
