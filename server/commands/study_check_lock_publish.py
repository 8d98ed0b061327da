"""`fedhcc-coordinator study`: start from a preset, check, lock, show; and the schema an editor checks study.yaml with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.commands.enrol_and_renew import Home
from site_config.console import Json, next_command, note, problem_lines, show, table
from site_config.terminal.which_folder import an_office
from site_config.words_of_messages import plural

if TYPE_CHECKING:
    from rich.console import Console

    from server.study.expected_precision import Expectation, ExpectedSize
    from site_config.problems.base import Problem
    from site_config.study.plan_and_lock import Study, StudyLock, StudySite

StudyFile = Annotated[Path, typer.Argument(help="The study's document.")]
PerSite = Annotated[float, typer.Option("--patients-per-site", min=0.1, help="Patients a hospital to expect.")]
EventShare = Annotated[float, typer.Option("--event-share", min=0.01, max=1.0, help="Share of patients whose death is observed.")]

StepSeconds = Annotated[float, typer.Option("--step-seconds", min=0.0, help="Seconds of a training step; 0: the slowest rehearsal told.")]
HoursADay = Annotated[float, typer.Option("--hours-a-day", min=0.5, max=24.0, help="Hours a day on which machines are on together.")]

study_app = typer.Typer(help="Write, check and lock a study.", no_args_is_help=True)


@study_app.command()
def new(
    preset: Annotated[str, typer.Option("--preset", help="paper, demo, canary, tiny, or cox (tables only).")] = "paper",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; left out, the study is printed.")] = None,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home",
            envvar="FEDHCC_HOME",
            help="Name the hospitals enrolled here instead of placeholders.",
            callback=an_office,
            readable=False,
        ),
    ] = None,
) -> None:
    """Write a complete study to start from; its sites are placeholders unless --home names the coordinator's folder.

    Example: fedhcc-coordinator study new --preset paper --out study.yaml
    """
    from site_config.atomic_files import write_atomic
    from site_config.documents.read_yaml_documents import dump_yaml
    from site_config.problems import host
    from site_config.study import study_presets

    sites = _enrolled(home) if home is not None else None
    what = "Read it through" if sites else "Replace the sites by yours"
    note_ = f"Preset {preset}. {what}; docs/reference/study.md tells every field."
    text = dump_yaml(study_presets.preset(preset, sites), note_, lean=preset in study_presets.LEAN)
    if out is None:
        typer.echo(text, nl=False)
        return
    if out.exists():
        raise host.CANNOT_WRITE.problem(f"{out.name} exists already", fix="Choose another name, or remove the file first.")
    write_atomic(out, text.encode(), 0o644)
    note(f"wrote {out}\nNext: {next_command('fedhcc-coordinator', 'study', 'check', out)}")


def _enrolled(home: Path) -> tuple[StudySite, ...]:
    """The hospitals enrolled here, each in the role it was enrolled in."""
    from server import hospital_register as enrol
    from site_config.problems import identity as kinds
    from site_config.study.plan_and_lock import StudySite

    found = tuple(StudySite(name=one.name, role=one.role) for one in enrol.load(home).active().values())
    if not found:
        raise kinds.NOT_ENROLLED.problem("No hospital is enrolled here yet")
    return found


@study_app.command()
def check(
    study: StudyFile = Path("study.yaml"),
    patients_per_site: PerSite = 4.0,
    event_share: EventShare = 0.6,
    step_seconds: StepSeconds = 0.0,
    hours_a_day: HoursADay = 24.0,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", envvar="FEDHCC_HOME", help="Also check that every site is enrolled here.", callback=an_office, readable=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check a study: every fault with its line, and what a study of this size can hope for.

    Exit status 0: nothing to say; 1: findings to read; 10 and above: faults.
    """
    from server.study.expected_precision import expect
    from server.study.plan_days import plan_days
    from server.watch.hospital_board import slowest_step
    from site_config.documents.read_yaml_documents import load_study
    from site_config.problems.base import together
    from site_config.site_yaml import Policy
    from site_config.study.lock_study import honest_faults, planned_blocks, refused_blocks
    from site_config.study.policy_clashes import minima_clashes

    plan = load_study(study)
    if home is not None:
        missing = _not_enrolled(plan, home)
        if missing:
            raise together(missing)
    expected = expect(plan, patients_per_site, event_share)
    blocks = planned_blocks(plan)
    findings = [*honest_faults(plan, blocks), *refused_blocks(plan, blocks), *minima_clashes(Policy(), plan), *expected.findings()]
    days = plan_days(plan, step_seconds or (slowest_step(home, plan) if home is not None else 0.0), hours_a_day)
    data = _check_data(plan, expected, findings) | {"plan": {"rounds": days.rounds, "hours": days.hours, "days": days.finite_days}}
    show(data, lambda console: _draw_check(console, plan, expected, findings))
    note(days.words())
    if home is not None and (came_before := _earlier(plan, home)):
        note(came_before)
    note(f"Next: {next_command('fedhcc-coordinator', 'study', 'lock', study)}")
    if findings:
        raise typer.Exit(1)


def _not_enrolled(plan: Study, home: Path) -> list[Problem]:
    from server import hospital_register as enrol
    from site_config.study.lock_study import unknown_sites

    return unknown_sites(plan, enrol.load(home).active())


def _earlier(plan: Study, home: Path) -> str:
    """Which studies of the same hospitals came before, and what that means for new patients; '' where there is none."""
    from datetime import UTC, datetime

    from server.study.earlier_studies import begun

    names = {site.name for site in plan.sites}
    found = [one.study_id for one in begun(home) if names & {entry.name for entry in one.roster} and one.study != plan]
    if not found:
        return ""
    began = max((home / "studies" / study / "lock.json").stat().st_mtime for study in found)
    since = datetime.fromtimestamp(began, UTC).date().isoformat()
    least = plan.privacy.minimum_patients
    together = "at all hospitals together" if plan.resolution == "shares" else "at the hospital itself"
    return (
        f"{plural(len(found), 'earlier study', 'earlier studies')} of these hospitals, the last locked on {since}: patients who came since "
        f"count once {least} of a set have joined, left or changed {together}; until then the rows used last are "
        f"studied again.{_one_block(plan)}"
    )


def _one_block(plan: Study) -> str:
    """That planned blocks are joined, where they are."""
    from site_config.study.lock_study import planned_blocks

    count = len(planned_blocks(plan).get("development", ()))
    if plan.resolution != "shares" or count < 2 or plan.privacy.demonstration:
        return ""
    return f" All hospitals train as one block instead of {count}: what changed is compared over all of them, not block by block."


def _check_data(plan: Study, expected: Expectation, findings: list[Problem]) -> dict[str, Any]:
    from site_config.study.deviations_from_paper import warning

    def size(one: ExpectedSize) -> dict[str, Any]:
        return {"sites": one.sites, "patients": one.patients, "events": one.events, "c_half_width": one.c_half_width}

    return {
        "title": plan.title,
        "assumed": {"patients_per_site": expected.patients_a_site, "event_share": expected.event_share},
        "sets": {"training": size(expected.training), "validation": size(expected.validation), "test": size(expected.test)},
        "variables": expected.variables,
        "events_per_variable": expected.events_a_variable,
        "paper": warning(plan),
        "noise": _price(plan),
        "findings": findings,
    }


def _price(plan: Study) -> list[str]:
    """What differential privacy promises and costs, with Opacus' accountants and the signal left over; nothing where there is none."""
    if plan.privacy.dp is None:
        return []
    from shared_model.analyses.noised.noise_budget import ResultsNoise
    from shared_model.networks.rad_networks import build
    from shared_model.networks.trainable_under_privacy import trained_places
    from shared_model.networks.weight_vector import Schema
    from shared_model.privacy.noise_schedule import NoiseSchedule
    from shared_model.privacy.opacus_accounts import planned_multiplier, prv_epsilon, rdp_epsilon
    from shared_model.privacy.price_in_words import price_lines, signal_line
    from site_config.study.lock_study import planned_blocks
    from site_config.study.prognostic_models import MODELS

    blocks, dp = len(planned_blocks(plan).get("development", ())), plan.privacy.dp
    schedule, results = NoiseSchedule.of(plan, blocks), ResultsNoise.of(plan)
    releases = schedule.networks * schedule.updates
    history = [*schedule.releases, *(results.releases if results else ())]
    sizes = [int(trained_places(Schema.of(build(plan, name)), dp.trainable).sum()) for name in MODELS.networks(plan.models)]
    return [
        *price_lines(plan, blocks),
        f"Opacus: ε = {prv_epsilon(history, dp.delta):.2f} (PRV), {rdp_epsilon(history, dp.delta):.2f} (RDP, a looser bound);"
        f" noise multiplier {schedule.update_multiplier:.2f} here, {planned_multiplier(dp.epsilon, dp.delta, releases):.2f} by its"
        " `get_noise_multiplier` for the updates alone.",
        *(signal_line(plan, blocks, size) for size in sizes),
    ]


def _draw_check(console: Console, plan: Study, expected: Expectation, findings: list[Problem]) -> None:
    from shared_model.analyses.trust_in_words import trust_lines
    from site_config.problems.base import together
    from site_config.study.deviations_from_paper import warning
    from site_config.study.lock_study import planned_holders

    sets = (("training", expected.training), ("validation", expected.validation), ("test", expected.test))
    rows = [
        (name, one.sites, one.patients, one.events, "–" if one.c_half_width is None else f"±{one.c_half_width:.2f}") for name, one in sets
    ]
    assumed = (
        f"assuming {expected.patients_a_site:g} patients a hospital, of whom {expected.event_share:.0%} have the event under observation"
    )
    console.print(f"No fault in {plan.title!r}.\n")
    console.print(table("", ("set", "sites", "patients", "events", "C-index, 95 %"), rows, assumed))
    holders = planned_holders(plan)
    if holders:
        console.print("\n".join(trust_lines(holders, counts=plan.privacy.dp is not None)), soft_wrap=True)
        console.print("The results that may be opened are listed when the study is locked (`study lock`, `study show`).", soft_wrap=True)
    if price := _price(plan):
        console.print("\n".join(price), soft_wrap=True)
    if expected.variables:
        console.print(
            f"{expected.events_a_variable:.1f} events a clinical variable ({expected.variables} variables; ten or more are wanted)"
        )
    if words := warning(plan):
        console.print(words, soft_wrap=True)
    if findings:
        console.print("\n".join(problem_lines(together(findings))), soft_wrap=True)


@study_app.command()
def lock(
    study: StudyFile = Path("study.yaml"),
    home: Home = Path(),
    out: Annotated[Path | None, typer.Option("--out", help="File for the signed lock; left out, NAME.lock.json beside the study.")] = None,
    json: Json = False,
) -> None:
    """Freeze a study: draw roles, fix blocks, add the hospitals' keys and the code's digest, and sign.

    The same study, keys and code always give the same study id, unless it is on shares and others were published before it.
    """
    from server import hospital_register as enrol
    from server.study.earlier_studies import begun
    from site_config.atomic_files import write_atomic
    from site_config.documents.read_yaml_documents import load_study
    from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
    from site_config.problems.base import together
    from site_config.study.code_digest import code_digest, office_digest
    from site_config.study.lock_study import lock_study, resolve_roles

    plan = load_study(study)
    missing = _not_enrolled(plan, home)
    if missing:
        raise together(missing)
    identity = CoordinatorIdentity.load(home)
    locked = lock_study(
        plan,
        enrol.roster(home, resolve_roles(plan)),
        code_digest=code_digest(),
        office_digest=office_digest(),
        coordinator_key=identity.public_key,
        published=begun(home),
    )
    path = out or study.with_suffix(".lock.json")
    write_atomic(path, sign_lock(locked, identity).model_dump_json(indent=1).encode() + b"\n", 0o644)
    show(_lock_data(locked) | {"file": str(path)}, lambda console: _draw_lock(console, locked))
    warn(locked)
    note(f"wrote {path}\nNext: {next_command('fedhcc-coordinator', 'study', 'publish', path)}")


def warn(locked: StudyLock) -> None:
    """Tell of a start that is not the paper's, and of blocks that hospitals refuse (their policies may ask for less)."""
    from site_config.problems.base import together
    from site_config.study.deviations_from_paper import warning
    from site_config.study.lock_study import refused_blocks

    if words := warning(locked.study):
        note(words)
    found = refused_blocks(locked.study, locked.blocks)
    if found:
        note("\n".join(problem_lines(together(found))))


@study_app.command("show")
def show_lock(
    lock_file: Annotated[Path, typer.Argument(help="A signed lock.", metavar="LOCK")],
    json: Json = False,
) -> None:
    """Show who is in a lock, in which role and block, and its study id."""
    from site_config.atomic_files import read_limited
    from site_config.keys_and_signatures import read_lock
    from site_config.problems import configuration as kinds
    from site_config.problems.base import together
    from site_config.study.lock_study import lock_faults

    locked = read_lock(read_limited(lock_file, 8 * 2**20), kinds.LOCK_DAMAGED, lock_file.name).lock
    faults = lock_faults(locked)
    if faults:
        raise together(faults)
    show(_lock_data(locked), lambda console: _draw_lock(console, locked))


def _lock_data(locked: StudyLock) -> dict[str, Any]:
    from shared_model.analyses.trust_in_words import opened_lines
    from shared_model.privacy.price_in_words import price_lines

    roster = [{"name": entry.name, "role": entry.role, "fingerprint": entry.fingerprint} for entry in locked.roster]
    return {
        "study_id": locked.study_id,
        "holders": list(locked.holders),
        "opened_on_shares": opened_lines(locked),
        "noise": price_lines(locked.study, len(locked.blocks.get("development", ()))),
        "title": locked.study.title,
        "roster": roster,
        "blocks": {role: [list(block) for block in blocks] for role, blocks in locked.blocks.items()},
        "code_digest": locked.code_digest,
    }


def _draw_lock(console: Console, locked: StudyLock) -> None:
    from shared_model.analyses.trust_in_words import trust_text
    from shared_model.privacy.price_in_words import price_lines

    place = {name: number for blocks in locked.blocks.values() for number, block in enumerate(blocks, 1) for name in block}
    rows = [(entry.name, entry.role, place.get(entry.name), entry.fingerprint[:16]) for entry in locked.roster]
    console.print(table(locked.study.title, ("site", "role", "block", "key"), rows, f"study id {locked.study_id}"))
    console.print(trust_text(locked), soft_wrap=True, end="\n" if locked.holders else "")
    for line in price_lines(locked.study, len(locked.blocks.get("development", ()))):
        console.print(line, soft_wrap=True)


@study_app.command()
def schema(which: Annotated[str, typer.Argument(help="study or site.")] = "study") -> None:
    """Print the JSON Schema with which an editor checks study.yaml or site.yaml while it is written."""
    from site_config.documents.json_schemas import schema_text
    from site_config.problems import host

    if which not in ("study", "site"):
        raise host.USAGE.problem("the schemas are `study` and `site`", fix="Write `study` or `site`.")
    typer.echo(schema_text(which), nl=False)


def register(app: typer.Typer) -> None:
    """Add `study` to the coordinator's command line."""
    app.add_typer(study_app, name="study")
