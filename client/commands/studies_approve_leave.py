"""`fedhcc-site studies`, `approve`, `decline` and `leave`: what a hospital decides about a study."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import hexdigits
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, note, problem_lines, show, table
from site_config.problems.base import Exit
from site_config.study.prognostic_models import MODELS

if TYPE_CHECKING:
    from rich.console import Console

    from client.keys_kit_and_decisions import RosterChange
    from site_config.site_yaml import SiteConfig
    from site_config.study.plan_and_lock import RosterEntry, StudyLock

NO_LOCK = "Name the file with the signed lock, or a study by its id as `fedhcc-site studies` lists it."
UPDATES_TELL = (
    "What training tells: each round opens the sum of a block's updates. To somebody who has a patient's own images, one round shows\n"
    "whether that patient died (AUC 0.92 in a block of 33, measured). Masks do not help against it; only noise does, and it is off."
)
HALF = "fingerprint\n(first 32 digits)"
Study = Annotated[str, typer.Argument(help="The study's id, or its first 6 or more digits; or a file with the signed lock.")]


def _site(home: Path) -> SiteConfig:
    from site_config.documents.read_yaml_documents import load_site

    return load_site(home / "site.yaml")


def studies(home: Home = Path(), json: Json = False) -> None:
    """Every study this hospital was offered, with its decision."""
    from client import keys_kit_and_decisions as enrol

    site = _site(home)
    offers = enrol.offers(site.state)
    found = [
        {"study": one.lock.study_id, "title": one.lock.study.title, "sites": len(one.lock.roster), "decision": one.decision}
        for one in offers
    ]
    rows = [(str(one["study"])[:12], one["title"], one["sites"], one["decision"]) for one in found]
    show(found, table("Studies", ("id", "title", "sites", "decision"), rows, None if rows else "none was offered yet"))
    if offers and (waits := _waiting(site, offers[-1].lock)):
        note(waits)


def _waiting(site: SiteConfig, lock: StudyLock) -> str:
    """What waits for the next generation of rows, in words; nothing where the table has yet to be written."""
    from client.program.patients_by_study import waiting

    return waiting(site, lock) if site.path(site.paths.cohort).is_file() else ""


def _known(state: Path, study: str) -> StudyLock:
    """A study that was offered over the wire or is handed over as a file."""
    from client import keys_kit_and_decisions as enrol
    from site_config.atomic_files import is_file, read_limited
    from site_config.keys_and_signatures import read_lock

    if set(study.strip()) <= set(hexdigits) and not is_file(Path(study)):
        return enrol.find(state, study).lock
    return enrol.offer(state, read_lock(read_limited(Path(study), enrol.MAX_LOCK, "the lock", missing=NO_LOCK)))


def _conflicts(site: SiteConfig, lock: StudyLock) -> list[Any]:
    from client.program.patients_by_study import live_table
    from client.release.days_opened import day_faults, days_in, own_faults
    from client.release.egress_view import consents
    from client.release.epsilon_spent import EpsilonLedger, budget_faults
    from client.release.known_hospitals import effective, holder_faults
    from client.release.site_policy import refusals
    from site_config import hash_chained_journal
    from site_config.problems import identity as problems
    from site_config.study.code_digest import code_digest

    policy = effective(site)
    found = [*refusals(policy, lock, site.site), *holder_faults(policy, lock, site.site)]
    entries = hash_chained_journal.read(site.state / "journal.jsonl")
    if lock.study_id not in consents(entries):
        found += [*own_faults(policy, lock), *day_faults(policy, lock, days_in(entries))]
    if policy.epsilon_budget is not None:
        ledger = EpsilonLedger.of(entries)
        found += budget_faults(policy, lock, ledger, live_table(site).rows, lock.entry(site.site).role)
    if lock.code_digest != code_digest():
        found.append(problems.CODE_DIFFERS.problem("The lock names other code than this installation"))
    return found


Folder = Annotated[Path | None, typer.Option("--folder", help="Write the data-protection officer's folder here.", file_okay=False)]
Peers = Annotated[
    list[str],
    typer.Option("--peer", help="NAME=DIGITS: another hospital's digits as it read them out by telephone; may be repeated."),
]


def _hear(site: SiteConfig, lock: StudyLock, given: tuple[str, ...], *, ask: bool) -> None:
    """Take the digits that other hospitals read out, from the options or one after another, until enough hospitals are known.

    The digits of the lock are not shown before: who reads them from the screen has checked nothing.
    """
    from client.release.known_hospitals import check, effective, holder_faults, unchecked, wanted
    from client.release.site_policy import known

    now = datetime.now(UTC).isoformat(timespec="seconds")
    for one in given:
        name, _, digits = one.partition("=")
        if name not in {entry.name for entry in lock.roster}:
            raise _no_such_peer(name, lock)
        check(site.state, lock.entry(name), digits, now)
    if not ask or site.policy.simulated_patients:
        return
    roster = tuple(entry.name for entry in lock.roster)
    for entry in unchecked(effective(site), lock, site.site):
        policy = effective(site)
        if known(policy, lock, site.site, roster) >= wanted(policy) and not holder_faults(policy, lock, site.site):
            return
        digits = typer.prompt(
            f"First 16 digits or more that {entry.name} reads out by telephone (Enter to leave out)", default="", err=True
        )
        if digits:
            check(site.state, entry, digits, now)


def _no_such_peer(name: str, lock: StudyLock) -> Exception:
    """What to raise for a hospital that is misspelt, with its right name where one is near."""
    from client.officer.who_could_read import names_in_short
    from site_config.problems import host
    from site_config.words_of_messages import clean, nearest

    names = sorted(entry.name for entry in lock.roster)
    near = nearest(name, names)
    fix = f"Write `--peer {near}=DIGITS`." if near else f"Hospitals of the study: {names_in_short(names)}."
    return host.USAGE.problem(f"--peer: {clean(name)} is no hospital of this study", fix=fix)


def approve(
    study: Study,
    home: Home = Path(),
    preview: Annotated[bool, typer.Option("--preview", help="Show the very vectors this cohort would release; nothing is sent.")] = False,
    peer: Peers = (),  # type: ignore[assignment]
    folder: Folder = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Show who is in a study, what changed, and what conflicts with this hospital's policy; then approve it."""
    from client import keys_kit_and_decisions as enrol
    from client.officer.approval_screen import summary_lines
    from shared_model.analyses.trust_in_words import opened_lines
    from shared_model.privacy.price_in_words import price_lines
    from site_config.problems.base import together
    from site_config.study.code_digest import code_digest

    site = _site(home)
    lock = _known(site.state, study)
    if folder is not None:
        _write_folder(site, lock, folder)
        return
    try:
        _hear(site, lock, tuple(peer), ask=not (yes or json or preview))
    except typer.Abort as abort:
        raise _ended(abort, "Nothing was decided: not approved.") from None
    change = enrol.roster_change(site.state, lock)
    conflicts = _conflicts(site, lock)
    vectors = _preview(site, lock) if preview else []
    hidden = _not_heard(site, lock)
    summary = summary_lines(site, lock, len(lock.roster) - 1 - len(hidden), enrol.load_kit(site.state).title)
    shown = {
        "study": lock.study_id,
        "title": lock.study.title,
        "summary": summary,
        "roster": [{"name": entry.name, "role": entry.role, "fingerprint": entry.fingerprint} for entry in change.entries],
        "added": change.added,
        "removed": change.removed,
        "rekeyed": change.rekeyed,
        "holders": list(lock.holders),
        "opened_on_shares": opened_lines(lock),
        "noise": price_lines(lock.study, len(lock.blocks.get("development", ()))),
        "code_digest": lock.code_digest,
        "code_here": code_digest(),
        "conflicts": conflicts,
        "waiting": _waiting(site, lock),
        "preview": vectors,
    }
    show(shown, lambda console: _draw(console, lock, change, conflicts, vectors, hidden, summary))
    if shown["waiting"]:
        note(str(shown["waiting"]))
    if conflicts:
        for line in problem_lines(together(conflicts)):
            note(line)
        raise typer.Exit(int(conflicts[0].kind.exit))
    if preview:
        note("This was a preview: nothing was sent and nothing decided.")
        return
    if not (yes or _confirmed(site.state, lock.study_id)):
        return
    enrol.decide(site.state, lock.study_id, "approved", datetime.now(UTC).isoformat(timespec="seconds"))
    note(f"approved {lock.study_id[:12]}")


def _confirmed(state: Path, study_id: str) -> bool:
    """Ask; what no means depends on what was decided before."""
    from client import keys_kit_and_decisions as enrol

    before = enrol.decision(state, study_id) == "approved"
    since = f"approved on {enrol.decided_on(state, study_id)}"
    if before:
        note(f"This study is already {since}; N changes nothing.")
    no = f"Nothing was changed: {since}." if before else "Nothing was decided: not approved."
    try:
        yes = typer.confirm(f"Approve study {study_id[:12]}?", err=True)
    except typer.Abort as abort:
        raise _ended(abort, no) from None
    if not yes:
        note(no)
    return yes


def _ended(abort: typer.Abort, no: str) -> Exception:
    """What to raise where a question found the end of the input, which is told as a no; Ctrl-C stays what it is."""
    if isinstance(abort.__context__, KeyboardInterrupt):
        return abort
    note(f"\n{no}")
    return typer.Exit(int(Exit.FINDINGS))


def _write_folder(site: SiteConfig, lock: StudyLock, folder: Path) -> None:
    from client.keys_kit_and_decisions import load_kit
    from client.officer.officer_folder import write
    from site_config.keys_and_signatures import SiteIdentity

    page = write(folder, site, lock, SiteIdentity.load(site.state), load_kit(site.state), datetime.now().astimezone().strftime("%Y-%m-%d"))
    show({"study": lock.study_id, "page": str(page)}, f"wrote {page}\nIt prints on four A4 pages at most. Nothing was decided.")


def _not_heard(site: SiteConfig, lock: StudyLock) -> frozenset[str]:
    """Hospitals whose digits are not shown, because nobody read them out yet."""
    from client.release.known_hospitals import effective, unchecked

    return frozenset() if site.policy.simulated_patients else frozenset(one.name for one in unchecked(effective(site), lock, site.site))


def _draw(
    console: Console,
    lock: StudyLock,
    change: RosterChange,
    conflicts: list[Any],
    vectors: list[dict[str, object]],
    hidden: frozenset[str] = frozenset(),
    summary: Sequence[str] = (),
) -> None:
    """Everything, the summary last: it is what stands on the screen when the question comes."""
    from shared_model.analyses.trust_in_words import trust_text
    from shared_model.privacy.price_in_words import price_lines
    from site_config.keys_and_signatures import spoken_half

    def mark(name: str) -> str:
        return "new" if name in change.added else "other key" if name in change.rekeyed else ""

    def digits(entry: RosterEntry) -> str:
        return "to be read out by telephone" if entry.name in hidden else spoken_half(entry.fingerprint)

    rows = [(entry.name, entry.role, digits(entry), mark(entry.name)) for entry in change.entries]
    columns = ("hospital", "role", HALF, "change")
    console.print(table(f"{lock.study.title}: hospitals", columns, rows, whole=("hospital", HALF)))
    price = price_lines(lock.study, len(lock.blocks.get("development", ())))
    if price:
        console.print("\n".join(price), soft_wrap=True)
    elif MODELS.read_scans(lock.study.models):
        console.print(UPDATES_TELL)
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
    console.print("\n" + "\n".join(summary), markup=False, highlight=False, soft_wrap=True)


def _vector_rows(vectors: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return [(one["statistic"], one["segment"], one["text"]) for one in vectors]


def _preview(site: SiteConfig, lock: StudyLock) -> list[dict[str, object]]:
    from client.release.release_preview import preview

    return preview(site, lock)


def decline(study: Study, home: Home = Path(), json: Json = False) -> None:
    """Decline a study; `approve` takes it back."""
    from client import keys_kit_and_decisions as enrol

    site = _site(home)
    lock = _known(site.state, study)
    enrol.decide(site.state, lock.study_id, "declined", datetime.now(UTC).isoformat(timespec="seconds"))
    show({"study": lock.study_id, "decision": "declined"}, f"declined {lock.study_id[:12]}")


def leave(
    study: Study,
    home: Home = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Leave a study for good: from the next message on nothing is computed for it here. Says first what stays and what it costs.

    For one patient who withdrew: `fedhcc-site data withdraw`; the hospital stays.
    """
    from client import keys_kit_and_decisions as enrol
    from client.officer.leaving_in_words import price

    site = _site(home)
    lock = _known(site.state, study)
    lines = price(site, lock)
    for line in lines:
        note(line)
    if not (yes or json or typer.confirm(f"Leave study {lock.study_id[:12]}?", err=True)):
        note("Nothing was decided.")
        return
    enrol.decide(site.state, lock.study_id, "declined", datetime.now(UTC).isoformat(timespec="seconds"))
    show({"study": lock.study_id, "decision": "declined", "cost": lines}, f"left {lock.study_id[:12]}")
    note(f"Tell the coordinator, who goes on by: `fedhcc-coordinator leave {lock.study_id[:12]} --without {site.site}`")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (studies, approve, decline, leave):
        app.command()(command)
