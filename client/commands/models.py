"""`fedhcc-site models`: published segmentation models a hospital can use, and adding one from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, json_wanted, note, show, table

CHECKSUMS = "Its makers publish no checksum: compare this one with the other hospitals' (`--sha256` asks for it)."

models = typer.Typer(name="models", help="Segmentation models that exist: list them, fetch one, add one from a file.", no_args_is_help=True)


@models.command("list")
def list_command(json: Json = False) -> None:
    """List the model packs: source, what they mark, licence and what they were trained on."""
    from client.segmentation.published_models import PACKS

    rows = [(pack.name, ", ".join(pack.targets), pack.trained_on, pack.licence, pack.url) for pack in PACKS.values()]
    data = {"packs": [{**vars(pack), "url": pack.url} for pack in PACKS.values()]}
    show(data, table("Model packs", ("pack", "targets", "trained on", "licence", "source"), rows, "what no pack marks well: draw it"))


@models.command()
def add(
    pack: Annotated[str, typer.Argument(help="A pack's name, or a target such as liver or lung_tumour.")],
    file: Annotated[Path | None, typer.Option("--from", help="The zip archive, fetched elsewhere.", dir_okay=False)] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch the archive now, from its makers or --url; a broken fetch goes on.")
    ] = False,
    url: Annotated[str | None, typer.Option("--url", help="Another place of the same archive, such as the hospital's own mirror.")] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="The archive's SHA-256 (hex) that others of the study have.")] = None,
    home: Home = Path(),
    json: Json = False,
) -> None:
    """Verify a published model, unpack it below models/, and print the lines for site.yaml with the SHA-256 of each file.

    With --fetch it is fetched first; else no connection is opened, and the command says where the archive is.
    """
    from client.segmentation.published_models import add_pack, pack_of
    from site_config.documents.read_yaml_documents import load_site
    from site_config.problems import segmentation as problems

    chosen = pack_of(pack)
    if file is None and not fetch:
        raise problems.PACK_NOT_FETCHED.problem(
            f"the pack {chosen.name} is not here yet",
            fix=f"With a network: `fedhcc-site models add {chosen.name} --fetch`. Without: fetch {chosen.url} elsewhere, then"
            f" `fedhcc-site models add {chosen.name} --from {chosen.file}`.",
        )
    site = load_site(home / "site.yaml")
    archive, digest = _archive(file, url or chosen.url, home, sha256)
    added = add_pack(chosen, archive, home / "models" / chosen.name, site.policy.simulated_patients)
    if file is None:
        archive.unlink(missing_ok=True)
    lines = added.as_yaml(home)
    data = {
        "pack": chosen.name,
        "folder": str(added.folder),
        "archive_sha256": digest,
        "sha256": added.model.sha256,
        "targets": added.targets,
        "yaml": lines,
    }
    told = f"{chosen.licence}\nTrained on: {chosen.trained_on}. {chosen.note}\nSHA-256 of the archive: {digest}. {CHECKSUMS}"
    show(data, f"{told}\nPut this into site.yaml, then: `fedhcc-site check`\n\n{lines}")


def _archive(file: Path | None, url: str, home: Path, sha256: str | None) -> tuple[Path, str]:
    """The archive and its SHA-256: the file as given, or fetched into models/fetched."""
    import time

    from client.segmentation.fetch_model import checked, fetch

    if file is not None:
        return file, checked(file, sha256)

    def progress(have: int, everything: int | None) -> None:
        if not json_wanted() and have % (32 * 2**20) < 2**20:
            note(f"  {have / 2**20:.0f} MiB" + (f" of {everything / 2**20:.0f}" if everything else ""))

    got = fetch(url, home / "models" / "fetched", time.sleep, sha256, progress)
    return got.path, got.sha256


def register(app: typer.Typer) -> None:
    """Add `models` to the hospital's command line."""
    app.add_typer(models)
