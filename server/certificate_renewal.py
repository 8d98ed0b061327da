"""Renewal of the server certificates, gateway's and SuperLink's: by command, in time by a running office, and how its need is announced.

A hospital holds no certificate: its kit names the authority alone, which stays, so kits stay valid. Secrets and the authority itself
are made anew by `server.key_rotation`; how a certificate is issued stands in `server.link.certificate_authority`.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from server.hospital_register import load, utc
from server.link import certificate_authority


def host_of(address: str) -> str:
    """The host of `host:port`."""
    return address.rpartition(":")[0]


def renew_certificates(home: Path, address: str, now: dt.datetime | None = None) -> None:
    """New server certificates under the same authority: kits stay valid."""
    moment = now or utc()
    certificate_authority.issue(home / "tls", "gateway", (host_of(address), "localhost", "127.0.0.1"), moment)
    certificate_authority.issue(home / "tls", "superlink", ("127.0.0.1", "localhost"), moment)


def renew_in_time(home: Path, now: dt.datetime | None = None) -> bool:
    """Renew the server certificates where one ends within 30 days, or has ended; whether they were."""
    moment = now or utc()
    soonest = min(certificate_authority.expires(home / "tls", name) for name in ("gateway", "superlink"))
    if soonest - moment > dt.timedelta(days=certificate_authority.RENEWED_DAYS):
        return False
    renew_certificates(home, load(home).address, moment)
    return True


def expiry_words(home: Path, now: dt.datetime | None = None) -> str:
    """What to say of certificates that end within 60 days; empty while none does."""
    moment = now or utc()
    found = []
    for name, word in (("gateway", "gateway's certificate"), ("superlink", "SuperLink's certificate"), ("ca", "certificate authority")):
        end = certificate_authority.expires(home / "tls", name)
        if end - moment < dt.timedelta(days=certificate_authority.ANNOUNCED_DAYS):
            found.append(f"the {word} {'ends' if end > moment else 'ended'} on {end:%Y-%m-%d}")
    advice = (
        "new kits for every hospital are needed before"
        if "authority" in " ".join(found)
        else "`fedhcc-coordinator serve` renews it in time"
    )
    return f"{'; '.join(found)}; {advice}" if found else ""
