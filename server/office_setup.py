"""Setting an office up: `init`, the addresses it is reached at, and giving it another address."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from pathlib import Path

from server.certificate_renewal import renew_certificates
from server.hospital_register import Register, kit, load, save, utc
from server.link import certificate_authority
from site_config.atomic_files import make_folder, write_atomic
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.problems.host import USAGE

LONGEST_TITLE = 200
"""Characters of the title that a kit holds (`Kit.title`)."""
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def check_address(address: str, option: str) -> None:
    """Refuse (FH-902) what is no HOST:PORT, before anything is written that a second try would stumble over."""
    host, colon, port = address.rpartition(":")
    if host.startswith("["):
        raise USAGE.problem(
            f"{option} takes no IPv6 address: the gateway and its certificate are made for a name or an IPv4 address",
            fix=f"Give a name that hospitals can look up, for example {option} fed.example.org:443.",
        )
    shaped = HOST.fullmatch(host)
    if not (colon and shaped and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise USAGE.problem(f"{option} takes HOST:PORT, with a port from 1 to 65535", fix=f"For example {option} fed.example.org:443.")


def init(
    home: Path, title: str, address: str, now: dt.datetime | None = None, *, listen: str = "", superlink_port: int = 8000
) -> CoordinatorIdentity:
    """A new coordinator: signing key, certificate authority, server certificates, runner's secret, an empty register."""
    moment = now or utc()
    if not title.strip() or len(title) > LONGEST_TITLE:
        raise USAGE.problem(f"--title takes 1 to {LONGEST_TITLE} characters", fix='For example --title "Trial office, Bern".')
    check_address(address, "--address")
    if listen:
        check_address(listen, "--listen")
    identity = CoordinatorIdentity.create(make_folder(home))
    certificate_authority.create_authority(home / "tls", title, moment)
    renew_certificates(home, address, moment)
    write_atomic(identity.folder / "runtime.secret", secrets.token_hex(32).encode(), 0o600)
    bind = listen or f"0.0.0.0:{address.rpartition(':')[2]}"
    save(home, Register(title=title, address=address, listen=bind, superlink_port=superlink_port))
    return identity


def readdress(home: Path, address: str, *, listen: str = "", superlink_port: int | None = None) -> Register:
    """Give the gateway another address, with certificates for it and new kits for everybody; keys and register stay."""
    register = load(home)
    changed = register.model_copy(
        update={
            "address": address,
            "listen": listen or f"0.0.0.0:{address.rpartition(':')[2]}",
            "superlink_port": superlink_port or register.superlink_port,
        }
    )
    save(home, changed)
    renew_certificates(home, address)
    for name in changed.active():
        kit(home, name)
    return changed
