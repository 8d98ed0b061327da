"""The proxy between this machine and the office: what it is called without its password, and whether anything answers there."""

from __future__ import annotations

import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from site_config.health.doctor_finding import DoctorFinding
from site_config.problems import federation

CONNECT_S = 5.0
USUAL: Final = {"http": 80, "https": 443}
FORM: Final = (
    "http://HOST:PORT, with a password http://USER:PASSWORD@HOST:PORT, in which `@`, `:`, `/` and `#` are written %40, %3A, %2F, %23"
)


def _parts(proxy: str) -> SplitResult:
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def checked(proxy: str) -> str:
    """A proxy's address with its scheme; FH-724 where no proxy is named like that, without repeating it: it may hold a password.

    >>> checked("proxy.example:3128")
    'http://proxy.example:3128'
    """
    try:
        parts = _parts(proxy)
        good = parts.scheme in USUAL and bool(parts.hostname) and (parts.port or 1) > 0 and not (parts.query or parts.fragment)
        httpx.URL(parts.geturl())
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise federation.PROXY_SILENT.problem(
            "What HTTPS_PROXY says is no address of a proxy",
            why="The environment, or the file of FEDHCC_PROXY_FILE, names a proxy in a form that this program does not know.",
            fix=f"Write it as {FORM}; `env | grep -i _proxy` shows what is set.",
        )
    return parts.geturl()


def hidden(proxy: str) -> str:
    """A proxy's address without its user and password.

    >>> hidden("http://me:secret@proxy.example:3128"), hidden("proxy.example:3128")
    ('http://proxy.example:3128', 'http://proxy.example:3128')
    """
    parts = _parts(proxy)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def proxy_fault(proxy: str) -> str:
    """Why no connection to the proxy itself comes about, in words; '' where one does."""
    try:
        parts = _parts(proxy)
        place = (parts.hostname or "", parts.port or USUAL.get(parts.scheme, 80))
    except ValueError:
        return "this is no address"
    try:
        with socket.create_connection(place, timeout=CONNECT_S):
            return ""
    except TimeoutError:
        return f"no answer within {CONNECT_S:.0f} s"
    except socket.gaierror:
        return "its name cannot be looked up"
    except ConnectionRefusedError:
        return "nothing listens at that port"
    except OSError as error:
        return error.strerror or type(error).__name__


def look_at_proxy(proxy: str, office: str) -> DoctorFinding:
    """The proxy by itself, before anything is asked through it; `office` is HOST:PORT."""
    fault = proxy_fault(proxy)
    if not fault:
        return DoctorFinding("proxy", "ok", f"{hidden(proxy)} answers")
    kind = federation.PROXY_SILENT
    return DoctorFinding("proxy", "wrong", f"the proxy {hidden(proxy)} does not answer: {fault}", remedy(office), kind.label)


def remedy(office: str) -> str:
    """What to do about a proxy that does not answer."""
    host = office.rpartition(":")[0] or office
    return (
        f"Correct HTTPS_PROXY in the environment (`env | grep -i _proxy` shows it), or go without it: `export NO_PROXY={host}`. "
        "Ask the network team for the proxy's present address; docs/how-to/behind-a-proxy.md."
    )
