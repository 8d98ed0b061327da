"""A proxy is asked by itself before anything is asked through it, and named without its password."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from site_config.health import proxy_question
from site_config.health.doctor_finding import Checkup
from site_config.health.gateway_probe import look_at_gateway
from site_config.health.proxy_question import checked, hidden, proxy_fault
from site_config.problems.base import Problem


@pytest.fixture
def port() -> Iterator[int]:
    """Of a program that listens, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_proxy_that_answers_is_no_fault(port: int) -> None:
    assert proxy_fault(f"http://127.0.0.1:{port}") == "" == proxy_fault(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("http://127.0.0.1:{}", "nothing listens at that port"),
        ("http://proxy.invalid:{}", "cannot be looked up"),
        ("http://[", "no address"),
    ],
)
def test_why_a_proxy_does_not_answer(given: str, why: str) -> None:
    assert why in proxy_fault(given.format(closed_port()))


def test_one_that_keeps_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", never)
    assert proxy_fault("http://192.0.2.1:9") == f"no answer within {proxy_question.CONNECT_S:.0f} s"


def test_doctor_blames_the_proxy_and_not_the_offices_port() -> None:
    checkup = Checkup("doctor")
    assert not look_at_gateway(checkup, "fed.example.org:443", None, f"http://me:secret@127.0.0.1:{closed_port()}")
    found = {one.name: one for one in checkup.findings}
    assert found["proxy"].state == "wrong" and found["proxy"].code == "FH-724" and "secret" not in found["proxy"].words
    assert "NO_PROXY=fed.example.org" in found["proxy"].fix
    assert found["office"].state == found["clock"].state == "not asked"
    assert hidden("http://me:secret@proxy:3128") == "http://proxy:3128"


@pytest.mark.parametrize(
    "named", ["htp://proxy:3128", "http://me:se#cret@proxy:3128", "socks5://proxy:1080", "http://proxy:31x28", "http://"]
)
def test_what_is_no_address_of_a_proxy_is_told_without_repeating_it(named: str) -> None:
    with pytest.raises(Problem, match="FH-724") as found:
        checked(named)
    assert "http://HOST:PORT" in found.value.fix and "proxy:" not in str(found.value) + found.value.fix


@pytest.mark.parametrize(
    "named", ["proxy.example:3128", "http://proxy.example", "https://me:a%40b@proxy.example:3128", "http://[::1]:3128"]
)
def test_an_address_of_a_proxy_is_taken_as_it_stands(named: str) -> None:
    assert checked(named) == (named if "://" in named else f"http://{named}")
