"""Findings as an exit status, a table and a page; what is asked of every machine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import httpx
import pytest

from site_config.health import gateway_probe, machine_questions
from site_config.health.doctor_finding import Checkup, DoctorFinding
from site_config.problems import host
from site_config.problems.base import together


def test_the_status_is_that_of_the_worst_answer() -> None:
    checkup = Checkup("doctor")
    assert checkup.ask("one", lambda: "well") and checkup.status == 0
    checkup.leave_out(("two",), "not now")
    assert checkup.status == 0
    assert checkup.ask("three", lambda: DoctorFinding("three", "look", "little disk", "free some")) and checkup.status == 1

    def broken() -> str:
        raise together([host.DISK_FULL.problem("a disk is full"), host.CANNOT_WRITE.problem("a file <b>cannot</b> be written")])

    assert not checkup.ask("four", broken) and checkup.status == 2
    assert [one.code for one in checkup.findings] == ["", "", "", "FH-914", host.CANNOT_WRITE.label]
    assert checkup.verdict == "2 wrong, 1 to look at, 1 ok."


def test_the_page_holds_everything_and_reaches_nowhere() -> None:
    checkup = Checkup("doctor")
    checkup.findings += [DoctorFinding("disk", "wrong", "a file <script>", "free some", "FH-914"), DoctorFinding("host", "ok", "Linux")]
    page = checkup.page("2026-11-26 20:00")
    assert "a file &lt;script&gt;" in page and "FH-914" in page and "→ free some" in page and "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(("kib", "state"), [(8 << 20, "ok"), (1 << 20, "look")])
def test_memory(kib: int, state: str) -> None:
    assert machine_questions.memory(lambda: f"MemTotal: 99 kB\nMemAvailable: {kib} kB\n").state == state


@pytest.mark.parametrize(("offset", "state"), [(None, "not asked"), (1.0, "ok"), (-60.0, "look"), (600.0, "wrong"), (-241.0, "wrong")])
def test_clock(offset: float | None, state: str) -> None:
    assert machine_questions.clock(offset).state == state


def test_a_disk_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    assert machine_questions.disk(tmp_path).state in ("ok", "look") and list(tmp_path.iterdir()) == []
    assert machine_questions.disk(tmp_path / "not" / "yet").state in ("ok", "look")


def seen(statuses: dict[str, int], days: int = 300) -> gateway_probe.GatewaySeen:
    return gateway_probe.GatewaySeen(statuses, dt.datetime.now(dt.UTC) + dt.timedelta(days=days), "CN=x", 0.0)


GOOD = {"/": 403, "/v1/control/list-nodes": 403, "/v1/runtime/acquire-task": 404, "/v1/fleet/register-node": 403, "/v1/fleet/calls": 401}


def test_only_the_fleet_may_be_reachable() -> None:
    assert gateway_probe.paths(GOOD).state == "ok"
    opened = gateway_probe.paths(GOOD | {"/v1/control/list-nodes": 200})
    assert opened.state == "wrong" and "/v1/control/list-nodes" in opened.words
    assert gateway_probe.paths(GOOD | {"/v1/fleet/calls": 502}).state == "wrong"


def test_a_certificate_s_end_is_announced() -> None:
    assert gateway_probe.certificate(seen(GOOD), trusted=True).state == "ok"
    assert gateway_probe.certificate(seen(GOOD, 20), trusted=True).state == "look"
    assert "held against no kit" in gateway_probe.certificate(seen(GOOD), trusted=False).words


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired", "FH-760"),
        ("certificate verify failed: certificate is not yet valid", "FH-711"),
        ("certificate verify failed: self-signed certificate in certificate chain", "FH-714"),
        ("All connection attempts failed", "FH-715"),
    ],
)
def test_a_failed_connection_is_explained(text: str, code: str) -> None:
    assert gateway_probe.unreachable(httpx.ConnectError(text), None).code == code
    found = gateway_probe.unreachable(httpx.ConnectError(text), "http://me:secret@proxy.example:3128")
    assert "secret" not in found.words + found.fix


def test_a_proxy_that_refuses_is_named_without_its_password() -> None:
    found = gateway_probe.unreachable(httpx.ProxyError("407 Proxy Authentication Required"), "http://me:secret@proxy.example:3128")
    assert found.state == "wrong" and "proxy.example:3128" in found.words and "secret" not in found.words


@pytest.mark.parametrize("address", ["x" * 6000, "\udcff\udcfe", "../..", "a b:c", "host:port:9"])
def test_what_is_no_address_is_told_and_ends_nothing(address: str) -> None:
    checkup = Checkup("doctor")
    assert not gateway_probe.look_at_gateway(checkup, address, None, None)
    assert [one.name for one in checkup.findings if one.state == "wrong"] == ["office"]
