"""`fedhcc-site init` and `join`: two exchanges with the coordinator, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from site_config.console import Json, next_command, note, show
from site_config.terminal.which_folder import a_hospital, refuse_the_other

Home = Annotated[
    Path,
    typer.Option("--home", envvar="FEDHCC_SITE_HOME", help="The folder with site.yaml.", callback=a_hospital, readable=False),
]
AnyHome = Annotated[
    Path,
    typer.Option("--home", envvar="FEDHCC_SITE_HOME", help="The folder with site.yaml.", file_okay=False),
]
"""Also a folder in which there is no hospital yet."""
TEMPLATE = """# The hospital's own configuration. docs/reference/site.md lists every field;
# `fedhcc-site check` reads this file and the tables.
site: {name}
paths:
  cohort: cohort.csv
  scans: scans.csv
  images: images
  state: state
"""


def state_of(home: Path) -> Path:
    """The state folder that site.yaml names."""
    from site_config.documents.read_yaml_documents import load_site

    return load_site(home / "site.yaml").state


def init(
    name: Annotated[str, typer.Option("--name", help="Short name of the hospital: small letters, digits, hyphens.")],
    home: AnyHome = Path(),
    json: Json = False,
) -> None:
    """Make this hospital's keys and the enrolment request to send to the coordinator."""
    from client import keys_kit_and_decisions as enrol
    from site_config.atomic_files import make_folder, write_atomic
    from site_config.documents.read_yaml_documents import load_site, parse_site
    from site_config.documents.yaml_text import written
    from site_config.keys_and_signatures import fingerprint, spoken
    from site_config.problems import host
    from site_config.study.code_digest import software

    refuse_the_other("hospital", home)
    document = home / "site.yaml"
    if not document.exists():
        text = TEMPLATE.format(name=written(name)).encode()
        parse_site(text, "site.yaml", home)
        make_folder(home)
        write_atomic(document, text, 0o644)
    site = load_site(document)
    if site.site != name:
        raise host.USAGE.problem(f"--name is {name}, and site.yaml here says {site.site}", fix="Use one name in both places.")
    identity = enrol.init(site.state, name)
    request, path = enrol.write_request(identity, home, software())
    digest = fingerprint(request.signing_key)
    show(
        {"site": name, "request": str(path), "fingerprint": digest},
        f"Keys made; they stay in this folder.\nSend {path} to the coordinator"
        f" and read out this fingerprint by telephone:\n\n  {spoken(digest)}\n",
    )
    note(f"Next, with the kit that the coordinator sends back: {next_command('fedhcc-site', 'join', f'{name}.kit.json')}")


def join(
    kit: Annotated[Path, typer.Argument(help="The kit that the coordinator sent, NAME.kit.json.")],
    fingerprint: Annotated[str | None, typer.Option("--fingerprint", help="What the coordinator read out; at least 16 digits.")] = None,
    home: Home = Path(),
    json: Json = False,
) -> None:
    """Join with the coordinator's kit: its address, its certificate authority and its key."""
    from client import keys_kit_and_decisions as enrol
    from site_config.atomic_files import read_limited
    from site_config.keys_and_signatures import MAX_DOCUMENT, spoken
    from site_config.keys_and_signatures import fingerprint as fingerprint_of

    found = enrol.join(state_of(home), read_limited(kit, MAX_DOCUMENT, "the kit"), fingerprint)
    digest = fingerprint_of(found.coordinator_key)
    show(
        {
            "site": found.site,
            "coordinator": found.title,
            "address": found.address,
            "fingerprint": digest,
            "compared": fingerprint is not None,
        },
        f"Joined {found.title} at {found.address} as {found.site}.\nThe coordinator's fingerprint is\n\n  {spoken(digest)}\n",
    )
    if fingerprint is None:
        note("Compare it by telephone before the first study; or join again with --fingerprint.")
    note(f"Next: {next_command('fedhcc-site', 'check')}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(init)
    app.command()(join)
