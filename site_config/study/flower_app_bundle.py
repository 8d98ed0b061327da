"""The Flower app bundle of this version: a constant that names the program and carries none of it.

Flower ships an app as a zip file to every node. Hospitals never run what is shipped: they run what is installed, and
answer only when the bundle's SHA-256 is the one this very version makes. So the bundle is built from the version alone.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib.metadata import PackageNotFoundError, version

PYPROJECT = """[project]
name = "fedhcc"
version = "{version}"
description = "Runs the code installed at the site; this bundle holds none."

[tool.flwr.app]
publisher = "fedhcc"

[tool.flwr.app.components]
serverapp = "server.app:app"
clientapp = "client.app:app"

[tool.flwr.app.config]
"""


def software_version() -> str:
    """The installed version of the program."""
    try:
        return version("fedhcc")
    except PackageNotFoundError:
        return "0.1.0"


def app_bundle(release: str | None = None) -> bytes:
    """The bundle of a version as zip bytes, the same on every machine."""
    content = PYPROJECT.format(version=release or software_version()).encode()
    listing = f"pyproject.toml,{hashlib.sha256(content).hexdigest()},{len(content) * 8}\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (("pyproject.toml", content), (".info/CONTENT", listing)):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def bundle_hash(release: str | None = None) -> str:
    """SHA-256, hex, of the bundle: the site's allow-list of one."""
    return hashlib.sha256(app_bundle(release)).hexdigest()
