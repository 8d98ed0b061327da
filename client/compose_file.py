"""The compose file of a hospital's container, written from `site.yaml` and checked against it.

The container sees the folder of `site.yaml` as `/site`, read only, its state folder writable, and what is mounted besides.
It has no right of its own (no capability, no new privileges, read-only root, a user number no account of the host has), one
way out (the kit's address), a bounded share of the machine, and, where `compute.device` asks for it, one GPU.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

import yaml

from site_config.problems import host, model
from site_config.problems.base import together
from site_config.site_yaml import SiteConfig

HOME: Final = PurePosixPath("/site")
USER: Final = "10001:10001"
RESTART_PAUSE_S: Final = 60
"""Between a fault at the start and the next try. Flower holds a killed node's place for 60 s; the program waits that out by itself."""
Engine = Literal["docker", "podman"]

HEAD: Final = """# Written by `fedhcc-site compose` from site.yaml; run the command again after a change of paths, device or image.
# `COMPOSE up -d` starts it in this folder, `COMPOSE logs` tells what it says, `COMPOSE stop` ends it.
# After a change: `COMPOSE down`, then `up -d`.
"""
COMPOSE: Final[dict[Engine, str]] = {"docker": "docker compose", "podman": "podman-compose"}
"""How each engine's compose is called: `podman compose` exists from Podman 4.7 on, and calls podman-compose."""
RESTART: Final[dict[Engine, str]] = {"docker": "unless-stopped", "podman": "always"}
"""Started again after a fault and at the machine's start. Podman's service for the latter looks for `always` alone."""


@dataclass(frozen=True)
class Mount:
    """A place of the host the container sees, read only, under a path of its own."""

    source: str
    target: PurePosixPath

    @classmethod
    def parse(cls, text: str) -> Mount:
        """`HOST=CONTAINER`. Raises FH-902 where one is missing or the second is not an absolute path besides `/site`."""
        source, _, target = text.rpartition("=")
        place = PurePosixPath(target)
        if not source or not place.is_absolute() or place == HOME or HOME in place.parents or ".." in place.parts or ":" in text:
            raise host.USAGE.problem(f"--mount {text}", why="HOST=CONTAINER is expected, the second a path outside /site, without colons.")
        return cls(source, place)

    def holds(self, path: PurePosixPath) -> bool:
        """Whether a path of the container lies in it."""
        return path == self.target or self.target in path.parents


@dataclass(frozen=True)
class Wanted:
    """What `site.yaml` does not know: the image, the engine, mounts, limits, and the network around."""

    image: str
    engine: Engine = "docker"
    mounts: tuple[Mount, ...] = ()
    memory: str = "16g"
    processors: float | None = None
    proxy_secret: str | None = None
    extra_ca: str | None = None


def declared_paths(site: SiteConfig) -> dict[str, Path]:
    """Every path `site.yaml` declares, by its field."""
    paths = {f"paths.{name}": path for name in ("cohort", "scans", "images", "state") if (path := getattr(site.paths, name)) is not None}
    return paths | {f"segmentation.models.{name}.folder": found.folder for name, found in site.segmentation.models.items()}


def check(site: SiteConfig, wanted: Wanted) -> None:
    """Raises FH-919 for every path that would not exist in the container, all at once."""
    faults = []
    for name, path in declared_paths(site).items():
        inside = HOME / PurePosixPath(path.as_posix())
        seen = ".." not in inside.parts and (HOME in inside.parents or any(mount.holds(inside) for mount in wanted.mounts))
        if name == "paths.state" and not (HOME in inside.parents and ".." not in inside.parts):
            faults.append(host.NOT_MOUNTED.problem(f"{path}: the state folder has to lie beside site.yaml", where=f"site.yaml: {name}"))
        elif not seen:
            what = f"{path} lies outside /site and outside every mount"
            held = path.parent if name in ("paths.cohort", "paths.scans") else path
            fix = (
                f"Mount its folder: `fedhcc-site compose --mount {shlex.quote(f'{held}=/data')}`, and write the path below /data "
                f"into site.yaml, {name}."
            )
            faults.append(host.NOT_MOUNTED.problem(what, fix=fix, where=f"site.yaml: {name}"))
    if faults:
        raise together(faults)


def _volumes(site: SiteConfig, wanted: Wanted) -> list[str]:
    state = (HOME / PurePosixPath(site.paths.state.as_posix())).relative_to(HOME)
    volumes = [f".:{HOME}:ro", f"./{state}:{HOME / state}"]
    volumes += [f"{mount.source}:{mount.target}:ro" for mount in wanted.mounts]
    return volumes


def _network(wanted: Wanted) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Environment and secrets: the proxy's password and a further CA are files, and no value of them stands in the compose file."""
    environment = {"FEDHCC_RESTART_PAUSE": str(RESTART_PAUSE_S), "NO_PROXY": "localhost,127.0.0.1"}
    secrets: dict[str, dict[str, str]] = {}
    if wanted.proxy_secret:
        environment["FEDHCC_PROXY_FILE"] = "/run/secrets/proxy"
        secrets["proxy"] = {"file": wanted.proxy_secret}
    if wanted.extra_ca:
        environment["FEDHCC_EXTRA_CA"] = "/run/secrets/extra_ca"
        secrets["extra_ca"] = {"file": wanted.extra_ca}
    return environment, secrets


def _gpu(engine: Engine) -> dict[str, Any]:
    """One GPU: Docker's reservation, or Podman's device of the Container Device Interface."""
    if engine == "podman":
        return {"devices": ["nvidia.com/gpu=0"]}
    return {"deploy": {"resources": {"reservations": {"devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]}}}}


def compose(site: SiteConfig, wanted: Wanted) -> dict[str, Any]:
    """The compose file as data. Raises FH-919."""
    check(site, wanted)
    environment, secrets = _network(wanted)
    service: dict[str, Any] = {
        "image": wanted.image,
        "command": ["run"],
        "user": USER,
        "init": False,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": RESTART[wanted.engine],
        "stop_grace_period": "30s",
        "shm_size": "1gb",
        "mem_limit": wanted.memory,
        "pids_limit": 512,
        "tmpfs": ["/tmp:size=1g,mode=1777"],  # noqa: S108 - the container's own
        "environment": environment,
        "volumes": _volumes(site, wanted),
        "logging": {"driver": "json-file" if wanted.engine == "docker" else "k8s-file", "options": {"max-size": "10m"}},
    }
    if wanted.image.startswith("sha256:"):
        service["pull_policy"] = "never"  # an image loaded from an archive, by its number
    if wanted.processors:
        service["cpus"] = wanted.processors
    if secrets:
        service["secrets"] = sorted(secrets)
    if site.compute.device == "cuda":
        service |= _gpu(wanted.engine)
    return {"name": f"fedhcc-{site.site}", "services": {"site": service}, **({"secrets": secrets} if secrets else {})}


def text(site: SiteConfig, wanted: Wanted) -> str:
    """The compose file as YAML."""
    return HEAD.replace("COMPOSE", COMPOSE[wanted.engine]) + yaml.safe_dump(compose(site, wanted), sort_keys=False, width=120)


def check_gpu_wanted(site: SiteConfig, gpu: bool | None) -> None:
    """FH-605 where the command line and `compute.device` say different things about a GPU."""
    if gpu is not None and gpu != (site.compute.device == "cuda"):
        raise model.NO_GPU.problem(
            f"--{'gpu' if gpu else 'no-gpu'}, and compute.device is {site.compute.device}",
            why="The compose file follows site.yaml, so a container without its GPU says so and never trains on the CPU.",
            fix=f"Set compute.device to {'cuda' if gpu else 'cpu'} in site.yaml.",
            where="site.yaml: compute.device",
        )
