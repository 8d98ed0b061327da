"""What is in an image: our own packages, no installer, no compiler, its size."""

from __future__ import annotations

import json
from typing import Any, Final

from evidence.containers.podman import Podman

OURS: Final = ("client", "server", "simulations", "fedhcc", "evidence", "shared_model", "site_config", "tests")
WANTED: Final = {
    "site": {"client", "shared_model", "site_config"},
    "coordinator": {"client", "server", "shared_model", "site_config"},
}
FORBIDDEN: Final = ("gcc", "cc", "g++", "clang", "ld", "make", "pip", "pip3", "uv", "uvx", "easy_install")
LARGEST_BYTES: Final = {"site": 2.2e9, "coordinator": 1.6e9}
PROBE: Final = f"""
import importlib.util, json, shutil, sys
from importlib.metadata import distributions
print(json.dumps({{
    "ours": [n for n in {OURS!r} if importlib.util.find_spec(n)],
    "tools": [n for n in {FORBIDDEN!r} if shutil.which(n)],
    "modules": [n for n in ("pip", "ensurepip", "torchvision", "triton") if importlib.util.find_spec(n)],
    "cuda": sorted(d.name for d in distributions() if d.name.startswith(("nvidia", "cuda"))),
    "packages": len(list(distributions())),
}}))
"""


def look(podman: Podman, image: str) -> dict[str, Any]:
    """What the probe finds in an image, without a network."""
    ended = podman.call("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", PROBE, merged=False)
    return dict(json.loads(ended.output.splitlines()[-1]))


def size(podman: Podman, image: str) -> int:
    """Bytes of the image's layers."""
    return int(json.loads(podman.call("image", "inspect", image, merged=False).output)[0]["Size"])


def measure(podman: Podman, site: str, coordinator: str) -> dict[str, Any]:
    """Size and contents of both."""
    figures: dict[str, Any] = {}
    for kind, image in (("site", site), ("coordinator", coordinator)):
        found, large = look(podman, image), size(podman, image)
        figures[kind] = {
            "gigabytes": round(large / 1e9, 2),
            "within_the_bar": large <= LARGEST_BYTES[kind],
            "only_its_own_code": set(found["ours"]) == WANTED[kind],
            "no_compiler_and_no_installer": not found["tools"] and not found["modules"],
            "no_cuda": not found["cuda"],
            "packages": found["packages"],
        }
    return figures
