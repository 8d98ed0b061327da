"""`fedhcc-site check` and `identity`: site.yaml, cohort.csv and scans.csv, every fault at once, before anything else is tried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, json_wanted, next_command, note, problem_lines, show, table
from site_config.problems.base import Exit, Problem, together

if TYPE_CHECKING:
    from rich.console import Console

    from client.cohort.taking_part import TakingPart
    from client.doctor.document_checks import Checked
    from site_config.study.plan_and_lock import Study

MOST_NAMED = 20
StudyFile = Annotated[Path | None, typer.Option("--study", help="study.yaml or a signed lock; left out, the study's defaults are assumed.")]


def check(home: Home = Path(), study: StudyFile = None, json: Json = False) -> None:
    """Check site.yaml, cohort.csv, scans.csv and the middle of every scan; nothing leaves the machine.

    Exit status 0: nothing to say; 1: findings to read; 10: configuration, 11: content, 12: access.
    """
    from client.doctor.document_checks import examine

    def progress(done: int, everything: int) -> None:
        if not json_wanted() and done % 20 == 0:
            note(f"  {done} of {everything} scans looked at")

    wanted = _study(study) if study else None
    found = examine(home, wanted, progress)
    part = _taking_part(found, wanted)
    beside = ("--study", study) if study else ()
    following = ("data", "prepare", *beside) if found.reads_scans else ("run",)
    show(_data(found, part), lambda console: _draw(console, found, part, next_command("fedhcc-site", *following)))
    if found.faults:
        typer.echo("\n".join(problem_lines(together(found.faults))), err=True)
        raise typer.Exit(int(_worst(found.faults)))
    if found.findings:
        raise typer.Exit(int(Exit.FINDINGS))


def identity(home: Home = Path(), json: Json = False) -> None:
    """This hospital's name and fingerprint, to read out by telephone, and the coordinator's once joined."""
    from site_config.atomic_files import read_limited
    from site_config.documents.read_yaml_documents import load_site
    from site_config.keys_and_signatures import MAX_DOCUMENT, SiteIdentity, fingerprint, read_kit, spoken

    state = load_site(home / "site.yaml").state
    own = SiteIdentity.load(state)
    kit_file = state / "identity" / "kit.json"
    kit = read_kit(read_limited(kit_file, MAX_DOCUMENT), own) if kit_file.exists() else None
    coordinator = fingerprint(kit.coordinator_key) if kit else None
    rows = [(f"hospital {own.name}", spoken(own.fingerprint)), *([("coordinator", spoken(coordinator))] if coordinator else [])]
    text = "\n".join(f"{whose}\n  {said}" for whose, said in rows)
    show({"site": own.name, "fingerprint": own.fingerprint, "coordinator": coordinator}, text)


def _worst(faults: list[Problem]) -> Exit:
    """Access first: as long as something cannot be reached, what is said of its content may change."""
    return next((one.kind.exit for exit_ in (Exit.ACCESS,) for one in faults if one.kind.exit == exit_), faults[0].kind.exit)


def _study(path: Path) -> Study:
    from site_config.atomic_files import read_limited
    from site_config.documents.read_yaml_documents import load_study
    from site_config.keys_and_signatures import read_lock
    from site_config.problems import configuration as kinds

    if path.suffix != ".json":
        return load_study(path)
    return read_lock(read_limited(path, 8 * 2**20), kinds.LOCK_DAMAGED, path.name).lock.study


def _taking_part(found: Checked, study: Study | None) -> TakingPart | None:
    """Who takes part by the tables; None where a table could not be read or the study reads no scans."""
    from client.cohort.taking_part import taking_part
    from site_config.study.plan_and_lock import Imaging, two_organs

    if found.cohort is None or not found.scans or not found.reads_scans:
        return None
    imaging = study.imaging if study is not None else Imaging()
    organs = study.organs if study is not None else two_organs()
    return taking_part(found.cohort.patients, found.scans, organs, imaging, (*found.faults, *found.findings))


def _named(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
    return ", ".join(keys[:MOST_NAMED]) + more


def _who(part: TakingPart) -> list[str]:
    """Who takes part and who is left out and why, and the rows that a person vouches for."""
    lines = [f"take part in the imaging models, as far as scans.csv tells ({len(part.whole)}): {_named(part.whole) or 'nobody'}"]
    reasons: dict[str, list[str]] = {}
    for key, why in part.left_out.items():
        reasons.setdefault(why, []).append(key)
    lines += [f"left out of them, {why} ({len(keys)}): {_named(keys)}" for why, keys in reasons.items()]
    if part.stated_same:
        rows = ", ".join(map(str, part.stated_same))
        lines.append(f"stated by this hospital to be the patient's whatever the headers name (same_person: yes): scans.csv rows {rows}")
    return lines


def _counts(found: Checked, part: TakingPart | None) -> dict[str, int | None]:
    """What the tables hold; None where a table could not be read, which is not the same as nobody."""
    patients = found.cohort.patients if found.cohort is not None else None
    return {
        "patients": None if patients is None else len(patients),
        "events": None if patients is None else sum(one.event for one in patients),
        **(_scans(found, part) if found.reads_scans else {}),
    }


def _scans(found: Checked, part: TakingPart | None) -> dict[str, int | None]:
    """What the tables hold of visits and scans."""
    patients = found.cohort.patients if found.cohort is not None else None
    both = None if patients is None else sum(one.baseline_day is not None and one.followup_day is not None for one in patients)
    listed = part.both if part is not None else 0 if found.scans == () and patients is not None else None
    scans = found.scans
    masks = None if scans is None else sum(len(scan.masks) for scan in scans)
    return {
        "with both visits in cohort.csv": both,
        "with scans of both visits": listed,
        "scans": None if scans is None else len(scans),
        "supplied masks": masks,
    }


def _data(found: Checked, part: TakingPart | None) -> dict[str, Any]:
    return {
        "site": found.site.site if found.site else None,
        "counts": _counts(found, part),
        "taking_part": None if part is None else {"patients": part.whole, "left_out": part.left_out, "stated_same_rows": part.stated_same},
        "faults": found.faults,
        "findings": found.findings,
    }


def _draw(console: Console, found: Checked, part: TakingPart | None, following: str) -> None:
    if found.site is not None:
        rows = [(name, "not read" if number is None else number) for name, number in _counts(found, part).items()]
        console.print(table(found.site.site, ("what", "number"), rows, "these numbers stay on this machine"))
    if found.cohort is not None and found.cohort.unread:
        console.print(f"not read by this study: {', '.join(found.cohort.unread)}", soft_wrap=True)
    if part is not None:
        console.print("\n".join(_who(part)), soft_wrap=True, markup=False)
    if found.findings:
        console.print(f"\nFindings ({len(found.findings)}), to read; they stop nothing:")
        console.print("\n".join(problem_lines(together(found.findings))), soft_wrap=True)
    console.print("\nFaults:" if found.faults else f"\nNo fault. Next: {following}", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add `check` and `identity` to the hospital's command line."""
    app.command()(check)
    app.command()(identity)
