"""The image files agree with the code: what is copied exists, is let into the build, and is what a lock speaks for."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path, PurePosixPath

import pytest
import yaml

from client.compose_file import Mount, Wanted, text
from site_config.site_yaml import Compute, Paths, SiteConfig
from site_config.study.code_digest import SHARED_CODE
from tests.support import ROOT

DOCKER = ROOT / "docker"
CODE = {"site": {*SHARED_CODE}, "coordinator": {*SHARED_CODE, "server"}}
LOCKS = {"site": ("site", "site-cpu"), "coordinator": ("coordinator-cpu",)}
CODE_TAGS = {"site": "fedhcc-site:cpu", "coordinator": "fedhcc-coordinator:cpu"}
both = pytest.mark.parametrize("image", CODE)


def lines(image: str) -> list[str]:
    """The instructions of an image file, continuation lines joined, comments left out."""
    text = (DOCKER / f"{image}.Dockerfile").read_text()
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def copied(image: str) -> set[str]:
    """What the build takes from the checkout, for every lock the file can be built with."""
    found: set[str] = set()
    for line in lines(image):
        if line.startswith("COPY ") and "--from=" not in line:
            found.update(word.replace("${LOCK}", lock) for word in line.split()[1:-1] for lock in LOCKS[image])
    return found


def let_in(path: str) -> bool:
    """Whether .dockerignore, which begins by leaving everything out, lets a path into the build."""
    rules = [rule[1:] for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule.startswith("!")]
    return any(Path(path).match(rule) for rule in rules)


def pins(lock: str) -> set[tuple[str, str]]:
    """Name and version of every package of a lock; some names stand there once for each of several Pythons."""
    return set(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", (ROOT / "requirements" / f"{lock}.txt").read_text(), re.MULTILINE))


def example() -> str:
    """`docker/compose.site.yaml`: what the command writes for a hospital with a GPU and scans and models outside its folder."""
    site = SiteConfig(site="hospital-05", paths=Paths(images=Path("/scans")), compute=Compute(device="cuda"))
    mounts = (Mount("/path/of/the/scans", PurePosixPath("/scans")), Mount("/path/of/the/models", PurePosixPath("/models")))
    return text(site, Wanted("fedhcc-site@sha256:0000", "docker", mounts, proxy_secret="./proxy.secret"))


@both
def test_the_code_a_lock_speaks_for_and_no_other(image: str) -> None:
    packages = {name for name in copied(image) if (ROOT / name).is_dir()}
    assert packages == CODE[image]


@both
def test_everything_copied_exists_and_is_let_in(image: str) -> None:
    assert all((ROOT / name).exists() and let_in(name) for name in copied(image))


@both
def test_locked_non_root_reaped_and_asked_for_its_health(image: str) -> None:
    instructions = lines(image)
    assert any('--require-hashes "requirements/${LOCK}.txt"' in line for line in instructions)
    assert any(line.startswith("ENV ") and "UV_SYSTEM_CERTS=1" in line for line in instructions)  # a company's authority is believed
    assert [line for line in instructions if line.startswith("USER ")] == ["USER 10001:10001"]
    assert f'ENTRYPOINT ["/usr/bin/tini", "--", "fedhcc-{image}"]' in instructions
    check = next(line for line in instructions if line.startswith("HEALTHCHECK"))
    command = rf'CMD \["fedhcc-{image}", "status", "--healthy"\]'
    found = re.fullmatch(rf"HEALTHCHECK --interval=(\d+)s --timeout=\d+s --start-period=\d+s --retries=(\d+) {command}", check)
    assert found and int(found[1]) * int(found[2]) <= 60  # unhealthy within 90 s


@both
def test_two_stages_of_one_base_and_no_installer_in_the_last(image: str) -> None:
    instructions = lines(image)
    stages = [n for n, line in enumerate(instructions) if line.startswith("FROM ")]
    assert [instructions[n].split()[1] for n in stages] == ["${PYTHON_IMAGE}"] * 2
    last = "\n".join(instructions[stages[1] :])
    assert "pip install" not in last and "/usr/local/bin/pip*" in last and "build-essential" not in last and "gcc" not in last
    assert not any("://" in line for line in instructions), "an index address belongs to whoever builds"


@pytest.mark.parametrize("lock", ["site-cpu", "coordinator-cpu"])
def test_the_cpu_locks_hold_no_cuda_and_the_same_versions_besides(lock: str) -> None:
    found, full = pins(lock), pins(lock.removesuffix("-cpu"))
    assert not [name for name, _ in found if re.match(r"nvidia|cuda|triton|torchvision", name)]
    only_here = found - full
    assert {name for name, _ in only_here} == {"torch"} and next(iter(only_here))[1].endswith("+cpu")
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    blocks = [part for part in re.split(r"\n(?=[A-Za-z0-9])", text) if "==" in part]
    assert len(blocks) == len(found) and all("--hash=sha256:" in block for block in blocks)


@both
def test_compose_takes_every_right_away(image: str) -> None:
    service = yaml.safe_load((DOCKER / f"compose.{image}.yaml").read_text())["services"][image]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) >= 10000 and service["pids_limit"] and service["mem_limit"]
    assert service["environment"]["FEDHCC_RESTART_PAUSE"] == "60" and service["restart"] == "unless-stopped"
    assert ("ports" in service) == (image == "coordinator") and "build" not in service


@pytest.mark.parametrize("engine", ["docker", "podman", "/usr/bin/buildah", "podman --remote"])
def test_make_builds_both_from_unmodified_files(engine: str, tmp_path: Path) -> None:
    """Docker knows no word for the format and the others need it; a folder with PyTorch's wheel stands in for its own builds."""
    settings = [f"ENGINE={engine}", "BUILD_OPTIONS=--pull=never"]
    for wheels in ("", str(tmp_path)):
        command = ["make", "--no-print-directory", "--dry-run", "images", *settings, f"TORCH_WHEELS={wheels}"]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"MAKEFLAGS": ""}).stdout
        builds = [line for line in said.replace("\\\n", " ").splitlines() if " build " in line]
        assert len(builds) == 2 and all(line.startswith(f"{engine} build ") and "--pull=never" in line for line in builds)
        assert all(("--format docker" in line) == (engine != "docker") for line in builds)
        assert all(("UV_TORCH_BACKEND=cpu" in line) != (f"--volume {tmp_path}:/wheels:ro" in line) for line in builds)
        for image, tag in CODE_TAGS.items():
            assert any(f"-f docker/{image}.Dockerfile" in line and f"-t {tag} " in line for line in builds)
    assert "LOCK=site-cpu" in said and "ARG LOCK=coordinator-cpu" in (DOCKER / "coordinator.Dockerfile").read_text()


def test_the_example_is_what_the_command_writes() -> None:
    assert (DOCKER / "compose.site.yaml").read_text() == example()
