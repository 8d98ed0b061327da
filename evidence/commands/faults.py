"""`fedhcc-sim faults`: play faults on a loopback federation and see what becomes of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from site_config.console import Json, note, show, table

EQUAL = {True: "equal", False: "DIFFER"}


def faults(
    names: Annotated[list[str] | None, typer.Argument(help="Which faults; left out, all. --list names them.")] = None,
    out: Annotated[Path, typer.Option(help="Where the study and the processes' logs go.")] = Path("fedhcc-faults"),
    list_only: Annotated[bool, typer.Option("--list", help="Name the faults and end.")] = False,
    short: Annotated[bool, typer.Option("--short", help="Shorter outages and deadlines, as the tests play them.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same patients and the same split.")] = 7,
    as_json: Json = False,
) -> None:
    """Kill, cut, fill and confuse a federation of real processes; the final weights must be the undisturbed run's."""
    from dataclasses import asdict

    from evidence.faults.faults_of_machines import PLAYS
    from evidence.faults.faulty_federation import EVIDENCE, SMOKE, Stage
    from site_config.problems import host
    from site_config.words_of_messages import choice

    titles = {name: (play.__doc__ or "").split("\n")[0] for name, play in PLAYS.items()}
    unknown = [name for name in names or () if name not in PLAYS]
    if unknown:
        raise host.USAGE.problem(f"there is no fault {unknown[0]}", fix=choice(unknown[0], PLAYS))
    if list_only:
        show(titles, table("Faults", ("name", "what happens"), list(titles.items())))
        return
    stage = Stage(out, SMOKE if short else EVIDENCE, seed)
    stage.federation.start()
    found = {}
    try:
        note(f"undisturbed run: {stage.undisturbed():.0f} s")
        for name in names or PLAYS:
            note(f"{name}: {titles[name]}")
            stage.set_back()
            found[name] = PLAYS[name](stage)
            note(f"{name}: {found[name].first_end}, {found[name].label}, weights {EQUAL[found[name].weights_equal]}")
    finally:
        stage.close()

    def draw(console: object) -> None:
        rows = [
            (name, one.detected_s, ", ".join(one.codes), one.first_end, one.resumed, one.label, EQUAL[one.weights_equal])
            for name, one in found.items()
        ]
        head = ("fault", "noticed after, s", "codes", "first run", "resumed", "label", "weights")
        console.print(table("Faults", head, rows))  # type: ignore[attr-defined]
        for name, one in found.items():
            words = f"{name}: told {one.told}. The ledger: {one.ledger or 'nothing'}. Next command: {one.next_command}."
            console.print(words, soft_wrap=True)  # type: ignore[attr-defined]

    show({name: asdict(one) for name, one in found.items()}, draw)
    if not all(one.weights_equal and one.label == "COMPLETE" for one in found.values()):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(faults)
