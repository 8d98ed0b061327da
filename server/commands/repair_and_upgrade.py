"""`fedhcc-coordinator repair` and `upgrade`: what is done to a study's state by hand, written into its ledger and its report."""

from __future__ import annotations

from pathlib import Path

import typer

from server.commands.enrol_and_renew import Home
from server.commands.run import Study
from site_config.console import Json, next_command, note, show


def repair(study: Study = None, home: Home = Path(), json: Json = False) -> None:
    """Keep what is whole of a damaged study folder and set the rest aside; `resume` asks for it again, and the report says so."""
    from server import published_studies
    from server.study.repair_folder import repair as mend
    from server.watch import study_status as watch

    study_id = published_studies.find_study(home, study)
    done = mend(watch.folder_of(home, study_id))
    show({"study": study_id, "done": done}, "\n".join(done) if done else "Nothing is damaged.")
    if done:
        note(f"Next: {next_command('fedhcc-coordinator', 'resume', study_id[:12])}")


def upgrade(study: Study = None, home: Home = Path(), json: Json = False) -> None:
    """Go on with a study under another release of the office's code: recorded in the ledger and shown in the report."""
    from server import published_studies
    from server.study.office_code import upgrade as record
    from server.study.resume_state import StudyFolder
    from server.watch import study_status as watch

    study_id = published_studies.find_study(home, study)
    signed = StudyFolder(home / "studies" / study_id).signed_lock()
    words = record(watch.folder_of(home, study_id) / "ledger.jsonl", signed.lock)
    show({"study": study_id, "done": words}, words or "The study is under way with this very code.")
    if words:
        note(f"Next: {next_command('fedhcc-coordinator', 'resume', study_id[:12])}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (repair, upgrade):
        app.command()(command)
