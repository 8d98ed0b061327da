"""The proxy between this machine and the office: what it is called without its password, and whether anything answers there."""

from __future__ import annotations

import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit

from site_config.health.doctor_finding import DoctorFinding
from site_config.problems import federation

CONNECT_S = 5.0
USUAL: Final = {"http": 80, "https": 443}


def _parts(proxy: str) -> SplitResult:
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


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
