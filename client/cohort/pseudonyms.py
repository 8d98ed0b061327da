"""The site's secret, and what is derived from it: patients' ids and the split inside the site.

The secret never leaves the state folder. An id says nothing about the patient to anybody without it, and two sites'
ids of the same person differ.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from site_config.atomic_files import make_folder, read_limited, write_problem
from site_config.problems import scans

SECRET_BYTES = 32
KEY_HEX = 32


def site_secret(state: Path) -> bytes:
    """The 32 bytes of state/secret, made when absent; of two processes that make it at once, one wins for both.

    Raises FH-355 when the file holds anything else.
    """
    path = state / "secret"
    if not path.exists():
        make_folder(state)
        _create(path)
    secret = read_limited(path, 4096, "state/secret")
    if len(secret) != SECRET_BYTES:
        raise scans.SECRET_DAMAGED.problem(f"state/secret holds {len(secret)} bytes instead of {SECRET_BYTES}", where="state/secret")
    return secret


def _create(path: Path) -> None:
    """Write a new secret under a temporary name and link it into place: it is there whole, once, or not at all."""
    temporary = path.with_name(f".secret.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as stream:
            temporary.chmod(0o600)
            stream.write(secrets.token_bytes(SECRET_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    except OSError as error:
        raise write_problem(error, "state/secret") from None
    finally:
        temporary.unlink(missing_ok=True)


def keyed_hash(secret: bytes, purpose: str, *parts: str) -> bytes:
    """HMAC-SHA256 of a purpose and parts, each with its length, so that no two inputs run together."""
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in (purpose, *parts))
    return hmac.new(secret, message, hashlib.sha256).digest()


def patient_key(secret: bytes, patient: str) -> str:
    """A patient's id on this site, 32 hex digits."""
    return keyed_hash(secret, "patient", patient).hex()[:KEY_HEX]


def is_validation(secret: bytes, patient: str, fraction: float) -> bool:
    """Whether a development patient belongs to the validation part: the same answer every time and in every study.

    A split of its own for each study would let two studies' results differ by the few patients who changed sides.
    """
    number = int.from_bytes(keyed_hash(secret, "validation", patient)[:8], "big")
    return number < fraction * 2.0**64
