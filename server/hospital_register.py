"""The office's register of hospitals: who is enrolled with which keys, their kits, and the roster of a lock.

Pure functions over the coordinator's home folder; the command line and the simulations call the same ones.

`home/` holds `identity/` (signing key), `tls/` (authority, gateway, SuperLink), `register.json` (who is enrolled) and
`kits/`. Nothing of a hospital's private keys ever comes here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from pydantic import ValidationError, model_validator

from server.link import certificate_authority
from site_config.atomic_files import read_limited, write_atomic
from site_config.keys_and_signatures import (
    CoordinatorIdentity,
    Kit,
    fingerprint,
    node_fingerprint,
    private_folder,
    read_request,
    require_fingerprint,
    sign_kit,
)
from site_config.problems import identity as problems
from site_config.study.plan_and_lock import Role, RosterEntry, SiteName, Strict
from site_config.terminal.which_folder import no_office
from site_config.words_of_messages import clean, nearest

LOCK_LIMIT = 16 << 20
REGISTER_LIMIT = 8 << 20


class Enrolled(Strict):
    """One hospital: its public keys, and its role unless every study decides it."""

    name: SiteName
    role: Role | None = None
    signing_key: str
    node_key: str
    status: Literal["active", "revoked"] = "active"
    approved: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_number(cls, found: object) -> object:
        """Registers of earlier releases kept the number that Flower drew for a node; it follows from the key now."""
        return {name: value for name, value in found.items() if name != "node_id"} if isinstance(found, dict) else found

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the signing key, hex."""
        return fingerprint(self.signing_key)

    @property
    def node_id(self) -> int:
        """Flower's number for the hospital's node: 60 bits of its key's fingerprint, so that it is the same after every start."""
        return int(node_fingerprint(self.node_key)[:15], 16) | 2

    def entry(self, role: Role) -> RosterEntry:
        """The hospital as it stands in a lock."""
        return RosterEntry(name=self.name, role=role, signing_key=self.signing_key, node_fingerprint=node_fingerprint(self.node_key))


class Register(Strict):
    """The coordinator's title and addresses, and every hospital ever enrolled.

    `address` is what hospitals connect to, `listen` what the gateway binds, `superlink_port` the private one on loopback.
    """

    format: Literal[1] = 1
    title: str
    address: str
    listen: str = ""
    superlink_port: int = 8000
    sites: tuple[Enrolled, ...] = ()

    def active(self) -> dict[str, Enrolled]:
        """Enrolled and not revoked, by name."""
        return {site.name: site for site in self.sites if site.status == "active"}

    def with_site(self, site: Enrolled) -> Register:
        """The register with one entry added or replaced."""
        return self.model_copy(update={"sites": (*(other for other in self.sites if other.name != site.name), site)})


def utc() -> dt.datetime:
    """The present time, UTC."""
    return dt.datetime.now(dt.UTC)


def load(home: Path) -> Register:
    """The register; FH-401 where this folder is no coordinator's home, FH-404 when it is damaged."""
    path = home / "register.json"
    if not path.exists():
        raise no_office(home)
    try:
        return Register.model_validate_json(read_limited(path, REGISTER_LIMIT))
    except ValidationError:
        raise problems.IDENTITY_UNREADABLE.problem("The register is damaged", where="register.json") from None


def save(home: Path, register: Register) -> None:
    """Write the register atomically."""
    write_atomic(home / "register.json", register.model_dump_json(indent=2).encode() + b"\n", 0o600)


def enrol(home: Path, request: bytes, role: Role | None = None, read_out: str | None = None, *, replace: bool = False) -> Kit:
    """Check a request (FH-405), the fingerprint read out (FH-409) and that its name and keys are free (FH-406); enrol it; its kit.

    `replace` lets a revoked or re-keyed hospital come back under its name.
    """
    wanted = read_request(request)
    if read_out is not None:
        own = CoordinatorIdentity.load(home).fingerprint
        require_fingerprint(read_out, fingerprint(wanted.signing_key), wanted.site, own, "the office")
    register = load(home)
    for site in register.sites:
        same_keys = (site.signing_key, node_fingerprint(site.node_key)) == (wanted.signing_key, node_fingerprint(wanted.node_key))
        if site.name == wanted.site:
            if not (same_keys or replace):
                state = "is enrolled" if site.status == "active" else "was enrolled, and revoked,"
                raise problems.NAME_TAKEN.problem(
                    f"{wanted.site!r} {state} with other keys", fix=problems.NAME_TAKEN.fix.replace("NAME", wanted.site)
                )
        elif site.signing_key == wanted.signing_key or node_fingerprint(site.node_key) == node_fingerprint(wanted.node_key):
            raise problems.NAME_TAKEN.problem(f"These keys are enrolled as {site.name!r}")
    enrolled = Enrolled(
        name=wanted.site, role=role, signing_key=wanted.signing_key, node_key=wanted.node_key, approved=utc().isoformat(timespec="seconds")
    )
    save(home, register.with_site(enrolled))
    return kit(home, wanted.site)


def kit(home: Path, name: str) -> Kit:
    """The signed kit of an enrolled site, also written to `home/kits/NAME.kit.json`."""
    register = load(home)
    site = active_site(register, name)
    identity = CoordinatorIdentity.load(home)
    bare = Kit(
        site=site.name,
        role=site.role,
        title=register.title,
        address=register.address,
        ca=read_limited(home / "tls" / "ca.pem", certificate_authority.LIMIT).decode(),
        coordinator_key=identity.public_key,
        signing_key=site.signing_key,
        node_fingerprint=node_fingerprint(site.node_key),
    )
    signed = sign_kit(bare, identity)
    write_atomic(private_folder(home / "kits") / f"{name}.kit.json", signed.model_dump_json(indent=2).encode() + b"\n", 0o644)
    return signed


def known_site(register: Register, name: str) -> Enrolled:
    """A site that is or was enrolled under a name; FH-413, with the name that may have been meant."""
    site = next((one for one in register.sites if one.name == name), None)
    if site is None:
        near = nearest(name, [one.name for one in register.sites])
        fix = f"Did you mean `{near}`? {problems.NOT_ENROLLED.fix}" if near else None
        raise problems.NOT_ENROLLED.problem(f"{clean(name)!r} is not enrolled", fix=fix)
    return site


def check_of_study(names: Iterable[str], sites: Collection[str]) -> None:
    """FH-413 for the first of `names` that is none of a study's hospitals, with the name that may have been meant."""
    for name in names:
        if name not in sites:
            near = nearest(name, sites)
            raise problems.NOT_ENROLLED.problem(
                f"{clean(name)!r} is no hospital of this study",
                why="Only a hospital that the study's lock names can be left out.",
                fix=f"{f'Did you mean `{near}`? ' if near else ''}The study's hospitals: {', '.join(sorted(sites))}.",
            )


def active_site(register: Register, name: str) -> Enrolled:
    """An enrolled site by name; FH-413."""
    site = known_site(register, name)
    if site.status != "active":
        fix = f"To take it back, with keys it has or new ones: `fedhcc-coordinator renew {name} --request {name}.request.json`."
        raise problems.NOT_ENROLLED.problem(
            f"{name!r} was revoked", why="A hospital that was revoked takes no part until it is taken back.", fix=fix
        )
    return site


def revoke(home: Path, name: str) -> Enrolled:
    """Strike a site from the active ones; a SuperLink that runs follows the register by itself, within a second."""
    register = load(home)
    site = active_site(register, name)
    save(home, register.with_site(site.model_copy(update={"status": "revoked"})))
    return site


def roster(home: Path, roles: dict[str, Role]) -> tuple[RosterEntry, ...]:
    """The roster of a lock: every named site under its enrolled keys; FH-413 for one that is not enrolled."""
    register = load(home)
    return tuple(active_site(register, name).entry(role) for name, role in roles.items())
