"""`fedhcc-coordinator exclude` and `leave`: a study goes on without some of its hospitals or patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.enrol_and_renew import Home
from server.commands.run import OnEvent, Study, Wait, run_study
from site_config.console import Json, next_command, note, show

Block = Annotated[int, typer.Argument(help="The block's number, from 1; `fedhcc-coordinator status` names the blocks that wait.", min=1)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def exclude(block: Block, study: Study = None, home: Home = Path(), yes: Yes = False, json: Json = False) -> None:
    """Take a whole block of training hospitals out of a stopped study. What it was part of stays; the report says INCOMPLETE."""
    from server import published_studies
    from server.departure.exclude_block import exclude as take_out
    from server.departure.exclude_block import may_go

    study_id = published_studies.find_study(home, study)
    gone = ", ".join(may_go(home, study_id, block))
    question = f"Take out block {block} ({gone})? The study's report will say INCOMPLETE and name them."
    if not (yes or json or typer.confirm(question, err=True)):
        note("Nothing was changed.")
        return
    sites = take_out(home, study_id, block)
    show({"study": study_id, "block": block, "sites": sites}, f"Taken out: block {block} ({', '.join(sites)}).")
    note(f"Next: {next_command('fedhcc-coordinator', 'resume', study_id[:12])}")


Without = Annotated[list[str], typer.Option("--without", help="A hospital that is gone; may be repeated.")]
Each = Annotated[int | None, typer.Option("--each", min=0, help="Companions of each hospital and set, in place of the number told.")]
Go = Annotated[bool, typer.Option("--run", help="Go on with the study at once.")]
Later = Annotated[
    bool, typer.Option("--later", help="Agree to later withdrawals too: where one stops the study, the office goes on in the same way.")
]


def leave(
    study: Study = None,
    home: Home = Path(),
    without: Without = (),  # type: ignore[assignment]
    each: Each = None,
    run: Go = False,
    later: Later = False,
    wait: Wait = 60.0,
    on_event: OnEvent = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Go on with a stopped study without hospitals that are gone and patients who withdrew; says first what it costs.

    Before anything was opened a hospital leaves alone. Afterwards as many further patients, drawn by their own hospitals' secrets, leave
    each set that lost somebody as the minimum asks; where the holders find that too few left, `run` takes one companion more by itself,
    unless a set could fall below the minimum. Hospitals that approved the study need not approve again.
    """
    from server import published_studies
    from server.departure.leave_study import departure
    from server.departure.leave_study import leave as go_on

    study_id = published_studies.find_study(home, study)
    found = departure(home, study_id, tuple(without), each)
    for line in found.words():
        note(line)
    if not (yes or json or typer.confirm("Go on without them?", err=True)):
        note("Nothing was changed.")
        return
    path = go_on(home, study_id, found, later=later)
    new = found.lock.study_id
    show({"study": new, "goes_on_from": study_id, "file": str(path), "cost": found.words()}, f"{found.lock.study.title}\nstudy id {new}")
    if run:
        run_study(home, new, False, wait, on_event, None)
        return
    note(f"Next: {next_command('fedhcc-coordinator', 'run', new[:12])}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (exclude, leave):
        app.command()(command)
