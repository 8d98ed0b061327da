"""The image files agree with the code: what is copied exists, is let into the build, and is what a lock speaks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from site_config.study.code_digest import SHARED_CODE
from tests.support import ROOT

DOCKER = ROOT / "docker"
CODE = {"site": {*SHARED_CODE}, "coordinator": {*SHARED_CODE, "server"}}
both = pytest.mark.parametrize("image", CODE)


def lines(image: str) -> list[str]:
    """The instructions of an image file, continuation lines joined, comments left out."""
    text = (DOCKER / f"{image}.Dockerfile").read_text()
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def copied(image: str) -> set[str]:
    """What the build takes from the checkout."""
    found: set[str] = set()
    for line in lines(image):
        if line.startswith("COPY ") and "--from=" not in line:
            found.update(line.split()[1:-1])
    return found


def let_in(path: str) -> bool:
    """Whether .dockerignore, which begins by leaving everything out, lets a path into the build."""
    rules = [rule[1:] for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule.startswith("!")]
    return any(Path(path).match(rule) for rule in rules)


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
    assert any(f"--require-hashes -r requirements/{image}.txt" in line for line in instructions)
    assert [line for line in instructions if line.startswith("USER ")] == ["USER 10001:10001"]
    assert f'ENTRYPOINT ["/usr/bin/tini", "--", "fedhcc-{image}"]' in instructions
    assert any(re.fullmatch(rf'HEALTHCHECK .* CMD \["fedhcc-{image}", "status", "--healthy"\]', line) for line in instructions)


@both
def test_compose_takes_every_right_away(image: str) -> None:
    service = yaml.safe_load((DOCKER / f"compose.{image}.yaml").read_text())["services"][image]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"]["dockerfile"] == f"docker/{image}.Dockerfile"
    assert ("ports" in service) == (image == "coordinator")
