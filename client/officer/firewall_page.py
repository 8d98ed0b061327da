"""What a hospital's network team has to open, and what it need not: one page, from the kit alone."""

from __future__ import annotations

import hashlib
import ssl

from site_config.keys_and_signatures import Kit

IDLE_MB_AN_HOUR = 3
"""Megabytes up an hour while a site only stays connected (2.2 measured)."""


def firewall_rows(kit: Kit) -> list[tuple[str, str]]:
    """Words and values, in the order in which a network team asks."""
    host, _, port = kit.address.rpartition(":")
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(_first(kit.ca))).hexdigest().upper()
    pairs = ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
    return [
        ("direction", "outgoing only; nothing listens on the hospital's machine, no inbound rule is needed"),
        ("destination", f"{host}, TCP port {port} ({kit.title})"),
        ("protocol", "HTTPS (TLS 1.2 or 1.3, HTTP/1.1), POST to paths below /v1/fleet/ only"),
        ("proxy", "HTTPS_PROXY with CONNECT works, with a name and password too; NO_PROXY is kept"),
        ("TLS inspection", "must leave this destination out; where it cannot, FEDHCC_EXTRA_CA names the firewall's authority"),
        ("certificate", f"made by the office's own authority, SHA-256 {pairs}"),
        ("time-outs", "a request may stand open for 25 seconds; idle connections should live for 60 seconds"),
        ("volume", f"idle about {IDLE_MB_AN_HOUR} MB an hour; a training round of a network 33 MB down and 33 MB up"),
        ("name service", f"the machine looks up {host}" if not host.replace(".", "").isdigit() else "none: the address is a number"),
        ("time service", "the clock may differ by at most 4 minutes; NTP is recommended"),
        ("never needed", "no remote login, no other port, no connection from hospital to hospital, no e-mail"),
        ("to try it", f"openssl s_client -connect {kit.address} </dev/null; then: fedhcc-site doctor"),
    ]


def _first(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return pem[: pem.index(end) + len(end)] + "\n"


def firewall_page(kit: Kit) -> str:
    """The rows as a page to print, on one A4 sheet."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("client"), undefined=StrictUndefined, autoescape=True)
    return environment.get_template("firewall.html.j2").render(kit=kit, rows=firewall_rows(kit))
