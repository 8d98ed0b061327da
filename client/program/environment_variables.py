"""What the machine around the program declares by environment variables: proxy, a further certificate authority, mounts.

They describe the hospital's network and engine, not the study, so they stand in the compose file and not in `site.yaml`.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from site_config.atomic_files import CONTAINER, access_problem, read_limited
from site_config.problems import federation, host
from site_config.site_yaml import SiteConfig
from site_config.tables.csv_text import BYTES

PROXY_FILE: Final = "FEDHCC_PROXY_FILE"
"""A file with the proxy's address, user and password included: a secret, so that no `inspect` shows the password."""
EXTRA_CA: Final = "FEDHCC_EXTRA_CA"
"""A PEM file with a certificate authority besides the kit's, where the hospital's own firewall opens TLS and signs it anew."""
LIMIT: Final = 1 << 20


def use_proxy(environment: MutableMapping[str, str]) -> None:
    """Take the proxy out of its file. Raises an access problem (FH-910, FH-911) where the secret is missing, FH-902 where it is none."""
    place = environment.get(PROXY_FILE)
    if not place:
        return
    text = read_limited(Path(place), LIMIT, "the proxy's secret").decode("utf-8", "replace").strip()
    if not text.startswith(("http://", "https://")) or len(text.split()) != 1:
        raise host.USAGE.problem(
            f"the file {PROXY_FILE} names holds no proxy address",
            why="One line is expected, beginning with http:// or https://.",
            fix="Write http://PROXY:PORT, with USER:PASSWORD@ before PROXY where it asks for them, into the secret's file.",
        )
    environment["HTTPS_PROXY"] = text


def extra_ca(environment: MutableMapping[str, str]) -> str:
    """PEM text to trust besides the kit's certificate authority; empty without. Raises FH-910, FH-911 or FH-714."""
    place = environment.get(EXTRA_CA)
    if not place:
        return ""
    text = read_limited(Path(place), LIMIT, "the further certificate authority").decode("ascii", "replace")
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise federation.GATEWAY_UNTRUSTED.problem(
            f"the file {EXTRA_CA} names holds no certificate",
            why="A PEM text is expected: lines between BEGIN CERTIFICATE and END CERTIFICATE.",
            fix="Export the firewall's certificate authority as PEM (base64), and name that file.",
        ) from None
    return "\n" + text


def check_mounts(site: SiteConfig, environment: MutableMapping[str, str]) -> None:
    """In a container: tables can be read and the scans' folder listed, so that a wrong mount is told at the start, not in a round.

    Raises the access problems of the role, FH-910 to FH-916. Outside a container nothing is asked: paths are what they are.
    """
    if not environment.get(CONTAINER):
        return
    read_limited(site.path(site.paths.cohort), BYTES, "cohort.csv")
    if site.paths.scans is None:
        return
    read_limited(site.path(site.paths.scans), BYTES, "scans.csv")
    try:
        with os.scandir(site.path(site.paths.images)) as entries:
            next(entries, None)
    except OSError as error:
        raise access_problem(error, "the folder of the scans") from None
