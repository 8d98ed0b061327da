"""The network team's page: everything on one sheet, nothing secret."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from client import keys_kit_and_decisions as at_site
from client.cli import app
from server import hospital_register as at_office
from server import office_setup
from site_config.console import invoke


@pytest.fixture
def home(tmp_path: Path) -> Path:
    office_setup.init(tmp_path / "office", "Trial office", "fed.example.org:8443")
    site = tmp_path / "alpha"
    site.mkdir()
    (site / "site.yaml").write_text("site: alpha\n")
    request = at_site.init(site / "state", "alpha").request()
    at_site.join(site / "state", at_office.enrol(tmp_path / "office", request.model_dump_json().encode()).model_dump_json().encode())
    return site


def test_everything_a_network_team_asks(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "firewall.html"
    assert invoke(app, ["firewall", "--home", str(home), "--html", str(page), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "fed.example.org" in found["destination"] and "8443" in found["destination"]
    ca = tmp_path / "office" / "tls" / "ca.pem"
    words = ["openssl", "x509", "-in", str(ca), "-noout", "-fingerprint", "-sha256"]
    openssl = subprocess.run(words, capture_output=True, text=True, check=True)
    assert openssl.stdout.strip().split("=")[1] in found["certificate"], "as openssl shows it"
    text = page.read_text()
    assert all(value.split("'")[0] in text for value in found.values() if "<" not in value)
    assert "http" not in text.lower().replace("https", "").replace("http/1.1", ""), "nothing is fetched"
    key = (home / "state" / "identity" / "signing_key.pem").read_text()
    assert key.splitlines()[1] not in text + str(found)


def test_before_there_is_a_kit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.yaml").write_text("site: alpha\n")
    at_site.init(tmp_path / "state", "alpha")
    assert invoke(app, ["firewall", "--home", str(tmp_path)]) == 13
    assert "FH-416" in capsys.readouterr().err
