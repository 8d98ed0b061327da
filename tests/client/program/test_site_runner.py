"""The hospital's program without a network: what it does with messages, refusals, cuts and its folder."""

from __future__ import annotations

import datetime as dt
import logging
import os
import ssl
import tempfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from client import keys_kit_and_decisions as at_site
from client.program import site_runner
from client.program.flower_node import Delivery, FleetNode, Interrupted, NodeNumber
from client.program.hospital_log import log_to_file
from client.program.resident_worker import GPU_LOST_STATUS, WorkerEnded
from client.program.site_runner import SiteProgram, Waiting, clock_offset_s, sole_user
from server import hospital_register as at_office
from server import office_setup
from server.link.certificate_authority import create_authority, issue
from shared_model.secure_sum.federation_messages import Message
from site_config.problems import federation, model
from site_config.problems.base import Kind, Problem
from site_config.site_yaml import SiteConfig


@pytest.fixture
def program(tmp_path: Path) -> SiteProgram:
    office_setup.init(tmp_path / "office", "Trial office", "127.0.0.1:1")
    site = SiteConfig(site="alpha", home=tmp_path / "alpha")
    identity = at_site.init(site.state, "alpha")
    at_site.join(site.state, at_office.enrol(tmp_path / "office", identity.request().model_dump_json().encode()).model_dump_json().encode())
    time = [0.0]

    def clock() -> float:
        time[0] += 1.0
        return time[0]

    return SiteProgram(site, waiting=Waiting(clock=clock))


class Node:
    """A node whose calls follow a script of values and errors."""

    def __init__(self, program: SiteProgram, **script: list[Any]) -> None:
        self._program, self._script, self.said = program, script, list[tuple[str, Any]]()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.said.append((name, named or arguments))
            steps = self._script.get(name, [])
            step = steps.pop(0) if steps else None
            if not steps and name in self._script:
                self._program.stop()
            if isinstance(step, Exception):
                raise step
            return step

        return call


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_runner, "BACKOFF_S", (0.0,))


def cut() -> Interrupted:
    return Interrupted(federation.GATEWAY_UNREACHABLE, "ConnectError")


def test_it_waits_for_the_coordinator(program: SiteProgram) -> None:
    node = Node(program, activate=[cut(), cut(), None])
    program._connect(node)  # type: ignore[arg-type]
    assert program.board.status.connection == "registered" and len(node.said) == 3


def test_the_terminal_says_once_why_it_is_not_connected_and_that_it_is_again(
    program: SiteProgram, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = Interrupted(federation.PROXY_SILENT, "http://proxy:3128: no answer within 5 s")
    program._connect(Node(program, activate=[cut(), cut(), silent, silent, None]))  # type: ignore[arg-type]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3 and said[0].startswith("not connected yet: FH-715") and said[2].startswith("registered")
    assert "FH-724" in said[1] and "proxy:3128" in said[1] and "`fedhcc-site doctor`" in said[1]


def test_a_second_program_is_told_who_runs(tmp_path: Path) -> None:
    with sole_user(tmp_path), pytest.raises(Problem, match="FH-710") as caught, sole_user(tmp_path):
        raise AssertionError("let in")
    assert f"process {os.getpid()}, since 20" in caught.value.what and f"`kill {os.getpid()}`" in caught.value.fix


def test_it_gives_up_on_a_key_that_stays_refused(program: SiteProgram) -> None:
    node = Node(program, activate=[Interrupted(federation.NODE_ACTIVE, "HTTP 412") for _ in range(200)])
    with pytest.raises(Problem, match="FH-713"):
        program._connect(node)  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "kind"), [(401, "FH-712"), (412, "FH-713"), (503, "FH-715")])
def test_a_key_that_is_refused_at_once_is_no_key_in_use(status: int, kind: str) -> None:
    import httpx

    from client.program.flower_node import _activation_problem

    request = httpx.Request("POST", "https://office/v1/fleet/activate-node")
    found = _activation_problem(httpx.HTTPStatusError("refused", request=request, response=httpx.Response(status, request=request)))
    assert isinstance(found, Problem | Interrupted) and found.kind.label == kind
    assert isinstance(found, Problem) == (status == 401), "a wrong clock does not mend by waiting"


def test_a_refusal_is_explained_by_the_clock(program: SiteProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = federation.NODE_REFUSED.problem("refused")
    monkeypatch.setattr(site_runner, "clock_offset_s", lambda *_: 600.0)
    assert program._explained(refusal).kind == federation.CLOCK_SKEW
    monkeypatch.setattr(site_runner, "clock_offset_s", lambda *_: 2.0)
    assert program._explained(refusal).kind == federation.NODE_REFUSED
    assert program.board.status.problem == "FH-712"


@pytest.mark.parametrize(("offset", "told"), [(400 * 86_400.0, "400 days ahead of"), (2.0, None)])
def test_an_expired_certificate_is_the_clock_where_the_clock_is_wrong(
    program: SiteProgram, monkeypatch: pytest.MonkeyPatch, offset: float, told: str | None
) -> None:
    expired = federation.CERTIFICATE_EXPIRED.problem("expired")
    monkeypatch.setattr(site_runner, "clock_offset_s", lambda *_: offset)
    monkeypatch.setattr(program._over, "wait", lambda _seconds=None: False)
    node = Node(program, activate=[expired, None])
    if told:
        with pytest.raises(Problem, match=f"FH-711.*{told}"):
            program._connect(node)  # type: ignore[arg-type]
    else:
        program._connect(node)  # type: ignore[arg-type]
        assert [name for name, _ in node.said] == ["activate", "activate"], "waited for: the office mends it"


@pytest.mark.parametrize(
    ("kind", "first"), [(federation.NODE_ACTIVE, "a copy of this folder"), (federation.PROXY_SILENT, "Correct HTTPS_PROXY")]
)
def test_the_hospitals_screen_says_what_to_look_at_first(
    program: SiteProgram, capsys: pytest.CaptureFixture[str], kind: Kind, first: str
) -> None:
    program._connect(Node(program, activate=[Interrupted(kind, "so"), None]))  # type: ignore[arg-type]
    assert first in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("began", [-800, 400])
def test_the_time_is_told_by_a_certificate_of_another_time(tmp_path: Path, began: int) -> None:
    now = dt.datetime.now(dt.UTC)
    create_authority(tmp_path, "x", now - dt.timedelta(days=900))
    issue(tmp_path, "gateway", ("127.0.0.1",), now + dt.timedelta(days=began))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "gateway.pem", tmp_path / "gateway.key")
    server = HTTPServer(("127.0.0.1", 0), Dated)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        place = f"127.0.0.1:{server.server_port}"
        offset = clock_offset_s(place, (tmp_path / "ca.pem").read_text())
        assert offset is not None and abs(offset) < 60
        assert clock_offset_s(place, _authority()) is None, "of another authority nothing is believed"
    finally:
        server.shutdown()
        server.server_close()


class Dated(BaseHTTPRequestHandler):
    """Answers with nothing but a date."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def test_a_coordinator_that_does_not_answer_tells_no_time() -> None:
    assert clock_offset_s("127.0.0.1:1", _authority()) is None


def _authority() -> str:
    with tempfile.TemporaryDirectory() as folder:
        create_authority(Path(folder), "x", dt.datetime.now(dt.UTC))
        return (Path(folder) / "ca.pem").read_text()


def test_an_interrupted_reply_is_sent_again(program: SiteProgram) -> None:
    node = Node(program, reply=[cut(), cut(), None])
    program._send(node, object())  # type: ignore[arg-type]
    assert [name for name, _ in node.said] == ["reply", "reply", "reply"]


def test_a_reply_nobody_waits_for_is_dropped(program: SiteProgram) -> None:
    node = Node(program, reply=[Interrupted(federation.LINK_LOST, "HTTP 403"), None])
    program._send(node, object())  # type: ignore[arg-type]
    assert len(node.said) == 1


def test_a_bundle_that_is_not_allowed_reaches_no_worker(program: SiteProgram) -> None:
    class Never:
        def handle(self, _message: object) -> None:
            raise AssertionError("the working process was asked")

    from client.program.flower_node import Delivery

    program._worker = Never()  # type: ignore[assignment]
    node = Node(program, reply=[None])
    program._answer(node, Delivery(object(), False))  # type: ignore[arg-type]
    assert [name for name, _ in node.said] == ["refuse_bundle", "reply"]
    assert program.board.status.refused == 1 and program.board.status.problem == "FH-704"


def test_a_planned_pause_is_told_and_asks_nobody(program: SiteProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    from client.program.flower_node import Delivery
    from shared_model.secure_sum.federation_messages import Message

    monkeypatch.setattr(site_runner, "answer", lambda flower, handle: handle(flower))
    program._worker = object()  # type: ignore[assignment]
    node = Node(program, reply=[None])
    sent: list[object] = []
    monkeypatch.setattr(program, "_send", lambda _node, reply: sent.append(reply))
    program._answer(node, Delivery(object(), True), 1_795_500_000.7)  # type: ignore[arg-type]
    assert sent == [Message("refusal", {"code": "FH-721", "until": 1_795_500_000})]
    assert program.board.status.answered == 0


def test_a_crash_is_told(program: SiteProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    from client.program.flower_node import Delivery

    def ended(*_: object) -> None:
        raise WorkerEnded("status -9")

    monkeypatch.setattr(site_runner, "answer", ended)
    node = Node(program, reply=[None])
    program._answer(node, Delivery(object(), True))  # type: ignore[arg-type]
    assert [name for name, _ in node.said] == ["crashed", "reply"] and program.board.status.problem == "FH-703"


def test_one_program_a_folder(tmp_path: Path) -> None:
    with sole_user(tmp_path), pytest.raises(Problem, match="FH-710"), sole_user(tmp_path):
        pass
    with sole_user(tmp_path):
        pass


def test_the_log_stays_in_the_state_folder(tmp_path: Path) -> None:
    path = log_to_file(tmp_path, "info", 2)
    logging.getLogger("fedhcc.site").info("hello")
    assert "hello" in path.read_text() and path.is_relative_to(tmp_path)
    logging.getLogger("fedhcc").handlers.clear()


def test_asked_to_end_it_gives_up_a_long_computation_and_sends_nothing(program: SiteProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()

    class Busy:
        def abandon(self) -> None:
            given_up.set()

        def handle(self, _message: object) -> None:
            assert given_up.wait(10)
            raise WorkerEnded(-9)

    monkeypatch.setattr(site_runner, "GRACE_S", 0.05)
    monkeypatch.setattr(site_runner, "answer", lambda _flower, handle: handle(Message("status", {})))
    program._worker = Busy()  # type: ignore[assignment]
    hurry = threading.Thread(target=program._hurry, daemon=True)
    hurry.start()
    threading.Timer(0.05, program.stop).start()
    node = Node(program)
    program._answer(node, Delivery(object(), True))  # type: ignore[arg-type]
    hurry.join(5)
    assert node.said == [] and given_up.is_set() and site_runner.GRACE_S < 10


def test_a_program_that_ended_in_time_gives_nothing_up(program: SiteProgram) -> None:
    program._worker = object()  # type: ignore[assignment]
    program.stop()
    program._ended.set()
    program._hurry()


def test_a_gpu_that_failed_under_the_working_process_is_named(program: SiteProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost:
        def handle(self, _message: object) -> None:
            raise WorkerEnded(GPU_LOST_STATUS)

    monkeypatch.setattr(site_runner, "answer", lambda _flower, handle: handle(Message("status", {})))
    program._worker = Lost()  # type: ignore[assignment]
    node = Node(program)
    program._answer(node, Delivery(object(), True))  # type: ignore[arg-type]
    assert program.board.status.problem == "FH-616" and [name for name, _ in node.said] == ["crashed", "reply"]
    program._lose_gpu(model.GPU_LOST.problem("gone"))
    assert program._over.is_set() and program._gpu_lost is not None


def test_a_goodbye_that_comes_after_the_end_is_silent(program: SiteProgram) -> None:
    node = FleetNode(program.kit, program.identity, "bundle")
    node._node = NodeNumber(node_id=7)
    node.close()
    node.deactivate()
    assert node.node_id == 0
