"""`doctor` on both sides beside a real gateway and SuperLink: what is well is said to be, and each thing that is wrong is named."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client.cli import app as site_app
from client.doctor import hospital_questions
from client.program.flower_node import FleetNode
from client.program.rehearsal_times import declared_seconds
from server import hospital_register as enrol
from server import office_setup
from server.cli import app as office_app
from server.link.nginx_gateway import Gateway
from server.watch import office_questions as at_office
from simulations.engines.loopback_engine import loopback_address
from simulations.study.simulated_study import Options, make_cohort, ready
from simulations.study.site_folders import Homes
from site_config.console import invoke
from site_config.documents.read_yaml_documents import load_study
from site_config.health.doctor_finding import Checkup, DoctorFinding
from site_config.keys_and_signatures import SiteIdentity
from site_config.study.flower_app_bundle import bundle_hash
from site_config.study.plan_and_lock import StudyLock


class Place:
    """A tiny study's homes with a real gateway in front of a real SuperLink; no hospital's program runs."""

    def __init__(self, root: Path) -> None:
        self.homes = Homes(root)
        options = Options(root, preset="tiny", seed=7, workers=1, pooled=False)
        make_cohort(options, self.homes, lambda _event: None)
        self.lock: StudyLock = ready(options, self.homes, lambda _event: None)
        self.name = self.lock.names("development")[0]
        address, superlink = loopback_address()
        office_setup.readdress(self.homes.coordinator, address, listen=address, superlink_port=superlink)
        self.join()
        self.gateway = Gateway(self.homes.coordinator)

    @property
    def home(self) -> Path:
        return self.homes.site(self.name)

    @property
    def state(self) -> Path:
        return self.homes.config(self.name).state

    def join(self, kit: bytes | None = None) -> None:
        from client.keys_kit_and_decisions import join

        join(self.state, kit or enrol.kit(self.homes.coordinator, self.name).model_dump_json().encode())

    def examine(self, *, rehearse: bool = False) -> Checkup:
        return hospital_questions.examine(hospital_questions.Wish(self.home, rehearse=rehearse, when="2026-11-26 20:00"))

    def node(self) -> FleetNode:
        from client.keys_kit_and_decisions import load_kit

        return FleetNode(load_kit(self.state), SiteIdentity.load(self.state, self.name), bundle_hash())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    found = Place(tmp_path_factory.mktemp("doctor"))
    with found.gateway:
        yield found


def named(checkup: Checkup, name: str) -> list[DoctorFinding]:
    return [one for one in checkup.findings if one.name == name]


def test_a_hospital_that_is_well(place: Place) -> None:
    found = place.examine(rehearse=True)
    assert found.status < 2, [one for one in found.findings if one.state == "wrong"]
    for name in ("identity", "kit", "office", "certificate", "clock", "paths", "key in use", "versions", "tables", "masked vector"):
        assert [one.state for one in named(found, name)] == ["ok"], named(found, name)
    for name in ("training step", "checkpoint"):
        assert [one.state for one in named(found, name)] == ["ok"], named(found, name)
    assert named(found, "one patient")[0].state in ("ok", "look")
    assert declared_seconds(place.state) >= 1
    assert declared_seconds(place.state) & (declared_seconds(place.state) - 1) == 0, "a power of two"


def test_the_office_is_well_too(place: Place) -> None:
    found = at_office.examine(place.homes.coordinator)
    assert found.status < 2, [one for one in found.findings if one.state == "wrong"]
    for name in ("register", "keys", "gateway", "paths", "certificate", "checkpoint", f"study {place.lock.study_id[:8]}"):
        assert {one.state for one in named(found, name)} == {"ok"}, (name, named(found, name))


def test_the_commands_say_the_same_as_data_and_write_a_page(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for app, home in ((site_app, place.home), (office_app, place.homes.coordinator)):
        page = tmp_path / "page.html"
        status = invoke(app, ["doctor", "--home", str(home), "--quick", "--json", "--html", str(page)])
        data = json.loads(capsys.readouterr().out)
        assert status == data["status"] in (0, 1) and len(data["findings"]) > 10
        text = page.read_text()
        assert all(f'<th scope="row">{one["name"]}</th>' in text for one in data["findings"] if "'" not in one["name"])
        page.unlink()


def test_a_second_use_of_the_key_is_named(place: Place) -> None:
    other = place.node()
    other.activate()
    other.beat()
    found = named(place.examine(), "key in use")
    other.deactivate()
    other.close()
    assert [(one.state, one.code) for one in found] == [("wrong", "FH-713")]


def test_another_office_s_kit_and_a_struck_key(place: Place, tmp_path: Path) -> None:
    assert [(one.state, one.code) for one in named(_without_key(place), "key in use")] == [("wrong", "FH-712")]
    other = Place.__new__(Place)
    other.homes = place.homes
    foreign = tmp_path / "foreign"
    office_setup.init(foreign, "Another office", enrol.load(place.homes.coordinator).address)
    from site_config.health.gateway_probe import look_at_gateway

    checkup = Checkup("x")
    assert not look_at_gateway(checkup, enrol.load(foreign).address, (foreign / "tls" / "ca.pem").read_text(), None)
    assert [(one.state, one.code) for one in named(checkup, "certificate")] == [("wrong", "FH-714")]


def _without_key(place: Place) -> Checkup:
    """What is found while the office has struck this hospital; it is enrolled again afterwards."""
    request = SiteIdentity.load(place.state, place.name).request().model_dump_json().encode()
    enrol.revoke(place.homes.coordinator, place.name)
    time.sleep(1.5)  # the SuperLink looks at the register twice a second
    found = place.examine()
    enrol.enrol(place.homes.coordinator, request, replace=True)
    return found


def test_a_dead_proxy_and_a_port_that_is_shut(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}")
        found = hospital_questions.examine(hospital_questions.Wish(place.home.parent, address="office.example:443", rehearse=False))
    proxy = named(found, "proxy")
    assert [(one.state, one.code) for one in proxy] == [("wrong", "FH-724")] and "secret" not in str(found.findings)
    assert [one.state for one in named(found, "office")] == ["not asked"]
    monkeypatch.delenv("HTTPS_PROXY")
    found = hospital_questions.examine(hospital_questions.Wish(place.home.parent, address=f"127.0.0.1:{taken_port()}", rehearse=False))
    assert [(one.state, one.code) for one in named(found, "office")] == [("wrong", "FH-715")]


def taken_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


Change = Callable[[Path], object]


def _edit(file: str, old: str, new: str) -> Change:
    return lambda home: (home / file).write_text((home / file).read_text().replace(old, new, 1))


def _one_role(home: Path) -> None:
    text = (home / "site.yaml").read_text()
    changed = re.sub(r"(?m)^  role: .*$", "  role: evaluation", text)
    assert changed != text
    (home / "site.yaml").write_text(changed)


@pytest.mark.parametrize(
    ("change", "file", "name"),
    [
        (_edit("cohort.csv", "\n", "\nnot,a,row\n"), "cohort.csv", "tables"),
        (_one_role, "site.yaml", "policy"),
        (_edit("site.yaml", "site:", "sight:"), "site.yaml", "site.yaml"),
    ],
)
def test_what_is_wrong_in_a_document_is_named(place: Place, change: Change, file: str, name: str) -> None:
    before = (place.home / file).read_text()
    change(place.home)
    found = place.examine()
    (place.home / file).write_text(before)
    assert found.status == 2 and any(one.name.startswith(name) and one.state == "wrong" for one in found.findings), found.findings


def test_before_enrolment_an_office_can_be_asked(place: Place, tmp_path: Path) -> None:
    address = enrol.load(place.homes.coordinator).address
    found = hospital_questions.examine(hospital_questions.Wish(tmp_path, address=address))
    assert found.status == 1 and [one.state for one in named(found, "paths")] == ["ok"]
    assert "held against no kit" in named(found, "certificate")[0].words
    assert load_study(place.homes.cohort / "study.yaml").reads_scans and not list(tmp_path.iterdir())
