"""The coordinator's own certificate authority: one CA, one certificate for the gateway, one for the private SuperLink.

A site's kit holds the CA certificate and nothing else of it. Keys are NIST P-256, mode 0600.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from site_config.atomic_files import read_limited, write_atomic
from site_config.keys_and_signatures import private_folder

CA_DAYS = 3650
SERVER_DAYS = 397
ANNOUNCED_DAYS, RENEWED_DAYS = 60, 30
"""Days before its end on which a certificate's end is announced, and on which a running office renews it."""
LIMIT = 1 << 16


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomic(path, pem, 0o600)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def create_authority(folder: Path, title: str, now: dt.datetime) -> None:
    """Write `ca.key` and `ca.pem` into `folder`."""
    private_folder(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"fedhcc {title}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(folder / "ca.key", key)
    write_atomic(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def issue(folder: Path, name: str, hosts: tuple[str, ...], now: dt.datetime) -> None:
    """Write `NAME.key` and `NAME.pem` for a TLS server that is reached under `hosts` (names or addresses)."""
    authority = x509.load_pem_x509_certificate(read_limited(folder / "ca.pem", LIMIT))
    signer = serialization.load_pem_private_key(read_limited(folder / "ca.key", LIMIT), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(hosts[0]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=SERVER_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in dict.fromkeys(hosts)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write_key(folder / f"{name}.key", key)
    write_atomic(folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def expires(folder: Path, name: str) -> dt.datetime:
    """When `NAME.pem` expires, UTC."""
    return x509.load_pem_x509_certificate(read_limited(folder / f"{name}.pem", LIMIT)).not_valid_after_utc
