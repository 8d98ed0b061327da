"""`fedhcc-site compose`: what the container may, what it sees, and that nothing of site.yaml is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from client.cli import app
from client.compose_file import Mount
from site_config.console import invoke
from site_config.problems.base import Problem


def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "site.yaml").write_text(text)
    return tmp_path


def write(tmp_path: Path, text: str, *words: str) -> tuple[int, dict]:
    home = folder(tmp_path, text)
    status = invoke(app, ["compose", "--home", str(home), *words])
    made = home / "compose.yaml"
    return status, yaml.safe_load(made.read_text())["services"]["site"] if made.exists() else {}


def test_no_right_of_its_own_and_no_port(tmp_path: Path) -> None:
    status, site = write(tmp_path, "site: h\n", "--image", "fedhcc-site@sha256:" + "0" * 64)
    assert status == 0 and site["read_only"] and site["cap_drop"] == ["ALL"] and site["security_opt"] == ["no-new-privileges:true"]
    assert int(site["user"].split(":")[0]) >= 10000 and "ports" not in site and "privileged" not in site and "deploy" not in site
    assert site["volumes"] == [".:/site:ro", "./state:/site/state"]
    assert {"mem_limit", "pids_limit", "shm_size", "restart"} <= set(site)


def test_one_gpu_where_site_yaml_asks_for_it_in_either_engines_words(tmp_path: Path) -> None:
    asked = "site: h\ncompute: {device: cuda}\n"
    _, docker = write(tmp_path, asked)
    assert docker["deploy"]["resources"]["reservations"]["devices"] == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    _, podman = write(tmp_path, asked, "--engine", "podman", "--gpu")
    assert podman["devices"] == ["nvidia.com/gpu=0"] and "deploy" not in podman


def test_each_engine_is_called_by_its_own_name_and_starts_it_after_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for engine, called, restart in (("docker", "docker compose", "unless-stopped"), ("podman", "podman-compose", "always")):
        home = tmp_path / engine
        home.mkdir()
        _, site = write(home, "site: h\n", "--engine", engine)
        assert site["restart"] == restart
        said = capsys.readouterr()
        assert f"in this folder: {called} up -d" in said.out + said.err
        assert f"`{called} up -d` starts it" in next(home.rglob("compose.yaml")).read_text()


def test_a_gpu_is_never_asked_for_on_one_side_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, made = write(tmp_path, "site: h\n", "--gpu")
    assert status == 12 and made == {} and "FH-605" in capsys.readouterr().err


def test_every_path_the_container_would_not_see_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "site: h\npaths: {images: /pacs/ct, cohort: ../cohort.csv, state: /var/state}\n"
    status, made = write(tmp_path, text)
    err = capsys.readouterr().err
    assert status == 10 and made == {}
    for what in ("/pacs/ct lies outside /site", "../cohort.csv lies outside /site", "/var/state: the state folder"):
        assert f"FH-919 {what}" in err
    assert "`fedhcc-site compose --mount /pacs/ct=/data --home" in err and "3 problems" in err
    said = err.replace(str(tmp_path / "site.yaml"), "").replace(f"--home {tmp_path}", "")  # what the person gave stands in the fix
    assert str(tmp_path) not in said


def test_scans_and_models_besides_the_folder_are_mounted_read_only(tmp_path: Path) -> None:
    text = "site: h\npaths: {images: /scans/ct}\nsegmentation: {models: {liver: {folder: /models/liver, sha256: {}}}}\n"
    status, site = write(tmp_path, text, "--mount", "/pacs/export=/scans", "--mount", "/srv/models=/models")
    assert status == 0 and site["volumes"][2:] == ["/pacs/export:/scans:ro", "/srv/models:/models:ro"]


def test_secrets_are_files_and_stand_nowhere_else(tmp_path: Path) -> None:
    home = folder(tmp_path, "site: h\n")
    assert invoke(app, ["compose", "--home", str(home), "--proxy-secret", "./proxy.txt", "--extra-ca", "./ca.pem"]) == 0
    made = yaml.safe_load((home / "compose.yaml").read_text())
    assert made["secrets"] == {"proxy": {"file": "./proxy.txt"}, "extra_ca": {"file": "./ca.pem"}}
    site = made["services"]["site"]
    assert site["secrets"] == ["extra_ca", "proxy"] and site["environment"]["FEDHCC_PROXY_FILE"] == "/run/secrets/proxy"


@pytest.mark.parametrize("text", ["/pacs", "/pacs=scans", "=/scans", "/pacs=/site", "/pacs=/site/x", "/pacs=/a/../site", "/p:acs=/scans"])
def test_mounts_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(Problem, match="FH-902"):
        Mount.parse(text)
