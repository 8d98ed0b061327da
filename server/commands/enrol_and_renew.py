"""`fedhcc-coordinator init`, `enrol`, `revoke`, `renew` and `list`: which hospitals take part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from site_config.console import Json, next_command, note, show, table
from site_config.terminal.which_folder import an_office, refuse_the_other

Home = Annotated[Path, typer.Option("--home", envvar="FEDHCC_HOME", help="The coordinator's folder.", callback=an_office, readable=False)]
"""`readable=False`: whose a closed folder is says `closed_folder`, not the library."""
AnyHome = Annotated[Path, typer.Option("--home", envvar="FEDHCC_HOME", help="The coordinator's folder.", file_okay=False)]
"""Also a folder in which there is no office yet."""
ReadOut = Annotated[str | None, typer.Option("--fingerprint", help="What the hospital read out; at least 16 digits.")]
HALF = "fingerprint\n(first 32 digits)"
RoleName = Annotated[str | None, typer.Option("--role", help="development or evaluation; left out, each study decides.")]


def _role(role: str | None) -> Literal["development", "evaluation"] | None:
    if role is None:
        return None
    if role == "development":
        return "development"
    if role == "evaluation":
        return "evaluation"
    raise typer.BadParameter("development or evaluation", param_hint="--role")


def init(
    address: Annotated[str, typer.Option("--address", help="Where hospitals reach the gateway, HOST:PORT.")],
    title: Annotated[str, typer.Option("--title", help="The trial office's name, shown to hospitals.")],
    home: AnyHome = Path(),
    listen: Annotated[str, typer.Option("--listen", help="What the gateway binds, ADDRESS:PORT; left out, every interface.")] = "",
    superlink_port: Annotated[int, typer.Option("--superlink-port", min=1, max=65535, help="Private port on loopback.")] = 8000,
    json: Json = False,
) -> None:
    """Make the coordinator's key, its certificate authority and an empty register."""
    from server import office_setup
    from site_config.keys_and_signatures import spoken

    refuse_the_other("office", home)
    identity = office_setup.init(home, title, address, listen=listen, superlink_port=superlink_port)
    show(
        {"title": title, "address": address, "fingerprint": identity.fingerprint},
        f"Made. Hospitals compare this fingerprint by telephone:\n\n  {spoken(identity.fingerprint)}\n",
    )
    note(f"Next: {next_command('fedhcc-coordinator', 'enrol', 'NAME.request.json')}")


def _enrol(home: Path, request: Path, role: str | None, fingerprint: str | None, replace: bool) -> None:
    from server import hospital_register
    from site_config.atomic_files import read_limited
    from site_config.keys_and_signatures import MAX_DOCUMENT, spoken
    from site_config.keys_and_signatures import fingerprint as fingerprint_of

    kit = hospital_register.enrol(home, read_limited(request, MAX_DOCUMENT, "the request"), _role(role), fingerprint, replace=replace)
    path = home / "kits" / f"{kit.site}.kit.json"
    digest = fingerprint_of(kit.signing_key)
    show(
        {"site": kit.site, "kit": str(path), "fingerprint": digest, "compared": fingerprint is not None},
        f"Enrolled {kit.site}. Send it {path}\nIts fingerprint is\n\n  {spoken(digest)}\n",
    )
    if fingerprint is None:
        note("Compare it by telephone before the first study; or enrol it again with --fingerprint.")


def enrol(
    request: Annotated[Path, typer.Argument(help="The hospital's NAME.request.json.")],
    home: Home = Path(),
    role: RoleName = None,
    fingerprint: ReadOut = None,
    json: Json = False,
) -> None:
    """Check a hospital's request, enrol it and write its kit."""
    _enrol(home, request, role, fingerprint, replace=False)


def revoke(site: Annotated[str, typer.Argument(help="The hospital's name.")], home: Home = Path(), json: Json = False) -> None:
    """Strike a hospital: its key is refused from now on, and no new lock can name it."""
    from server import hospital_register

    hospital_register.revoke(home, site)
    show({"site": site}, f"Revoked {site}: its key is refused from now on.")


def renew(
    site: Annotated[
        str | None, typer.Argument(help="A hospital whose kit is issued again; left out, the server certificates are renewed.")
    ] = None,
    request: Annotated[Path | None, typer.Option("--request", help="A new request: the hospital made new keys.")] = None,
    address: Annotated[str | None, typer.Option("--address", help="A new HOST:PORT for hospitals.")] = None,
    home: Home = Path(),
    fingerprint: ReadOut = None,
    json: Json = False,
) -> None:
    """Renew the server certificates (kits stay valid), or one hospital's kit or keys."""
    from server import certificate_renewal, hospital_register, office_setup

    if address is not None:
        office_setup.readdress(home, address)
    if site is None:
        certificate_renewal.renew_certificates(home, hospital_register.load(home).address)
        show({"renewed": ["gateway", "superlink"]}, "Server certificates renewed; they are used from the next start.")
        return
    if request is not None:
        role = hospital_register.known_site(hospital_register.load(home), site).role
        _enrol(home, request, role, fingerprint, replace=True)
        return
    hospital_register.kit(home, site)
    path = home / "kits" / f"{site}.kit.json"
    show({"kit": str(path)}, f"Issued {path} again.")


def list_sites(home: Home = Path(), json: Json = False) -> None:
    """Every hospital ever enrolled."""
    from server import hospital_register
    from site_config.keys_and_signatures import spoken_half

    register = hospital_register.load(home)
    rows = [(s.name, s.role or "by study", s.status, spoken_half(s.fingerprint), s.approved[:10]) for s in register.sites]
    shown = [{**site.model_dump(), "fingerprint": site.fingerprint} for site in register.sites]
    columns = ("hospital", "role", "status", HALF, "enrolled")
    show(shown, table(register.title, columns, rows, whole=("hospital", HALF)))


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (init, enrol, revoke, renew):
        app.command()(command)
    app.command("list")(list_sites)
