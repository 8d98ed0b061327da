"""Who a site and a coordinator are: keys, enrolment request, kit, and signatures over locks.

Two key pairs a site: the *node key* (NIST P-384, OpenSSH) is what Flower authenticates a connection with, the *signing
key* (Ed25519) is what every release and every ephemeral key is signed with. Private keys never leave the folder they
were made in; a request, a kit and a lock hold public keys only.
"""

from __future__ import annotations

import hashlib
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from string import hexdigits
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, ValidationError

from site_config.atomic_files import make_folder, write_atomic
from site_config.documents.document_kinds import not_a
from site_config.problems import identity as problems
from site_config.problems.base import Kind
from site_config.study.plan_and_lock import Role, SignedLock, SiteName, Strict, StudyLock, canonical

Hex = str
SIGNING_FILE = "signing_key.pem"
NODE_FILE = "node_key"
NAME_FILE = "name"
MAX_DOCUMENT = 1 << 20
MISTYPED = "Nothing speaks against the key: what was typed cannot be its fingerprint."


class SiteRequest(Strict):
    """What a hospital sends to be enrolled: two public keys, and a signature by each private key over everything else."""

    format: Literal[1] = 1
    site: SiteName
    signing_key: Hex = Field(pattern=r"^[0-9a-f]{64}$", description="Ed25519 public key, 64 hex digits")
    node_key: str = Field(max_length=400, description="OpenSSH public key, ecdsa-sha2-nistp384")
    software: str = Field(default="", max_length=80)
    signature: Hex = ""
    node_signature: Hex = ""

    def unsigned(self) -> bytes:
        """The bytes both keys sign."""
        return canonical(["fedhcc-request", self.model_dump(mode="json", exclude={"signature", "node_signature"})])


class Kit(Strict):
    """What a site receives at enrolment, once: where the coordinator is, how to know it, and for which keys this holds.

    `ca` is the PEM certificate that signed the gateway's, `address` is `host:port`.
    """

    format: Literal[1] = 1
    site: SiteName
    role: Role | None = None
    title: str = Field(default="", max_length=200)
    address: str = Field(pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}:[0-9]{1,5}$")
    ca: str = Field(max_length=20_000)
    coordinator_key: Hex = Field(pattern=r"^[0-9a-f]{64}$")
    signing_key: Hex = Field(pattern=r"^[0-9a-f]{64}$")
    node_fingerprint: Hex = Field(pattern=r"^[0-9a-f]{64}$")
    signature: Hex = ""

    def unsigned(self) -> bytes:
        """The bytes the coordinator signs."""
        return canonical(["fedhcc-kit", self.model_dump(mode="json", exclude={"signature"})])


def fingerprint(public_key: Hex) -> Hex:
    """SHA-256, hex, of a public signing key given as 64 hex digits: what people compare by telephone."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()


def spoken(digest: Hex) -> str:
    """A fingerprint in groups of four digits, as it is read out."""
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))


def spoken_half(digest: Hex) -> str:
    """The first 32 digits as two lines of four groups, for a table's cell: a terminal's width must not break a group apart."""
    return f"{spoken(digest[:16])}\n{spoken(digest[16:32])}"


def same_fingerprint(given: str, digest: Hex) -> bool:
    """Whether what a person typed (any spacing and case) is this fingerprint; at least 16 digits must be given."""
    typed = "".join(given.split()).replace(":", "").lower()
    return len(typed) >= 16 and digest.startswith(typed)


def mistyped(digits: str) -> str:
    """Why what a person typed cannot be the digits of a fingerprint; '' where it can.

    >>> mistyped("860d b6df")
    'has 8 digits; at least the first 16 are compared'
    """
    typed = "".join(digits.split()).replace(":", "").lower()
    if set(typed) - set(hexdigits):
        return "has other characters than 0 to 9 and a to f"
    if len(typed) < 16:
        return f"has {len(typed)} digits; at least the first 16 are compared"
    return f"has {len(typed)} digits; a fingerprint has 64" if len(typed) > 64 else ""


def require_fingerprint(typed: str, wanted: Hex, whose: str, own: Hex, here: str) -> None:
    """Pass where a person typed the first digits of `wanted`; FH-409 for others, which says when they are too few or those of this side."""
    if same_fingerprint(typed, wanted):
        return
    if fault := mistyped(typed):
        raise problems.FINGERPRINT_DIFFERS.problem(f"--fingerprint {fault}", why=MISTYPED, fix=f"Type the digits that {whose} reads out.")
    if same_fingerprint(typed, own):
        what = f"--fingerprint has the digits of {here} itself, and those of {whose} are wanted"
        raise problems.FINGERPRINT_DIFFERS.problem(what, why=MISTYPED, fix=f"Type the digits that {whose} reads out.")
    raise problems.FINGERPRINT_DIFFERS.problem(f"The key of {whose} has another fingerprint")


def public_hex(key: Ed25519PrivateKey) -> Hex:
    """The public half of a signing key as 64 hex digits."""
    return key.public_key().public_bytes_raw().hex()


def node_fingerprint(openssh_public: str) -> Hex:
    """SHA-256, hex, of a node's public key: type and base64 without a comment."""
    return hashlib.sha256(" ".join(openssh_public.split()[:2]).encode()).hexdigest()


def signed_by(public_key: Hex, signature: Hex, message: bytes) -> bool:
    """Whether an Ed25519 signature (hex) over `message` fits a public key (hex); malformed input is simply False."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private_bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except FileNotFoundError:
        raise problems.IDENTITY_MISSING.problem(f"{path.name} is missing", where=path.name) from None
    except OSError as error:
        raise problems.KEY_PERMISSIONS.problem(f"{path.name} cannot be read ({error.strerror})", where=path.name) from None
    if stat.S_IMODE(mode) & 0o077:
        folder = path.parent.absolute()
        raise problems.KEY_PERMISSIONS.problem(
            f"The key file {folder.name}/{path.name} has mode {stat.S_IMODE(mode):04o}",
            fix=f"`chmod -R go= {shlex.quote(str(folder))}`, then the same command again. Ask who could read it before; if that was "
            "somebody else, renew the keys.",
            where=path.name,
        )
    return data


def _load_signing(path: Path) -> Ed25519PrivateKey:
    data = _private_bytes(path)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise problems.IDENTITY_UNREADABLE.problem(f"{path.name} is not an Ed25519 key", where=path.name)
    return key


def _load_node(path: Path) -> ec.EllipticCurvePrivateKey:
    data = _private_bytes(path)
    try:
        key = serialization.load_ssh_private_key(data, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise problems.IDENTITY_UNREADABLE.problem(f"{path.name} is not a P-384 OpenSSH key", where=path.name)
    return key


def _new_signing(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomic(path, pem, 0o600)
    return key


def private_folder(path: Path) -> Path:
    """The folder, made with mode 0700 where it is missing."""
    path.mkdir(parents=True, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o700)
    return path


@dataclass(frozen=True)
class SiteIdentity:
    """A hospital's two key pairs and its name; `folder` is `state/identity`."""

    name: str
    folder: Path
    signing_key: Ed25519PrivateKey
    node_key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, state_dir: Path, name: str) -> SiteIdentity:
        """New keys in `state_dir/identity`; refuses (FH-402) where keys exist."""
        folder = private_folder(private_folder(state_dir) / "identity")
        if any((folder / file).exists() for file in (SIGNING_FILE, NODE_FILE)):
            raise problems.IDENTITY_EXISTS.problem("The identity folder holds keys already", where="state/identity")
        node_key = ec.generate_private_key(ec.SECP384R1())
        openssh = node_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        write_atomic(folder / NAME_FILE, f"{name}\n".encode(), 0o600)
        write_atomic(folder / NODE_FILE, openssh, 0o600)
        return cls(name, folder, _new_signing(folder / SIGNING_FILE), node_key)

    @classmethod
    def load(cls, state_dir: Path, name: str | None = None) -> SiteIdentity:
        """The keys of a state folder; FH-401 where none are, FH-403 where others can read them, FH-408 under another name."""
        folder = state_dir / "identity"
        known = _private_bytes(folder / NAME_FILE).decode(errors="replace").strip()
        if name is not None and name != known:
            raise problems.KIT_NOT_YOURS.problem(
                f"The keys here belong to {known!r}, site.yaml says {name!r}",
                why="A hospital has one name: the one it made its keys under and was enrolled by.",
                fix=f"Write `site: {known}` in site.yaml. Where this site.yaml was meant for another hospital, go to that one's folder.",
                where="site.yaml: site",
            )
        return cls(known, folder, _load_signing(folder / SIGNING_FILE), _load_node(folder / NODE_FILE))

    @property
    def public_key(self) -> Hex:
        """The signing key's public half, 64 hex digits."""
        return public_hex(self.signing_key)

    @property
    def fingerprint(self) -> Hex:
        """SHA-256 of the public signing key, hex."""
        return fingerprint(self.public_key)

    @property
    def node_public(self) -> str:
        """The node key's public half as one OpenSSH line."""
        openssh = self.node_key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return openssh.decode()

    @property
    def node_file(self) -> Path:
        """Where Flower reads the node's private key."""
        return self.folder / NODE_FILE

    def sign(self, message: bytes) -> Hex:
        """Ed25519 signature, hex."""
        return self.signing_key.sign(message).hex()

    def request(self, software: str = "") -> SiteRequest:
        """The enrolment request, signed with both keys (proof of possession)."""
        bare = SiteRequest(site=self.name, signing_key=self.public_key, node_key=self.node_public, software=software)
        by_node = self.node_key.sign(bare.unsigned(), ec.ECDSA(hashes.SHA384()))
        return bare.model_copy(update={"signature": self.sign(bare.unsigned()), "node_signature": by_node.hex()})


@dataclass(frozen=True)
class CoordinatorIdentity:
    """The trial office's signing key; `folder` is `identity` in the coordinator's home."""

    folder: Path
    signing_key: Ed25519PrivateKey

    @classmethod
    def create(cls, home: Path) -> CoordinatorIdentity:
        """A new key in `home/identity`; refuses (FH-402) where one exists. A `home` that exists keeps the mode its owner gave it."""
        folder = private_folder(make_folder(home) / "identity")
        if (folder / SIGNING_FILE).exists():
            fix = "Go on with this office (`fedhcc-coordinator list`), or name another folder with --home for a new one."
            raise problems.IDENTITY_EXISTS.problem("The identity folder holds a key already", fix=fix, where="identity")
        return cls(folder, _new_signing(folder / SIGNING_FILE))

    @classmethod
    def load(cls, home: Path) -> CoordinatorIdentity:
        """The key of a coordinator's home."""
        return cls(home / "identity", _load_signing(home / "identity" / SIGNING_FILE))

    @property
    def public_key(self) -> Hex:
        """The public half, 64 hex digits."""
        return public_hex(self.signing_key)

    @property
    def fingerprint(self) -> Hex:
        """SHA-256 of the public key, hex."""
        return fingerprint(self.public_key)

    def sign(self, message: bytes) -> Hex:
        """Ed25519 signature, hex."""
        return self.signing_key.sign(message).hex()


def read_request(data: bytes) -> SiteRequest:
    """A request with both signatures checked; FH-405 for anything else, FH-414 for another of the program's documents."""
    try:
        request = SiteRequest.model_validate_json(_bounded(data))
        node = serialization.load_ssh_public_key(request.node_key.encode())
    except (ValidationError, ValueError, TypeError):
        raise not_a("enrolment request", data, problems.REQUEST_INVALID) from None
    if not isinstance(node, ec.EllipticCurvePublicKey) or not isinstance(node.curve, ec.SECP384R1):
        raise problems.REQUEST_INVALID.problem("The node key is not a P-384 key")
    if not signed_by(request.signing_key, request.signature, request.unsigned()):
        raise problems.REQUEST_INVALID.problem("The signing key's signature does not fit")
    try:
        node.verify(bytes.fromhex(request.node_signature), request.unsigned(), ec.ECDSA(hashes.SHA384()))
    except (InvalidSignature, ValueError):
        raise problems.REQUEST_INVALID.problem("The node key's signature does not fit") from None
    return request


def sign_kit(kit: Kit, identity: CoordinatorIdentity) -> Kit:
    """The kit with the coordinator's signature."""
    return kit.model_copy(update={"signature": identity.sign(kit.unsigned())})


def read_kit(data: bytes, identity: SiteIdentity, read_out: str | None = None) -> Kit:
    """A kit for this site: kind (FH-414), signature (FH-407), names and keys (FH-408), and the fingerprint read out (FH-409)."""
    try:
        kit = Kit.model_validate_json(_bounded(data))
    except (ValidationError, ValueError):
        raise not_a("kit", data, problems.KIT_SIGNATURE) from None
    if not signed_by(kit.coordinator_key, kit.signature, kit.unsigned()):
        raise problems.KIT_SIGNATURE.problem("The kit's signature does not fit its content")
    mine = (identity.name, identity.public_key, node_fingerprint(identity.node_public))
    if kit.site != identity.name:
        raise problems.KIT_NOT_YOURS.problem(
            f"The kit was issued for {kit.site!r}, and this folder is the hospital {identity.name!r}",
            fix=f"Join with `{identity.name}.kit.json`, or go to the folder of {kit.site}; if the wrong kit was sent, ask the coordinator.",
        )
    if (kit.site, kit.signing_key, kit.node_fingerprint) != mine:
        raise problems.KIT_NOT_YOURS.problem(f"The kit was issued for {kit.site!r} and other keys")
    if read_out is not None:
        require_fingerprint(read_out, fingerprint(kit.coordinator_key), "the coordinator", identity.fingerprint, identity.name)
    return kit


def read_lock(data: bytes, otherwise: Kind = problems.LOCK_SIGNATURE, where: str | None = None) -> SignedLock:
    """A signed lock, its signature not yet checked; FH-414 for another document, `otherwise` for what is none or damaged."""
    try:
        return SignedLock.model_validate_json(data)
    except ValidationError:
        raise not_a("signed lock", data, otherwise, where) from None


def lock_bytes(lock: StudyLock) -> bytes:
    """The bytes a coordinator signs: the canonical lock, the same whose hash is the study id."""
    return canonical(lock.model_dump(mode="json"))


def sign_lock(lock: StudyLock, identity: CoordinatorIdentity) -> SignedLock:
    """The lock with the coordinator's signature; FH-412 where the lock names another coordinator."""
    if lock.coordinator_key != identity.public_key:
        raise problems.COORDINATOR_DIFFERS.problem("The lock names another coordinator's key than the one that signs")
    return SignedLock(lock=lock, signature=identity.sign(lock_bytes(lock)))


def verify_lock(signed: SignedLock, key: Hex) -> StudyLock:
    """The lock, when `key` (hex) signed it: FH-412 for another coordinator, FH-410 for a bad signature."""
    if signed.lock.coordinator_key != key:
        raise problems.COORDINATOR_DIFFERS.problem("The lock names another coordinator's key")
    if not signed_by(key, signed.signature, lock_bytes(signed.lock)):
        raise problems.LOCK_SIGNATURE.problem("The lock's signature does not fit its content")
    return signed.lock


def verify_own_entry(lock: StudyLock, identity: SiteIdentity) -> None:
    """That the lock names this site under its present keys; FH-411."""
    entry = next((entry for entry in lock.roster if entry.name == identity.name), None)
    if entry is None:
        raise problems.LOCK_ROSTER.problem("The lock does not name this site")
    if entry.signing_key != identity.public_key or entry.node_fingerprint != node_fingerprint(identity.node_public):
        raise problems.LOCK_ROSTER.problem("The lock names other keys for this site")


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_DOCUMENT:
        raise ValueError("document too large")
    return data
