"""New secrets for an office: the runner's secret, the servers' keys, the certificate authority. The signing key is the office itself.

Hospitals know the office by its signing key; a new one would be another office, and every hospital would be enrolled anew.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from server import certificate_renewal
from server import hospital_register as enrol
from server.link import certificate_authority
from server.link.nginx_gateway import OFFICE_LOCK
from server.link.owner_lock import held
from site_config.atomic_files import write_atomic
from site_config.file_lock import Lock

KEPT_AS = "earlier"


def rotate(home: Path, *, authority: bool) -> list[str]:
    """Make them anew; what was done, in words. FH-758 while somebody serves the office."""
    register = enrol.load(home)
    lock = Lock(home / OFFICE_LOCK)
    if not lock.take():
        raise held(lock.path, "this office's SuperLink and gateway")
    try:
        write_atomic(home / "identity" / "runtime.secret", secrets.token_hex(32).encode(), 0o600)
        done = ["the runner's secret", "keys and certificates of gateway and SuperLink"]
        if authority:
            moment = datetime.now(UTC)
            write_atomic(home / "tls" / f"{KEPT_AS}-{moment:%Y%m%d%H%M%S}.ca.pem", (home / "tls" / "ca.pem").read_bytes(), 0o644)
            certificate_authority.create_authority(home / "tls", register.title, moment)
            done.append("the certificate authority")
        certificate_renewal.renew_certificates(home, register.address)
        if authority:
            for name in register.active():
                enrol.kit(home, name)
            done.append(f"{len(register.active())} kits, in {home / 'kits'}")
        return done
    finally:
        lock.release()
