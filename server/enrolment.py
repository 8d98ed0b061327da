"""Enrolment at the trial office: the register of hospitals, kits, and the roster of a lock.

Pure functions over the coordinator's home folder; the command line and the simulations call the same ones.

`home/` holds `identity/` (signing key), `tls/` (authority, gateway, SuperLink), `register.json` (who is enrolled) and
`kits/`. Nothing of a hospital's private keys ever comes here.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from pathlib import Path
from typing import Literal

from pydantic import ValidationError, model_validator

from server.link import certificates
from site_config.documents.kinds import kind_of
from site_config.files import make_folder, read_limited, write_atomic
from site_config.identity import (
    CoordinatorIdentity,
    Kit,
    fingerprint,
    node_fingerprint,
    private_folder,
    read_lock,
    read_request,
    same_fingerprint,
    sign_kit,
    verify_lock,
)
from site_config.problems import federation
from site_config.problems import identity as problems
from site_config.problems.host import USAGE
from site_config.study.plan_and_lock import Role, RosterEntry, SiteName, Strict, StudyLock
from site_config.terminal.folders import no_office
from site_config.wording import clean

LONGEST_TITLE = 200
"""Characters of the title that a kit holds (`Kit.title`)."""
LOCK_LIMIT = 16 << 20
REGISTER_LIMIT = 8 << 20
LIKE_AN_ID = re.compile(r"[0-9a-fA-F]{0,64}")
PUBLISH = (
    "From study.yaml: `fedhcc-coordinator study lock study.yaml`, then `fedhcc-coordinator study publish LOCK`. Where it was published "
    "elsewhere, name that office's folder with --home."
)
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


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


def host_of(address: str) -> str:
    """The host of `host:port`."""
    return address.rpartition(":")[0]


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


def utc() -> dt.datetime:
    """The present time, UTC."""
    return dt.datetime.now(dt.UTC)


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
    certificates.create_authority(home / "tls", title, moment)
    renew_certificates(home, address, moment)
    write_atomic(identity.folder / "runtime.secret", secrets.token_hex(32).encode(), 0o600)
    bind = listen or f"0.0.0.0:{address.rpartition(':')[2]}"
    save(home, Register(title=title, address=address, listen=bind, superlink_port=superlink_port))
    return identity


def renew_certificates(home: Path, address: str, now: dt.datetime | None = None) -> None:
    """New server certificates under the same authority: kits stay valid."""
    moment = now or utc()
    certificates.issue(home / "tls", "gateway", (host_of(address), "localhost", "127.0.0.1"), moment)
    certificates.issue(home / "tls", "superlink", ("127.0.0.1", "localhost"), moment)


def renew_in_time(home: Path, now: dt.datetime | None = None) -> bool:
    """Renew the server certificates where one ends within 30 days, or has ended; whether they were."""
    moment = now or utc()
    soonest = min(certificates.expires(home / "tls", name) for name in ("gateway", "superlink"))
    if soonest - moment > dt.timedelta(days=certificates.RENEWED_DAYS):
        return False
    renew_certificates(home, load(home).address, moment)
    return True


def expiry_words(home: Path, now: dt.datetime | None = None) -> str:
    """What to say of certificates that end within 60 days; empty while none does."""
    moment = now or utc()
    found = []
    for name, word in (("gateway", "gateway's certificate"), ("superlink", "SuperLink's certificate"), ("ca", "certificate authority")):
        end = certificates.expires(home / "tls", name)
        if end - moment < dt.timedelta(days=certificates.ANNOUNCED_DAYS):
            found.append(f"the {word} {'ends' if end > moment else 'ended'} on {end:%Y-%m-%d}")
    advice = (
        "new kits for every hospital are needed before"
        if "authority" in " ".join(found)
        else "`fedhcc-coordinator serve` renews it in time"
    )
    return f"{'; '.join(found)}; {advice}" if found else ""


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
    if read_out is not None and not same_fingerprint(read_out, fingerprint(wanted.signing_key)):
        raise problems.FINGERPRINT_DIFFERS.problem("The request's key has another fingerprint")
    register = load(home)
    for site in register.sites:
        same_keys = (site.signing_key, node_fingerprint(site.node_key)) == (wanted.signing_key, node_fingerprint(wanted.node_key))
        if site.name == wanted.site:
            if not (same_keys or replace):
                raise problems.NAME_TAKEN.problem(f"{wanted.site!r} is enrolled with other keys")
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
        ca=read_limited(home / "tls" / "ca.pem", certificates.LIMIT).decode(),
        coordinator_key=identity.public_key,
        signing_key=site.signing_key,
        node_fingerprint=node_fingerprint(site.node_key),
    )
    signed = sign_kit(bare, identity)
    write_atomic(private_folder(home / "kits") / f"{name}.kit.json", signed.model_dump_json(indent=2).encode() + b"\n", 0o644)
    return signed


def active_site(register: Register, name: str) -> Enrolled:
    """An enrolled site by name; FH-413."""
    site = register.active().get(name)
    if site is None:
        raise problems.NOT_ENROLLED.problem(f"{name!r} is not enrolled")
    return site


def revoke(home: Path, name: str) -> Enrolled:
    """Strike a site from the active ones; a SuperLink that runs follows the register by itself, within a second."""
    register = load(home)
    site = active_site(register, name)
    save(home, register.with_site(site.model_copy(update={"status": "revoked"})))
    return site


def publish(home: Path, signed: bytes) -> StudyLock:
    """Put a signed lock where `run` finds it; FH-410, FH-412 or FH-414 unless this coordinator signed it, FH-411 for keys that changed."""
    found = read_lock(signed)
    lock = verify_lock(found, CoordinatorIdentity.load(home).public_key)
    register = load(home)
    for entry in lock.roster:
        if active_site(register, entry.name).entry(entry.role) != entry:
            raise problems.LOCK_ROSTER.problem(f"{entry.name} is enrolled with other keys than the lock names")
    folder = private_folder(private_folder(home / "studies") / lock.study_id)
    if not (folder / "lock.json").exists():
        write_atomic(folder / "lock.json", found.model_dump_json().encode() + b"\n", 0o600)
    return lock


def published(home: Path) -> tuple[StudyLock, ...]:
    """Every published study's lock, its signature checked again."""
    key, folder = CoordinatorIdentity.load(home).public_key, home / "studies"
    paths = sorted(folder.glob("*/lock.json")) if folder.is_dir() else []
    return tuple(verify_lock(read_lock(read_limited(path, LOCK_LIMIT, "a published lock")), key) for path in paths)


def find_study(home: Path, prefix: str) -> str:
    """The id of the one published study that starts with `prefix` (at least 6 digits; "": the only one there is); FH-718.

    Of a study that was left by some, the one that goes on from it. A lock's file stands for its study.
    """
    folder = home / "studies"
    found = [path.parent.name for path in folder.glob("*/lock.json")] if folder.is_dir() else []
    wanted = _of_file(Path(prefix), found) if not LIKE_AN_ID.fullmatch(prefix) else prefix.lower()
    named = [name for name in found if not wanted or (len(wanted) >= 6 and name.startswith(wanted))]
    chosen = sorted({goes_on_as(home, name) for name in named})
    if len(chosen) == 1:
        return chosen[0]
    everything = sorted({goes_on_as(home, name) for name in found})
    if not everything:
        raise federation.STUDY_MISSING.problem("No study is published at this office", fix=PUBLISH)
    if not prefix:
        what = f"{len(everything)} published studies stand here; none was named"
    elif len(wanted) < 6:
        what = f"{clean(prefix)!r} is too short: a study is named by the first 6 digits of its id or more"
    else:
        what = f"{len(chosen)} published studies have an id that starts with {clean(prefix)!r}"
    ids = " or ".join(name[:12] for name in everything[:4])
    raise federation.STUDY_MISSING.problem(what, fix=f"Name one of them: {ids}. `fedhcc-coordinator status` lists them with their titles.")


def _of_file(path: Path, published_ids: list[str]) -> str:
    """The study of a signed lock's file. FH-718 where it is not published yet, FH-414 for another of the program's documents."""
    if not path.is_file():
        what = f"{clean(str(path))!r} is neither a study's id nor a file"
        raise federation.STUDY_MISSING.problem(what, fix="`fedhcc-coordinator status` lists the studies with their ids.")
    data = read_limited(path, LOCK_LIMIT, path.name)
    if kind_of(data) == "study.yaml":
        fix = f"First `fedhcc-coordinator study lock {path}`, then publish the lock that it writes, then `fedhcc-coordinator run`."
        raise federation.STUDY_MISSING.problem(f"{path.name} is a study that is not locked yet", fix=fix)
    study = read_lock(data, where=path.name).lock.study_id
    if study not in published_ids:
        fix = f"First `fedhcc-coordinator study publish {path}`, then `fedhcc-coordinator run {study[:12]}`."
        raise federation.STUDY_MISSING.problem(f"the study of {path.name} ({study[:12]}) is not published at this office", fix=fix)
    return study


GOES_ON = "goes-on-as"
"""File of a study's folder that names the study that goes on from it."""


def goes_on_as(home: Path, study: str) -> str:
    """The study that goes on from this one without some of its patients, the last of them; the study itself where nobody left."""
    path = home / "studies" / study / GOES_ON
    return goes_on_as(home, read_limited(path, 64, "a study's id").decode()) if path.exists() else study


def roster(home: Path, roles: dict[str, Role]) -> tuple[RosterEntry, ...]:
    """The roster of a lock: every named site under its enrolled keys; FH-413 for one that is not enrolled."""
    register = load(home)
    return tuple(active_site(register, name).entry(role) for name, role in roles.items())
