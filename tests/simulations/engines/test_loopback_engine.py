"""A real federation on this machine: gateway, SuperLink and site programs over TLS. Who gets in, what passes, what heals."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import numpy as np
import pytest

from client import keys_kit_and_decisions as at_site
from client.program.control_service import ControlClient
from server import hospital_register as at_office
from server import office_setup
from server.asking.incidents import Disturbances
from shared_model.secure_sum.federation_messages import Message
from simulations.engines.loopback_engine import Loopback, SiteProcess, loopback_address
from site_config.atomic_files import write_atomic
from site_config.keys_and_signatures import Kit
from site_config.study.flower_app_bundle import app_bundle

pytest.importorskip("grpc_health")
ECHO = str(Path(__file__).with_name("echo_site.py"))
ROOT = str(Path(__file__).resolve().parents[3])
NAMES = ("alpha", "beta")


def make_site(folder: Path, name: str) -> Path:
    home = folder / name
    home.mkdir(parents=True)
    write_atomic(home / "site.yaml", f"site: {name}\n".encode())
    at_site.init(home / "state", name)
    return home


def program(name: str, home: Path) -> SiteProcess:
    return SiteProcess(name, home, [sys.executable, ECHO, str(home)], {"PYTHONPATH": ROOT})


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    folder = tmp_path_factory.mktemp("loopback")
    address, superlink = loopback_address()
    office_setup.init(folder / "office", "Trial office", address, listen=address, superlink_port=superlink)
    homes = {}
    for name in NAMES:
        homes[name] = make_site(folder, name)
        request, _ = at_site.write_request(at_site.SiteIdentity.load(homes[name] / "state"), folder, "test")
        kit = at_office.enrol(folder / "office", request.model_dump_json().encode(), "development")
        at_site.join(homes[name] / "state", kit.model_dump_json().encode())
    found = Loopback(folder / "office", homes)
    for name, home in homes.items():
        found.sites[name] = program(name, home)
    with found:
        yield found


def kit_of(federation: Loopback, name: str) -> Kit:
    return at_site.load_kit(federation.sites[name].state)


def ask(federation: Loopback, method: str, path: str, ca: str | None = None) -> int:
    kit = kit_of(federation, "alpha")
    host, _, port = kit.address.rpartition(":")
    connection = HTTPSConnection(host, int(port), timeout=10, context=ssl.create_default_context(cadata=ca or kit.ca))
    try:
        connection.request(method, path, body=b"" if method == "POST" else None, headers={"content-type": "application/protobuf"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_messages_pass_and_secrets_stay_in_one_process(federation: Loopback) -> None:
    transport = federation.transport()
    small = {name: Message("status", {"n": 1}) for name in NAMES}
    first, second = transport.exchange(small, 60), transport.exchange(small, 60)
    assert not first.failures and {name: reply.body["home"] for name, reply in first.replies.items()} == {name: name for name in NAMES}
    assert {n: r.body["pid"] for n, r in first.replies.items()} == {n: r.body["pid"] for n, r in second.replies.items()}
    weights = np.random.default_rng(7).integers(0, 1 << 32, 2_000_000, dtype=np.uint32)
    large = transport.exchange({name: Message("release", {}, {"w": weights}, weights.nbytes) for name in NAMES}, 120)
    assert all(np.array_equal(reply.arrays["w"], weights) for reply in large.replies.values()) and len(large.replies) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/control/list-nodes"),
        ("POST", "/v1/control/register-node"),
        ("POST", "/v1/control/start-run"),
        ("POST", "/v1/runtime/acquire-task"),
        ("POST", "/v1/runtime/pull-messages"),
        ("POST", "/v1/fleet/register-node"),
        ("POST", "/v1/fleet/unregister-node"),
        ("POST", "/v1/fleet/../control/list-nodes"),
        ("POST", "/v1/fleet/%2e%2e/control/list-nodes"),
        ("POST", "//v1/control/list-nodes"),
        ("GET", "/v1/fleet/pull-messages"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/health"),
        ("GET", "/"),
    ],
)
def test_only_the_fleet_passes_the_gateway(federation: Loopback, method: str, path: str) -> None:
    assert ask(federation, method, path) in (403, 404)


def test_requests_without_a_key_are_refused(federation: Loopback) -> None:
    assert ask(federation, "POST", "/v1/fleet/pull-messages") == 401


def ends_with(process: SiteProcess, code: str, limit_s: float = 60.0) -> None:
    size = process.log.stat().st_size if process.log.exists() else 0
    process.start()
    assert process.process is not None
    try:
        status = process.process.wait(limit_s)
    finally:
        process.stop()
    assert status == 13 and code in process.log.read_text()[size:]


def test_an_unregistered_key_is_refused(federation: Loopback, tmp_path: Path) -> None:
    stranger = make_site(tmp_path, "gamma")
    identity = at_site.SiteIdentity.load(stranger / "state")
    at_site.join(
        stranger / "state",
        at_office.enrol(federation.coordinator, identity.request().model_dump_json().encode()).model_dump_json().encode(),
    )
    at_office.revoke(federation.coordinator, "gamma")
    ends_with(SiteProcess("gamma", stranger, [sys.executable, ECHO, str(stranger), "impatient"], {"PYTHONPATH": ROOT}), "FH-712")


def test_a_foreign_authority_is_refused(federation: Loopback, tmp_path: Path) -> None:
    stranger = make_site(tmp_path, "delta")
    office_setup.init(tmp_path / "foreign", "Elsewhere", kit_of(federation, "alpha").address)
    request = at_site.SiteIdentity.load(stranger / "state").request().model_dump_json().encode()
    at_site.join(stranger / "state", at_office.enrol(tmp_path / "foreign", request).model_dump_json().encode())
    ends_with(program("delta", stranger), "FH-714")


def test_a_bundle_that_is_not_allowed_executes_nothing(federation: Loopback) -> None:
    for name in NAMES:
        (federation.sites[name].home / "executed").unlink(missing_ok=True)
    transport = federation.transport(app_bundle("9.9.9"))
    done = transport.exchange({name: Message("status", {}) for name in NAMES}, 60)
    transport.close()
    assert {failure.code for failure in done.failures.values()} == {"FH-704"} and len(done.failures) == 2
    assert not any((federation.sites[name].home / "executed").exists() for name in NAMES)


def test_a_working_process_that_ends_is_told_and_replaced(federation: Loopback) -> None:
    transport = federation.transport()
    done = transport.exchange({"alpha": Message("status", {"die": True}), "beta": Message("status", {})}, 60)
    assert done.failures["alpha"].code == "FH-703" and set(done.replies) == {"beta"}
    assert set(transport.exchange({"alpha": Message("status", {})}, 60).replies) == {"alpha"}


def test_a_working_process_that_stands_still_is_named_by_its_site_s_heartbeat(federation: Loopback) -> None:
    """Within the patience of a site (10 s after three usual steps) and one second, on the office's terminal and the hospital's."""
    transport, said = federation.transport(), list[str]()
    worker = int(transport.exchange({"alpha": Message("status", {})}, 60).replies["alpha"].body["pid"])
    for _ in range(3):
        transport.exchange({"alpha": Message("status", {})}, 60)
    seen = Disturbances(federation.coordinator, said.append)
    asking = threading.Thread(target=transport.exchange, args=({"alpha": Message("status", {})}, 120))
    os.kill(worker, signal.SIGSTOP)
    asking.start()
    began = time.monotonic()
    while not said and time.monotonic() - began < 50:
        seen.look()
        time.sleep(0.2)
    with contextlib.suppress(ProcessLookupError):  # it may have been ended and replaced
        os.kill(worker, signal.SIGCONT)
    asking.join(60)
    assert said == ["the working process of alpha shows no sign of life: FH-759"] and seen.taken() == {"alpha": "FH-759"}
    assert time.monotonic() - began < 45, "before it is ended, and long before the deadline"
    control = ControlClient(federation.sites["alpha"].state)
    assert set(transport.exchange({"alpha": Message("status", {})}, 60).replies) == {"alpha"}
    assert control.call("Status").trouble == "", "it answers again"
    control.close()


def test_pause_holds_messages_and_resume_answers_them(federation: Loopback) -> None:
    control = ControlClient(federation.sites["beta"].state)
    transport = federation.transport()
    control.call("Pause")
    time.sleep(1.0)
    assert transport.exchange({"beta": Message("status", {})}, 3).failures["beta"].code == "FH-701"
    assert transport.sites()["beta"]
    control.call("Resume")
    assert set(transport.exchange({"beta": Message("status", {})}, 60).replies) == {"beta"}
    control.close()


def test_a_planned_pause_is_told_at_once(federation: Loopback) -> None:
    control = ControlClient(federation.sites["beta"].state)
    transport = federation.transport()
    until = int(time.time()) + 3600
    control.call("Pause", {"until": until})
    assert transport.exchange({"beta": Message("status", {})}, 60).replies["beta"].body == {"code": "FH-721", "until": until}
    control.call("Resume")
    assert "pid" in transport.exchange({"beta": Message("status", {})}, 60).replies["beta"].body
    control.close()


def test_one_program_a_folder(federation: Loopback) -> None:
    second = program("alpha", federation.sites["alpha"].home)
    size = second.log.stat().st_size
    second.start()
    assert second.process is not None and second.process.wait(60) == 12
    assert "FH-710" in second.log.read_text()[size:]


def test_the_superlink_is_killed_and_comes_back(federation: Loopback) -> None:
    transport = federation.transport()
    assert len(transport.exchange({name: Message("status", {}) for name in NAMES}, 60).replies) == 2
    federation.gateway.superlink.kill()
    federation.gateway.superlink.start()
    end = time.monotonic() + 90
    lost: set[str] = set()
    while time.monotonic() < end:
        done = transport.exchange({name: Message("status", {}) for name in NAMES}, 30)
        lost |= {failure.code for failure in done.failures.values()}
        if len(done.replies) == 2:
            break
        time.sleep(1.0)
    assert len(done.replies) == 2 and lost <= {"FH-706", "FH-702", "FH-701"}


def test_a_site_is_killed_and_comes_back(federation: Loopback) -> None:
    transport = federation.transport()
    federation.sites["alpha"].kill()
    began = time.monotonic()
    assert transport.exchange({"alpha": Message("status", {})}, 90).failures["alpha"].code == "FH-702"
    assert time.monotonic() - began < 60
    federation.sites["alpha"].start()
    federation.wait_registered(["alpha"])
    done = transport.exchange({"alpha": Message("status", {})}, 60)
    assert set(done.replies) == {"alpha"}, done.failures


def test_nobody_else_reads_the_state(federation: Loopback) -> None:
    for name in NAMES:
        for path in federation.sites[name].state.rglob("*"):
            if path.is_file() and path.name not in ("process.log", "site.log") and not path.name.startswith("site.log"):
                assert path.stat().st_mode & 0o077 == 0, path.name
    assert os.access(federation.coordinator, os.R_OK)
