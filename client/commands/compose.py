"""`fedhcc-site compose`: the checked compose file of this hospital's container."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, note, show

DEFAULT_IMAGE = "fedhcc-site"


def compose(
    image: Annotated[
        str,
        typer.Option("--image", envvar="FEDHCC_SITE_IMAGE", help="The image, pinned: NAME@sha256:…, or sha256:… of a loaded archive."),
    ] = DEFAULT_IMAGE,
    mount: Annotated[
        list[str] | None, typer.Option("--mount", help="HOST=CONTAINER, read only, for example /pacs/export=/scans; may be repeated.")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", help="docker or podman: they name a GPU differently.")] = "docker",
    gpu: Annotated[bool | None, typer.Option("--gpu/--no-gpu", help="Only to be sure: the file follows compute.device.")] = None,
    memory: Annotated[str, typer.Option("--memory", help="Most memory the container may take, for example 16g.")] = "16g",
    cpus: Annotated[float | None, typer.Option("--cpus", min=0.1, help="Most processors it may take.")] = None,
    proxy_secret: Annotated[str | None, typer.Option("--proxy-secret", help="File on the host with the proxy's address.")] = None,
    extra_ca: Annotated[str | None, typer.Option("--extra-ca", help="PEM file on the host: a certificate authority to trust too.")] = None,
    home: Home = Path(),
    json: Json = False,
) -> None:
    """Write compose.yaml from site.yaml; every path is checked against what the container will see."""
    from client.compose_file import COMPOSE, Mount, Wanted, check_gpu_wanted, text
    from client.compose_file import compose as made
    from site_config.atomic_files import write_atomic
    from site_config.documents.read_yaml_documents import load_site
    from site_config.problems import host

    if engine not in ("docker", "podman"):
        raise host.USAGE.problem(f"--engine {engine}", fix="Say docker or podman.")
    site = load_site(home / "site.yaml")
    check_gpu_wanted(site, gpu)
    mounts = tuple(Mount.parse(one) for one in mount or ())
    chosen = "docker" if engine == "docker" else "podman"
    wanted = Wanted(image, chosen, mounts, memory, cpus, proxy_secret, extra_ca)  # type: ignore[arg-type]
    path = home / "compose.yaml"
    write_atomic(path, text(site, wanted).encode(), 0o644)
    show({"file": str(path), "compose": made(site, wanted)}, f"Wrote {path}.")
    if "sha256:" not in image:
        note("The image is named without its digest, so another content can take its name.")
        note("Pin it: --image NAME@sha256:…, or the number in image-id.txt where it was loaded from an archive.")
    note(f"Next, on the host, in this folder: {COMPOSE[wanted.engine]} up -d")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compose)
