"""`fedhcc-site studies`, `approve` and `decline`: what a hospital decides about a study before anything is computed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from string import hexdigits
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.commands.enrol import Home
from site_config.console import Json, note, problem_lines, show, table

if TYPE_CHECKING:
    from rich.console import Console

    from client.enrolment import RosterChange
    from site_config.site import SiteConfig
    from site_config.study.model import StudyLock

NO_LOCK = "Name the file with the signed lock, or a study by its id as `fedhcc-site studies` lists it."
HALF = "fingerprint (first 32 digits)"
Study = Annotated[str, typer.Argument(help="The study's id, or its first 6 or more digits; or a file with the signed lock.")]


def _site(home: Path) -> SiteConfig:
    from site_config.documents.load import load_site

    return load_site(home / "site.yaml")


def studies(home: Home = Path(), json: Json = False) -> None:
    """Every study this hospital was offered, with its decision."""
    from client import enrolment as enrol

    found = [
        {"study": one.lock.study_id, "title": one.lock.study.title, "sites": len(one.lock.roster), "decision": one.decision}
        for one in enrol.offers(_site(home).state)
    ]
    rows = [(str(one["study"])[:12], one["title"], one["sites"], one["decision"]) for one in found]
    show(found, table("Studies", ("id", "title", "sites", "decision"), rows, None if rows else "none was offered yet"))


def _known(state: Path, study: str) -> StudyLock:
    """A study that was offered over the wire or is handed over as a file."""
    from client import enrolment as enrol
    from site_config.files import read_limited
    from site_config.identity import read_lock

    if set(study.lower()) <= set(hexdigits) and not Path(study).is_file():
        return enrol.find(state, study).lock
    return enrol.offer(state, read_lock(read_limited(Path(study), enrol.MAX_LOCK, "the lock", missing=NO_LOCK)))


def _conflicts(site: SiteConfig, lock: StudyLock) -> list[Any]:
    from client.release.policy import refusals
    from site_config.problems import identity as problems
    from site_config.study.code_digest import code_digest

    found = list(refusals(site.policy, lock, site.site))
    if lock.code_digest != code_digest():
        found.append(problems.CODE_DIFFERS.problem("The lock names other code than this installation"))
    return found


def approve(
    study: Study,
    home: Home = Path(),
    preview: Annotated[bool, typer.Option("--preview", help="Show the very vectors this cohort would release; nothing is sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Show who is in a study, what changed, and what conflicts with this hospital's policy; then approve it."""
    from client import enrolment as enrol
    from shared_model.analyses.trust import opened_lines
    from site_config.problems.base import together
    from site_config.study.code_digest import code_digest

    site = _site(home)
    lock = _known(site.state, study)
    change = enrol.roster_change(site.state, lock)
    conflicts = _conflicts(site, lock)
    vectors = _preview(site, lock) if preview else []
    shown = {
        "study": lock.study_id,
        "title": lock.study.title,
        "roster": [{"name": entry.name, "role": entry.role, "fingerprint": entry.fingerprint} for entry in change.entries],
        "added": change.added,
        "removed": change.removed,
        "rekeyed": change.rekeyed,
        "holders": list(lock.holders),
        "opened_on_shares": opened_lines(lock),
        "code_digest": lock.code_digest,
        "code_here": code_digest(),
        "conflicts": conflicts,
        "preview": vectors,
    }
    show(shown, lambda console: _draw(console, lock, change, conflicts, vectors))
    if conflicts:
        for line in problem_lines(together(conflicts)):
            note(line)
        raise typer.Exit(int(conflicts[0].kind.exit))
    if preview:
        note("This was a preview: nothing was sent and nothing decided.")
        return
    if not (yes or typer.confirm(f"Approve study {lock.study_id[:12]}?", err=True)):
        note("Nothing was decided.")
        return
    enrol.decide(site.state, lock.study_id, "approved", datetime.now(UTC).isoformat(timespec="seconds"))
    note(f"approved {lock.study_id[:12]}")


def _draw(console: Console, lock: StudyLock, change: RosterChange, conflicts: list[Any], vectors: list[dict[str, object]]) -> None:
    from shared_model.analyses.trust import trust_text
    from site_config.identity import spoken_half

    def mark(name: str) -> str:
        return "new" if name in change.added else "other key" if name in change.rekeyed else ""

    rows = [(entry.name, entry.role, spoken_half(entry.fingerprint), mark(entry.name)) for entry in change.entries]
    columns = ("hospital", "role", HALF, "change")
    console.print(table(f"{lock.study.title}: hospitals", columns, rows, whole=(HALF,)))
    if change.removed:
        console.print(f"no longer in the roster: {', '.join(change.removed)}")
    console.print(f"study id    {lock.study_id}\ncode digest {lock.code_digest}")
    console.print(trust_text(lock), soft_wrap=True, end="\n" if lock.holders else "")
    for problem in conflicts:
        console.print(f"conflict: {problem}")
    if vectors:
        console.print(
            table("What this cohort would release (unmasked, not sent)", ("statistic", "segment", "values"), _vector_rows(vectors))
        )


def _vector_rows(vectors: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return [(one["statistic"], one["segment"], one["text"]) for one in vectors]


def _preview(site: SiteConfig, lock: StudyLock) -> list[dict[str, object]]:
    from client.release.preview import preview

    return preview(site, lock)


def decline(study: Study, home: Home = Path(), json: Json = False) -> None:
    """Decline a study; `approve` takes it back."""
    from client import enrolment as enrol

    site = _site(home)
    lock = _known(site.state, study)
    enrol.decide(site.state, lock.study_id, "declined", datetime.now(UTC).isoformat(timespec="seconds"))
    show({"study": lock.study_id, "decision": "declined"}, f"declined {lock.study_id[:12]}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (studies, approve, decline):
        app.command()(command)
