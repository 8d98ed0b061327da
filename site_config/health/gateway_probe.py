"""A look at the office's gateway from outside: who answers, with which certificate and clock, and what is let through."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from cryptography import x509

from site_config.health.doctor_finding import Checkup, DoctorFinding
from site_config.health.machine_questions import clock
from site_config.health.proxy_question import FORM, hidden, look_at_proxy
from site_config.problems import federation
from site_config.words_of_messages import clean

SHUT = (("GET", "/"), ("POST", "/v1/control/list-nodes"), ("POST", "/v1/runtime/acquire-task"), ("POST", "/v1/fleet/register-node"))
"""What no hospital may reach."""
OPEN = ("POST", "/v1/fleet/calls")
REFUSED, UNSIGNED = frozenset({403, 404}), 401
ANNOUNCED_DAYS = 30
TIMEOUT_S = 10.0
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for."""
OF_DATES = ("certificate has expired", "not yet valid")


@dataclass(frozen=True)
class GatewaySeen:
    """What was seen: the status of every path, the certificate's end and makers, and this clock minus the office's (None: not told)."""

    statuses: dict[str, int]
    ends: dt.datetime | None
    issuer: str
    offset_s: float | None


def clock_offset_s(address: str, ca: str, proxy: str | None = None, now: Callable[[], float] = time.time) -> float | None:
    """This machine's clock minus the office's, seconds, from the Date header of its gateway; None when it does not answer.

    The certificate's own dates are judged by the clock that is being asked about, so they are left out; its authority is not.
    """
    context = ssl.create_default_context(cadata=ca)
    context.verify_flags |= NO_CHECK_TIME
    try:
        with httpx.Client(verify=context, timeout=5, trust_env=False, proxy=proxy) as client:
            date = client.get(f"https://{address}/").headers.get("Date")
    except (OSError, httpx.HTTPError):
        return None
    return now() - parsedate_to_datetime(date).timestamp() if date else None


def look(address: str, ca: str | None, proxy: str | None) -> GatewaySeen:
    """Ask the gateway at HOST:PORT; `ca` (PEM) is what its certificate must follow from, None believes any. `httpx.HTTPError` otherwise."""
    context = ssl.create_default_context(cadata=ca) if ca else ssl._create_unverified_context()  # noqa: S323 - told to the person
    statuses: dict[str, int] = {}
    certificate: x509.Certificate | None = None
    offset: float | None = None
    with httpx.Client(verify=context, timeout=TIMEOUT_S, trust_env=False, proxy=proxy) as client:
        for method, path in (*SHUT, OPEN):
            with client.stream(method, f"https://{address}{path}", content=b"" if method == "POST" else None) as answer:
                statuses[path] = answer.status_code
                line = answer.extensions["network_stream"].get_extra_info("ssl_object")
                if line is not None and (found := line.getpeercert(True)):
                    certificate = x509.load_der_x509_certificate(found)
                if date := answer.headers.get("Date"):
                    offset = time.time() - parsedate_to_datetime(date).timestamp()
    ends = certificate.not_valid_after_utc if certificate is not None else None
    return GatewaySeen(statuses, ends, certificate.issuer.rfc4514_string() if certificate is not None else "", offset)


NETWORK_TEAM = "Ask the network team; docs/how-to/behind-a-proxy.md says what is needed."


def _password(proxy: str | None) -> str:
    """What to do about a proxy that asks who is there."""
    if proxy and "@" in proxy:
        return f"It does not know this user or password. Write the right ones: {FORM}."
    return f"It wants a user and a password: write {FORM}, into a file that you alone can read, and `export FEDHCC_PROXY_FILE=FILE`."


def unreachable(error: Exception, proxy: str | None) -> DoctorFinding:
    """What a failed connection means, in words for whoever looks after the network."""
    text = str(error).lower()
    through = f" through the proxy {hidden(proxy)}" if proxy else ""
    if "certificate has expired" in text:
        kind, fix = federation.CERTIFICATE_EXPIRED, federation.CERTIFICATE_EXPIRED.fix
        return DoctorFinding("certificate", "wrong", "the office's certificate has expired", fix, kind.label)
    if "not yet valid" in text:
        return DoctorFinding("certificate", "wrong", "the certificate is not valid yet by this machine's clock", "Set the clock.", "FH-711")
    if "certificate" in text:
        kind = federation.GATEWAY_UNTRUSTED
        words = f"the certificate shown{through} does not follow from the kit's authority"
        return DoctorFinding("certificate", "wrong", words, kind.fix, kind.label)
    if "proxy" in type(error).__name__.lower() or "407" in text:
        words = f"{through.removeprefix(' through ')} refuses: {str(error)[:120]}"
        return DoctorFinding("office", "wrong", words, _password(proxy) if "407" in text else NETWORK_TEAM)
    words = f"no connection{through} ({type(error).__name__})"
    if proxy:
        words = f"the proxy {hidden(proxy)} answers, and no connection to the office comes about behind it ({type(error).__name__})"
        fix = "Ask the network team to let the proxy CONNECT to the office's address; docs/how-to/behind-a-proxy.md says what is needed."
        return DoctorFinding("office", "wrong", words, fix, federation.GATEWAY_UNREACHABLE.label)
    fix = "Ask the network team for one outgoing TCP connection to the office's address; `fedhcc-site firewall` prints their page."
    return DoctorFinding("office", "wrong", words, fix, federation.GATEWAY_UNREACHABLE.label)


def look_at_gateway(checkup: Checkup, address: str, ca: str | None, proxy: str | None) -> bool:
    """Proxy, connection, certificate, clock and paths; whether the office's gateway answers as it should."""
    seen_proxy = look_at_proxy(proxy, address) if proxy else DoctorFinding("proxy", "ok", "none for this address")
    checkup.findings.append(seen_proxy)
    if seen_proxy.state == "wrong":
        checkup.leave_out(("office", "certificate", "clock", "paths"), "the proxy in front of the office does not answer")
        return False
    try:
        seen = look(address, ca, proxy)
    except (httpx.InvalidURL, UnicodeError):
        words = f"{clean(address)} is no address"
        fix = "The kit and the office's operator tell it: HOST:PORT."
        checkup.findings.append(DoctorFinding("office", "wrong", words, fix, federation.GATEWAY_UNREACHABLE.label))
        return False
    except (httpx.HTTPError, OSError) as error:
        offset = clock_offset_s(address, ca, proxy) if ca and any(words in str(error).lower() for words in OF_DATES) else None
        seen_clock = clock(offset)
        if seen_clock.state == "wrong":  # by a clock that is right, the certificate would be
            checkup.findings.append(seen_clock)
        else:
            checkup.findings.append(unreachable(error, proxy))
        return False
    checkup.findings.append(DoctorFinding("office", "ok", f"{address} answers"))
    checkup.ask("certificate", lambda: certificate(seen, trusted=ca is not None))
    checkup.findings.append(clock(seen.offset_s))
    return checkup.ask("paths", lambda: paths(seen.statuses))


def certificate(seen: GatewaySeen, *, trusted: bool, now: dt.datetime | None = None) -> DoctorFinding:
    """Chain and end of the gateway's certificate."""
    if seen.ends is None:
        return DoctorFinding("certificate", "look", "no certificate was shown")
    days = (seen.ends - (now or dt.datetime.now(dt.UTC))).days
    chain = "follows from the kit's authority" if trusted else f"made by {seen.issuer}, held against no kit yet"
    words = f"{chain}; ends on {seen.ends:%Y-%m-%d}, in {days} days"
    if days < ANNOUNCED_DAYS:
        return DoctorFinding("certificate", "look", words, "The office renews it while `fedhcc-coordinator serve` runs; kits stay valid.")
    return DoctorFinding("certificate", "ok", words)


def paths(statuses: dict[str, int], shut: Sequence[tuple[str, str]] = SHUT) -> DoctorFinding:
    """Only the fleet's path may be reachable, and it must be."""
    reached = [path for _, path in shut if statuses[path] not in REFUSED]
    if reached:
        what = f"more than the fleet's path is reachable: {', '.join(reached)}"
        return DoctorFinding(
            "paths", "wrong", what, "Tell the office: its gateway is not the one this program writes. Another program may answer there."
        )
    if statuses[OPEN[1]] != UNSIGNED:
        what = f"the fleet's path answers {statuses[OPEN[1]]}"
        return DoctorFinding("paths", "wrong", what, "Ask the office whether `fedhcc-coordinator serve` runs.", federation.LINK_LOST.label)
    return DoctorFinding("paths", "ok", "only the fleet's path is reachable, and asks for a key")
