"""`fedhcc-site models`: published segmentation models a hospital can use, and adding one from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from site_config.console import Json, show, table

Home = Annotated[Path, typer.Option("--home", envvar="FEDHCC_SITE_HOME", help="The folder that holds site.yaml.", file_okay=False)]

CHECKSUMS = "The checksums are those of your file: its makers publish none."

models = typer.Typer(name="models", help="Segmentation models that exist: list them, add one from a file.", no_args_is_help=True)


@models.command("list")
def list_command(json: Json = False) -> None:
    """List the model packs: source, what they mark, licence and what they were trained on."""
    from client.segmentation.packs import PACKS

    rows = [(pack.name, ", ".join(pack.targets), pack.trained_on, pack.licence, pack.url) for pack in PACKS.values()]
    data = {"packs": [{**vars(pack), "url": pack.url} for pack in PACKS.values()]}
    show(data, table("Model packs", ("pack", "targets", "trained on", "licence", "source"), rows, "what no pack marks well: draw it"))


@models.command()
def add(
    pack: Annotated[str, typer.Argument(help="A pack's name, or a target such as liver or lung_tumour.")],
    file: Annotated[Path | None, typer.Option("--from", help="The fetched zip archive.", dir_okay=False)] = None,
    home: Home = Path(),
    json: Json = False,
) -> None:
    """Verify a fetched model, unpack it below models/, and print the lines for site.yaml with the SHA-256 of each file.

    Without --from the command says what to fetch: this program opens no connection but the study's own.
    """
    from client.segmentation.packs import add_pack, pack_of
    from site_config.documents.load import load_site
    from site_config.problems import segmentation as problems

    chosen = pack_of(pack)
    if file is None:
        raise problems.PACK_NOT_FETCHED.problem(
            f"the pack {chosen.name} is not here yet",
            fix=f"Fetch it where you may: `curl -LO {chosen.url}`, then `fedhcc-site models add {chosen.name} --from {chosen.file}`.",
        )
    site = load_site(home / "site.yaml")
    added = add_pack(chosen, file, home / "models" / chosen.name, site.policy.simulated_patients)
    lines = added.as_yaml(home)
    data = {"pack": chosen.name, "folder": str(added.folder), "sha256": added.model.sha256, "targets": added.targets, "yaml": lines}
    told = f"{chosen.licence}\nTrained on: {chosen.trained_on}. {chosen.note}\n{CHECKSUMS}"
    show(data, f"{told}\nPut this into site.yaml, then: fedhcc-site check\n\n{lines}")


def register(app: typer.Typer) -> None:
    """Add `models` to the hospital's command line."""
    app.add_typer(models)
