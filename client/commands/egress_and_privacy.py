"""`fedhcc-site egress` and `privacy`: everything that left the hospital, from the journal, and what it cost patients in ε."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.commands.init_and_join import AnyHome, Home
from site_config.console import Json, note, show, table
from site_config.terminal.which_folder import a_hospital
from site_config.words_of_messages import clean, plural

if TYPE_CHECKING:
    from client.release.egress_view import Egress, Filter, StudyEgress
    from client.release.epsilon_spent import Cost, EpsilonLedger
    from site_config.hash_chained_journal import Entry
    from site_config.site_yaml import SiteConfig
    from site_config.study.plan_and_lock import StudyLock

app = typer.Typer(help="Everything that left the hospital, from the journal.", invoke_without_command=True)

Study = Annotated[str | None, typer.Option(help="Only this study: its id, or its first 6 or more digits; left out, every one.")]
Statistic = Annotated[str, typer.Option(help="Only this statistic.")]
Phase = Annotated[str, typer.Option(help="Only this phase.")]
Since = Annotated[str, typer.Option(help="Only from this day or time on, as 2026-11-23.")]
DAY = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d.*)?)?)?)?")
"""A day or time as `--since` takes it: compared as text, any other writing would hide every line."""
SHOWN = 40
WORDS = (
    "ε bounds how much the results can change because one patient takes part: 1 is little, 8 a lot. Two numbers are shown:\n"
    "with the secure sum (somebody sees opened sums only, and enough hospitals keep their noise to themselves) and without it (somebody\n"
    "sees this hospital's own vector, or rebuilds its counts from shares). A patient under a new local id is counted as another patient."
)
UNBOUNDED = "trains without noise: no ε bounds what its updates tell"
Awaiting = Annotated[str | None, typer.Option("--study", help="A study's id, or its first 6 or more digits; left out, all not declined.")]
Opacus = Annotated[bool, typer.Option("--opacus", help="Also by Opacus' accountants (PRV and RDP), as a second opinion.")]


def register(parent: typer.Typer) -> None:
    """Add the commands of this module."""
    parent.add_typer(app, name="egress")
    parent.command()(privacy)


def _path(home: Path) -> Path:
    from site_config.documents.read_yaml_documents import load_site

    return load_site(home / "site.yaml").state / "journal.jsonl"


def _entries(home: Path, study: str | None = None) -> tuple[list[Entry], str]:
    """The journal, and the whole id of the study asked for, "" for every one.

    FH-417 for a study of which neither the journal nor an offer knows: "nothing left" would say more than is known.
    """
    from client.keys_kit_and_decisions import one_study
    from site_config import hash_chained_journal

    path = _path(home)
    entries = list(hash_chained_journal.read(path))
    return entries, "" if study is None else one_study(study, _studies(path.parent, entries))


def _studies(state: Path, entries: Sequence[Entry]) -> set[str]:
    """Every study that was offered here or of which the journal tells."""
    offered = {one.parent.name for one in state.glob("studies/*/lock.json")}
    told = {part.get("study") for one in entries for part in (one.data, one.data.get("context")) if isinstance(part, dict)}
    return offered | {one for one in told if isinstance(one, str) and one}


def _filter(study: str, statistic: str, phase: str, since: str) -> Filter:
    from client.release.egress_view import Filter
    from site_config.problems import host

    if since and not DAY.fullmatch(since):
        raise host.USAGE.problem(f"--since {clean(since)} is not a date", fix="Write year, month and day: `--since 2026-11-23`.")
    return Filter(study, statistic, phase, since.replace(" ", "T"))


@app.callback()
def view(
    context: typer.Context,
    home: AnyHome = Path(),
    study: Study = None,
    statistic: Statistic = "",
    phase: Phase = "",
    since: Since = "",
    refusals: Annotated[bool, typer.Option("--refusals", help="Show what was turned away, and why, instead.")] = False,
    everything: Annotated[bool, typer.Option("--all", help=f"Show every row, not the last {SHOWN}.")] = False,
    json: Json = False,
) -> None:
    """Show what left: time, study, phase, statistic, size, masked or clear, with whom, and the rule that allowed it."""
    if context.invoked_subcommand is not None:
        return
    a_hospital(context, home)
    from client.release.egress_view import released, turned_away

    entries, whole = _entries(home, study)
    chosen = _filter(whole, statistic, phase, since)
    if refusals:
        turned = turned_away(entries, chosen)
        last = turned if everything else turned[-SHOWN:]
        rows = [
            (row.number, row.time[:16].replace("T", " "), f"{row.statistic} ({row.phase} {row.round})", row.code, row.reason)
            for row in last
        ]
        show(turned, table("Turned away", ("", "time", "asked", "code", "reason"), rows, _rest(turned, last)))
        return
    found = released(entries, chosen)
    shown = found if everything else found[-SHOWN:]
    lines = [
        (row.number, row.time[5:16].replace("T", " "), f"{row.statistic}\n{row.study[:8]} {row.phase} {row.round}", _sent(row))
        for row in shown
    ]
    show(found, table("What left this hospital", ("", "time", "asked", "sent"), lines, _rest(found, shown), whole=("time",)))


def _sent(row: Egress) -> str:
    """What was sent, whether masked, in which sum, and the rule that allowed it."""
    hidden = "masked" if row.masked else "CLEAR"
    opened = "opened" if row.opened else "never opened"
    return f"{row.bytes:,} bytes {hidden}; sum of {plural(len(row.roster.split()), 'site')}, {opened}\n{row.rule}"


@app.command()
def summary(home: Home = Path(), json: Json = False) -> None:
    """One line a study: how often, how much, which statistics, and what was opened of it."""
    from client.release.egress_view import released, summaries
    from site_config import hash_chained_journal

    found = summaries(released(hash_chained_journal.read(_path(home))))
    rows = [(one.study[:8], one.phases, one.releases, one.opened, _size(one), _masked(one), one.last[:10]) for one in found]
    columns = ("study", "phases", "sent", "opened", "size", "masked", "last")
    show(found, table("What left this hospital, by study", columns, rows, None if rows else "nothing"))


@app.command()
def told(home: Home = Path(), study: Study = None, json: Json = False) -> None:
    """In words, for a data-protection officer: what left, of how many patients, to whom, and what this hospital opened as a holder."""
    from client.officer.journal_in_words import told as sentences

    lines = list(sentences(*_entries(home, study)))
    show(lines, "\n".join(lines) or "nothing")


def _masked(one: StudyEgress) -> str:
    return "all" if one.masked else "NOT ALL"


def _size(one: StudyEgress) -> str:
    return f"{one.bytes / 1e6:,.1f} MB"


def _rest(found: Sequence[object], shown: Sequence[object]) -> str | None:
    if not found:
        return "nothing"
    return None if len(shown) == len(found) else f"the last {len(shown)} of {len(found)}; --all shows every one"


@app.command()
def verify(home: Home = Path(), json: Json = False) -> None:
    """Check the journal's chain from the first entry to the last; names the entry that was changed or is missing."""
    from client.release.egress_view import released
    from site_config import hash_chained_journal

    entries = hash_chained_journal.read(_path(home))
    head = entries[-1].hash if entries else hash_chained_journal.FIRST
    found = {"entries": len(entries), "releases": len(released(entries)), "head": head, "intact": True}
    rows = [("entries", len(entries)), ("releases", found["releases"]), ("last hash", head)]
    show(found, table("The journal is intact", ("", ""), rows, "Write the last hash down elsewhere: it proves later that nothing was cut."))


@app.command()
def export(
    to: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    home: Home = Path(),
    study: Study = None,
    statistic: Statistic = "",
    phase: Phase = "",
    since: Since = "",
    json: Json = False,
) -> None:
    """Write everything that left as CSV, for the data-protection officer."""
    from client.release.egress_view import as_csv, released
    from site_config import atomic_files

    entries, whole = _entries(home, study)
    rows = released(entries, _filter(whole, statistic, phase, since))
    atomic_files.write_atomic(to, as_csv(rows).encode("utf-8-sig"))
    show({"rows": len(rows), "file": to.name}, f"{len(rows)} rows written to {to.name}")


@app.command("go-on")
def go_on(
    home: Home = Path(),
    seen: Annotated[str, typer.Option("--seen", help="The whole hash that the refused admission named.")] = "",
    why: Annotated[str, typer.Option("--note", help="Who decided, and why; it stands in the journal.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Go on with a journal that lacks what the coordinator has seen of it. Stop the client first, and restore a backup if there is one."""
    from client.keys_kit_and_decisions import journal_asked
    from client.release.verified_journal import WENT_BACK, WentBack, open_journal
    from site_config.documents.read_yaml_documents import load_site
    from site_config.problems import host

    site = load_site(home / "site.yaml")
    asked = seen or journal_asked(site.state)
    if not asked:
        raise host.USAGE.problem("no admission was refused because of the journal", fix="Nothing to do.")
    note("What was opened since is forgotten here: later results may then differ from it by a single patient.")
    if not yes:
        typer.confirm("Go on without these entries?", abort=True)
    with open_journal(site.state) as book:
        entry = book.append(WENT_BACK, WentBack(seen=asked, note=why[:500]).model_dump())
    show({"entry": entry.number, "seen": asked}, f"Written as entry {entry.number} of the journal.")


@app.command()
def allow(
    study: Annotated[str, typer.Argument(help="The whole id of the study.")],
    home: Home = Path(),
    why: Annotated[str, typer.Option("--note", help="Who decided, and why; it stands in the journal.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Agree that a study opens values that differ by few hospitals or patients from earlier ones. Stop the client first.

    FH-417 for a study that was never offered here and of which the journal does not tell: an allowance waits for none.
    """
    from client.release.journal_entries import CONSENT, Consent
    from site_config.hash_chained_journal import Journal
    from site_config.problems import host

    study = study.strip().lower()
    if len(study) != 64 or not set(study) <= set("0123456789abcdef"):
        raise host.USAGE.problem("a study is named here by its whole id, 64 hex digits", fix="`fedhcc-site studies --json` shows it.")
    _entries(home, study)
    note("The difference of two such sums is the value of the few hospitals or patients that changed.")
    if not yes:
        typer.confirm(f"Allow it for study {study[:12]}?", abort=True)
    with Journal(_path(home)) as book:
        entry = book.append(CONSENT, Consent(study=study, note=why[:500]).model_dump())
    show({"entry": entry.number, "study": study}, f"Written as entry {entry.number} of the journal.")


def privacy(home: Home = Path(), study: Awaiting = None, opacus: Opacus = False, json: Json = False) -> None:
    """Show ε spent by the patients of cohort.csv, the budget, and what the next study would spend."""
    from client import keys_kit_and_decisions as enrol
    from client.program.patients_by_study import live_table
    from client.release.epsilon_spent import DELTA, EpsilonLedger
    from site_config import hash_chained_journal
    from site_config.documents.read_yaml_documents import load_site

    site = load_site(home / "site.yaml")
    ledger, rows = EpsilonLedger.of(hash_chained_journal.read(site.state / "journal.jsonl")), tuple(live_table(site).rows)
    spent = ledger.spent(rows)
    standing = (one for one in enrol.offers(site.state) if one.decision != "declined")
    offered = list(standing) if study is None else [enrol.find(site.state, study)]
    found = [_next(site, one.lock, ledger, rows, opacus=opacus) for one in offered]
    shown = {
        "delta": DELTA,
        "budget": site.policy.epsilon_budget,
        "patients": len(rows),
        "spent": _both(spent),
        "studies": found,
    }
    budget = "none set" if site.policy.epsilon_budget is None else f"{site.policy.epsilon_budget:g}"
    lines = [("spent so far, over all studies", *_words(spent), f"budget {budget}")]
    for one in found:
        lines += [(one["title"], *one["words"], one["verdict"])]
        lines += [(f"  {name}", value, "", "") for name, value in one["opacus"].items()]
    columns = ("", "ε with the secure sum", "ε without it", "")
    show(shown, table(f"Differential privacy at δ = {DELTA:g}", columns, lines, WORDS))
    if site.policy.epsilon_budget is None:
        note("No budget is set: write `policy: {epsilon_budget: 4}` into site.yaml to refuse more.")


def _both(cost: Cost) -> dict[str, float | None]:
    """ε as data; nothing stands for one without bound, which JSON cannot hold."""
    alone = cost.epsilon_alone
    return {"with_secure_sum": cost.epsilon, "without_secure_sum": alone if isfinite(alone) else None}


def _words(cost: Cost) -> tuple[str, str]:
    from shared_model.privacy.price_in_words import number

    return number(cost.epsilon), number(cost.epsilon_alone)


def _next(site: SiteConfig, lock: StudyLock, ledger: EpsilonLedger, rows: tuple[str, ...], *, opacus: bool) -> dict[str, Any]:
    """What a study has spent and would spend in all, and whether the hospital's budget allows it."""
    from client.release.epsilon_spent import budget_faults, schedule_of, study_cost, trains_bare
    from shared_model.analyses.noised.noise_budget import ResultsNoise

    role = lock.entry(site.site).role
    refused = bool(budget_faults(site.policy, lock, ledger, rows, role))
    data: dict[str, Any] = {"study": lock.study_id, "title": lock.study.title, "opacus": {}, "refused": refused}
    schedule, results = schedule_of(lock), ResultsNoise.of(lock.study)
    if schedule is None:
        bare = trains_bare(lock.study)
        verdict = UNBOUNDED if bare else "trains no network"
        return data | {"would_spend": None, "words": ("", ""), "verdict": f"{verdict}{'; refused' if refused else ''}"}
    whole, begun = study_cost(lock, role), ledger.spent(rows, lock.study_id)
    after = ledger.spent(rows) + whole if begun.squared == 0 else ledger.spent(rows)
    data |= {"would_spend": _both(whole), "begun": _both(begun), "words": _words(whole)}
    data["verdict"] = "refused: beyond the budget" if refused else f"afterwards {_words(after)[0]} in all"
    if opacus:
        from shared_model.privacy.opacus_accounts import prv_epsilon, rdp_epsilon

        plan = [*(schedule.releases if role == "development" else ()), *(results.releases if results else ())]
        delta = schedule.dp.delta
        data["opacus"] = {"Opacus PRV": f"{prv_epsilon(plan, delta):.2f}", "Opacus RDP": f"{rdp_epsilon(plan, delta):.2f}"}
    return data
