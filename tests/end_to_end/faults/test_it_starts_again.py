"""What passes by itself ends nothing, and what stands still is named: real TLS, a real proxy, real processes."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from client import keys_kit_and_decisions as at_site
from client.program import resident_worker, site_runner
from client.program.flower_node import FleetNode, Interrupted
from client.program.resident_worker import Worker, WorkerFrozen
from client.program.site_runner import SiteProgram, Waiting
from server import certificate_renewal, office_setup
from server import hospital_register as at_office
from server.link import certificate_authority
from server.study.resume_state import StudyFolder
from shared_model.flower.flower_connection import Connection, proxy_for
from shared_model.flower.several_calls import FLEET_PATH, join_replies, split_calls
from shared_model.secure_sum.federation_messages import Message
from site_config.keys_and_signatures import SiteIdentity
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.site_yaml import SiteConfig

NAME = "office.example"


class Listener(ABC):
    """A server of this machine with a thread a connection, until it is closed; `asked` is what it was asked for."""

    def __init__(self, port: int = 0) -> None:
        self.asked = list[str]()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @abstractmethod
    def _serve(self, near: socket.socket) -> None:
        """Answer one connection."""

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()


class Answering(Listener):
    """A TLS server that answers every list of calls with empty replies, under a certificate of an office."""

    def __init__(self, tls: Path, port: int = 0) -> None:
        self.tls = tls
        super().__init__(port)

    def _serve(self, near: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.tls / "gateway.pem", self.tls / "gateway.key")
        with contextlib.suppress(OSError), context.wrap_socket(near, server_side=True) as line:
            data = b""
            while b"\r\n\r\n" not in data:
                data += line.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(int(one.split(b":")[1]) for one in head.lower().split(b"\r\n") if one.startswith(b"content-length"))
            while len(body) < length:
                body += line.recv(65536)
            calls = split_calls(body)
            self.asked += [name for name, _ in calls]
            answer = join_replies([(200, b"") for _ in calls])
            line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


class Proxy(Listener):
    """A proxy that knows CONNECT: it takes every name for this machine's server, and notes what it was asked for."""

    def __init__(self, target: int) -> None:
        self._target = target
        super().__init__()
        self.address = f"http://127.0.0.1:{self.port}"

    def _serve(self, near: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(4096)
        self.asked.append(head.split(b"\r\n")[0].decode())
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        far = socket.create_connection(("127.0.0.1", self._target))
        threading.Thread(target=_pump, args=(far, near), daemon=True).start()
        _pump(near, far)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    now = dt.datetime.now(dt.UTC)
    certificate_authority.create_authority(tmp_path / "tls", "x", now - dt.timedelta(days=500))
    certificate_authority.issue(tmp_path / "tls", "gateway", (NAME, "127.0.0.1"), now)
    return tmp_path / "tls"


@pytest.fixture
def server(tls: Path) -> Iterator[Answering]:
    found = Answering(tls)
    yield found
    found.close()


def connection(address: str, tls: Path) -> Any:
    return Connection.from_server_address(address, False, (tls / "ca.pem").read_bytes(), [])


def test_a_proxy_is_used_by_connect_and_sees_no_content(server: Answering, tls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy(server.port)
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy.address)
    assert connection(f"{NAME}:8443", tls).ask(FLEET_PATH, [("get-run", b"x")]) == [b""]
    assert proxy.asked == [f"CONNECT {NAME}:8443 HTTP/1.1"] and server.asked == ["get-run"]
    assert connection(f"127.0.0.1:{server.port}", tls).ask(FLEET_PATH, [("get-run", b"x")]) == [b""]
    assert len(proxy.asked) == 1, "a call to this machine takes no proxy, NO_PROXY or not"
    proxy.close()


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("https://office.example:443", "", "http://proxy:3128"),
        ("https://office.example:443", "other.example", "http://proxy:3128"),
        ("https://office.example:443", "office.example", None),
        ("https://office.example:443", ".example", None),
        ("https://office.example:443", "*", None),
        ("https://127.0.0.1:8000", "", None),
        ("https://localhost:8000", "", None),
        ("https://[::1]:8000", "", None),
    ],
)
def test_who_takes_the_proxy(url: str, no_proxy: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(url) == expected


def test_an_ipv6_address_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"FH-902.*IPv6"):
        office_setup.init(tmp_path / "office", "Trial office", "[::1]:9443")
    assert not (tmp_path / "office").exists()


def test_certificates_are_announced_renewed_and_kits_stay_valid(tmp_path: Path) -> None:
    office, now = tmp_path / "office", dt.datetime.now(dt.UTC)
    office_setup.init(office, "Trial office", "127.0.0.1:9443", now - dt.timedelta(days=345))
    ca = (office / "tls" / "ca.pem").read_bytes()
    assert "gateway's certificate ends on" in certificate_renewal.expiry_words(office)
    assert not certificate_renewal.renew_in_time(office), "52 days are left"
    later = now + dt.timedelta(days=40)
    assert certificate_renewal.renew_in_time(office, later) and certificate_renewal.expiry_words(office, later) == ""
    assert (office / "tls" / "ca.pem").read_bytes() == ca
    ended = now + dt.timedelta(days=40 + certificate_authority.SERVER_DAYS)
    assert "ended on" in certificate_renewal.expiry_words(office, ended)
    assert "new kits" in certificate_renewal.expiry_words(office, now + dt.timedelta(days=certificate_authority.CA_DAYS - 365))


def site_of(tmp_path: Path, address: str) -> tuple[SiteConfig, Path]:
    office = tmp_path / "office"
    office_setup.init(office, "Trial office", address)
    site = SiteConfig(site="alpha", home=tmp_path / "alpha")
    identity = at_site.init(site.state, "alpha")
    kit = at_office.enrol(office, identity.request().model_dump_json().encode())
    at_site.join(site.state, kit.model_dump_json().encode())
    return site, office


def node_of(site: SiteConfig) -> FleetNode:
    return FleetNode(at_site.load_kit(site.state), SiteIdentity.load(site.state, "alpha"), "bundle")


@pytest.mark.parametrize(("issued_days_ago", "kind"), [(500, "FH-760"), (-10, "FH-711")])
def test_an_expired_certificate_is_named_and_one_of_tomorrow_is_the_clock(tmp_path: Path, issued_days_ago: int, kind: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    site, office = site_of(tmp_path, f"127.0.0.1:{port}")
    certificate_renewal.renew_certificates(office, f"127.0.0.1:{port}", dt.datetime.now(dt.UTC) - dt.timedelta(days=issued_days_ago))
    server = Answering(office / "tls", port)
    with pytest.raises(Problem, match=kind):
        node_of(site).activate()
    server.close()


class Node:
    """A node whose questions end as a script says."""

    def __init__(self, program: SiteProgram, script: list[Exception | None]) -> None:
        self._program, self._script = program, script

    def receive(self) -> None:
        step = self._script.pop(0)
        if not self._script:
            self._program.stop()
        if step is not None:
            raise step


@pytest.mark.parametrize("kind", [federation.GATEWAY_UNTRUSTED, federation.NODE_REFUSED, federation.CERTIFICATE_EXPIRED])
def test_what_somebody_else_mends_is_waited_for(tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_runner, "PATIENT_S", (0.0,))
    monkeypatch.setattr(site_runner, "clock_offset_s", lambda *_: 0.0)
    site, _ = site_of(tmp_path, "127.0.0.1:1")
    program = SiteProgram(site, waiting=Waiting(clock=time.monotonic))
    program._serve(Node(program, [kind.problem("for a minute")] * 3 + [Interrupted(federation.LINK_LOST, "x"), None]))  # type: ignore[arg-type]
    program._heard(None)
    assert program.board.status.connection == "registered" and program.board.status.trouble == ""


def test_a_wrong_clock_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_runner, "clock_offset_s", lambda *_: 900.0)
    site, _ = site_of(tmp_path, "127.0.0.1:1")
    program = SiteProgram(site)
    with pytest.raises(Problem, match="FH-711"):
        program._serve(Node(program, [federation.NODE_REFUSED.problem("401"), None]))  # type: ignore[arg-type]


class Slow:
    """An agent that answers, and takes as long as it is asked to."""

    def __init__(self, home: Path) -> None:
        self.trouble = ""

    def handle(self, message: Message) -> Message:
        time.sleep(float(message.body.get("seconds", 0)))
        self.trouble = str(message.body.get("trouble", ""))
        return Message("status", {"pid": os.getpid()})


def slow(home: Path) -> Callable[[Message], Message]:
    return Slow(home).handle


def full(home: Path) -> Callable[[Message], Message]:
    raise OSError(28, "No space left on device")


def test_a_working_process_that_stands_still_is_ended_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident_worker, "FROZEN_S", 3.0)
    agent = Worker(tmp_path, slow)
    first = agent.handle(Message("status", {"seconds": 4.0})).body["pid"]
    assert isinstance(first, int), "working for long is not standing still"
    threading.Timer(0.5, os.kill, (first, signal.SIGSTOP)).start()
    began = time.monotonic()
    with pytest.raises(WorkerFrozen):
        agent.handle(Message("status", {"seconds": 60}))
    assert time.monotonic() - began < 55, "before its 60 seconds are over"
    assert agent.handle(Message("status", {"trouble": "FH-605 no GPU"})).body["pid"] != first
    assert agent.trouble == "FH-605 no GPU"
    agent.stop()


def test_a_full_disk_at_the_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="FH-914"):
        Worker(tmp_path, full).start()


def test_the_canary_and_the_study_and_a_restored_office_never_go_back(tmp_path: Path) -> None:
    study, canary = StudyFolder(tmp_path / "s" / "run"), StudyFolder(tmp_path / "s" / "canary")
    found = [study.next_epoch(100.0), study.next_epoch(100.0), canary.next_epoch(90.0), study.next_epoch(100.0), canary.next_epoch(100.0)]
    assert found == sorted(set(found))
    (study.root / "epoch.json").write_text('{"epoch": 3}')
    (canary.root / "epoch.json").unlink()
    assert study.next_epoch() > 1_700_000_000
