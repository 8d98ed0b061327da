"""`fedhcc-coordinator backup`, `restore`, `rotate` and `again`: an office that outlives its machine, its keys and its first try."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.enrol_and_renew import AnyHome, Home
from server.commands.run import OnEvent, Study, Wait, run_study
from server.commands.study_check_lock_publish import warn
from site_config.console import Json, next_command, note, show
from site_config.terminal.which_folder import refuse_the_other

Authority = Annotated[bool, typer.Option("--authority", help="Also a new certificate authority: every hospital needs its new kit.")]
Without = Annotated[list[str], typer.Option("--without", help="Leave this hospital out; may be repeated.")]


def backup(
    to: Annotated[Path, typer.Argument(help="The file to write, for example office.tar.gz. It holds private keys.")],
    home: Home = Path(),
    json: Json = False,
) -> None:
    """Write everything another machine needs to be this office; studies may run meanwhile. Keep it as safe as a key."""
    from server.watch.office_backup import write

    manifest = write(home, to)
    show({"file": str(to), "at": manifest.at, "files": len(manifest.files)}, f"Wrote {to}: {len(manifest.files)} files, {manifest.title}.")
    note("It holds the office's private keys. Nothing of a hospital's is in it.")


def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    home: AnyHome = Path(),
    run: Annotated[bool, typer.Option("--run", help="Then go on with the study that was under way.")] = False,
    wait: Wait = 60.0,
    on_event: OnEvent = "",
    json: Json = False,
) -> None:
    """Put an office back into an empty folder, checked file by file; says what a backup cannot bring back."""
    from server.watch.office_backup import NOT_RESTORED
    from server.watch.office_backup import restore as put_back
    from server.watch.study_status import under_way

    refuse_the_other("office", home)
    manifest, studies = put_back(file, home)
    show({"at": manifest.at, "studies": studies, "not_restored": NOT_RESTORED}, f"Restored {manifest.title} as of {manifest.at}.")
    for line in NOT_RESTORED:
        note(f"- {line}")
    if run:
        run_study(home, under_way(home), False, wait, on_event, None)
        return
    note(f"Next: {next_command('fedhcc-coordinator', 'doctor')}")


def rotate(
    home: Home = Path(),
    authority: Authority = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Make the office's secrets anew: runner's secret and server keys; with --authority the certificate authority and all kits too."""
    from server.key_rotation import rotate as make_anew

    if authority and not yes:
        typer.confirm("Until a hospital has joined its new kit, its program waits with FH-714. Go on?", abort=True, err=True)
    done = make_anew(home, authority=authority)
    show({"made": done}, "Made anew: " + "; ".join(done) + ".")
    if authority:
        note("Send each hospital its kit; there: `fedhcc-site join NAME.kit.json`, then start its program again.")
    note(f"Next: {next_command('fedhcc-coordinator', 'serve')}")


def again(study: Study = None, home: Home = Path(), without: Without = (), json: Json = False) -> None:  # type: ignore[assignment]
    """Publish a study anew under a new id, with today's keys and code; hospitals decide anew, the earlier run stays as it is.

    With --without a hospital that left before anything was opened is no longer in it. Where something was opened with it, the
    others refuse what would differ by that hospital alone.
    """
    from server import published_studies
    from server.study.study_again import again as anew

    lock, path = anew(home, published_studies.find_study(home, study), tuple(without))
    warn(lock)
    show({"study": lock.study_id, "title": lock.study.title, "file": str(path)}, f"Published {lock.study.title}\nstudy id {lock.study_id}")
    note(f"Send hospitals {path}, or let `run` offer it to them.")
    note(f"Next: {next_command('fedhcc-coordinator', 'run', lock.study_id[:12], '--canary')}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (again, backup, restore, rotate):
        app.command()(command)
