"""Proxy, further certificate authority, pause before the end: what the compose file declares about the hospital's network."""

from __future__ import annotations

import datetime as dt
import threading
import time
from pathlib import Path

import pytest

from client.cli import app
from client.program.environment_variables import extra_ca, use_proxy
from server.link.certificate_authority import create_authority
from site_config.console import invoke
from site_config.problems import host
from site_config.problems.base import Problem
from site_config.restarts import end_with


def test_the_proxy_comes_out_of_its_secret(tmp_path: Path) -> None:
    secret = tmp_path / "proxy"
    address = "http://" + ":".join(("anna", "word")) + "@proxy:8080"
    secret.write_text(address + "\n")
    environment = {"FEDHCC_PROXY_FILE": str(secret)}
    use_proxy(environment)
    assert environment["HTTPS_PROXY"] == address
    use_proxy(untouched := {})
    assert untouched == {}


@pytest.mark.parametrize(("content", "code"), [(None, "FH-910"), ("proxy:8080", "FH-902"), ("http://a http://b", "FH-902")])
def test_a_secret_that_is_missing_or_none_is_numbered_and_not_repeated(tmp_path: Path, content: str | None, code: str) -> None:
    secret = tmp_path / "proxy"
    if content is not None:
        secret.write_text(content)
    with pytest.raises(Problem) as found:
        use_proxy({"FEDHCC_PROXY_FILE": str(secret)})
    assert found.value.code == code and (content is None or content not in str(found.value.as_dict()))


def test_a_further_authority_is_pem_or_refused(tmp_path: Path) -> None:
    assert extra_ca({}) == ""
    create_authority(tmp_path, "Hospital firewall", dt.datetime.now(dt.UTC))
    made = next(path for path in tmp_path.iterdir() if b"BEGIN CERTIFICATE" in path.read_bytes())
    assert extra_ca({"FEDHCC_EXTRA_CA": str(made)}).strip() == made.read_text().strip()
    (tmp_path / "ca.pem").write_bytes(b"not a certificate")
    with pytest.raises(Problem, match="FH-714"):
        extra_ca({"FEDHCC_EXTRA_CA": str(tmp_path / "ca.pem")})


def test_a_fault_at_the_start_is_told_at_once_and_ends_after_the_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDHCC_RESTART_PAUSE", "1")
    started = time.monotonic()
    assert invoke(app, ["run", "--home", str(tmp_path)]) == 12
    assert time.monotonic() - started >= 1
    assert capsys.readouterr().err.splitlines()[-1] == "  more: fedhcc-site problem FH-910"


def test_asked_to_end_it_does_not_wait() -> None:
    over = threading.Event()
    over.set()
    started = time.monotonic()
    for declared, event in (("600", over), ("soon", threading.Event())):
        assert end_with(host.FILE_MISSING.problem("x"), {"FEDHCC_RESTART_PAUSE": declared}, event).exit_code == 12
    assert time.monotonic() - started < 300, "not the 600 seconds"
