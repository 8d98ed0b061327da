"""The coordinator's processes: what they are told, and what is said when they cannot start."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server import hospital_register as enrol
from server import office_setup
from server.link import child_process, nginx_gateway, superlink_program
from site_config.problems.base import Problem
from site_config.study.flower_app_bundle import app_bundle, bundle_hash


@pytest.fixture
def home(tmp_path: Path) -> Path:
    office_setup.init(tmp_path / "office", "Trial office", "127.0.0.1:9443", listen="127.0.0.1:9443", superlink_port=9444)
    return tmp_path / "office"


def test_only_one_prefix_is_forwarded(home: Path) -> None:
    text = nginx_gateway.nginx_configuration(home, enrol.load(home))
    assert text.count("proxy_pass") == 1 and "location / { return 403; }" in text
    assert "127.0.0.1:9444" in text and "listen 127.0.0.1:9443 ssl" in text and "client_max_body_size 16m" in text


def test_the_superlink_is_private_asks_for_keys_keeps_nothing_and_installs_nothing(home: Path) -> None:
    from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME

    words = superlink_program.words(home, enrol.load(home))
    for word in ("--host=127.0.0.1", "--enable-supernode-auth", "--disable-runtime-dependency-installation", "--isolation=process"):
        assert word in words
    assert f"--database={FLWR_IN_MEMORY_DB_NAME}" in words and "--insecure" not in words
    assert child_process.environment()["FLWR_TELEMETRY_ENABLED"] == "0"


def test_a_missing_nginx_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_a, **_k: None)
    with pytest.raises(Problem, match="FH-708") as found:
        nginx_gateway.nginx_program()
    assert "nginx-light" in found.value.fix


def test_a_taken_port_and_a_process_that_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        child = child_process.Child("thing", [sys.executable, "-c", "pass"], tmp_path / "log", taken.getsockname()[1], tmp_path)
        with pytest.raises(Problem, match="FH-707"):
            child.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = child_process.Child("thing", [sys.executable, "-c", "pass"], tmp_path / "log", port, tmp_path)
    with pytest.raises(Problem, match="FH-707"):
        child.start()
    assert not child.alive()


def test_the_bundle_is_a_constant_of_the_version() -> None:
    assert app_bundle("1.2.3") == app_bundle("1.2.3") and bundle_hash("1.2.3") != bundle_hash("1.2.4")


def test_flower_takes_the_bundle() -> None:
    from flwr.common.config import get_fab_config, get_metadata_from_config

    assert get_metadata_from_config(get_fab_config(app_bundle("1.2.3"))) == ("fedhcc/fedhcc", "1.2.3")


def test_a_log_that_became_long_is_put_aside_while_its_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "LOG_LIMIT", 1000)
    log = tmp_path / "thing.log"
    with log.open("ab") as out:  # as `start` gives it to the process
        writes = "import sys, time\nfor n in range(200): print('line', n, flush=True)\nsys.stdin.read()\nprint('last', flush=True)"
        writer = subprocess.Popen([sys.executable, "-c", writes], stdout=out, stdin=subprocess.PIPE)
    child = child_process.Child("thing", [], log, 0, tmp_path)
    while b"line 199" not in log.read_bytes():
        time.sleep(0.02)
    child.trim_log()
    assert log.stat().st_size == 0 and b"line 199" in (tmp_path / "thing.log.1").read_bytes()
    assert writer.stdin is not None
    writer.stdin.close()
    assert writer.wait(30) == 0 and log.read_bytes() == b"last\n", "it goes on at the new beginning"
    child.trim_log()
    assert log.read_bytes() == b"last\n"
