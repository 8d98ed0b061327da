"""`fedhcc-coordinator serve`, `run`, `resume`, `stop` and `status`: a study from admission to report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.enrol_and_renew import Home
from server.commands.study_check_lock_publish import study_app, warn
from site_config.console import Json, next_command, note, show, table

if TYPE_CHECKING:
    from server.departure.leave_study import Departure
    from server.study.study_results import StudyResult
    from site_config.problems.base import Problem

Study = Annotated[str | None, typer.Argument(help="The study's id, or its first 6 or more digits; left out, the only published one.")]
Canary = Annotated[bool, typer.Option("--canary", help="Only admission and one round: the cheapest proof that everything works.")]


def _quiet() -> None:
    import os

    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")


def _survive_hangup(home: Path) -> None:
    """Go on when the terminal goes away (a closed ssh session); what would be said there is written to `logs/coordinator.log`."""
    import os
    import signal

    from site_config.keys_and_signatures import private_folder

    def go_on(_number: int, _frame: object) -> None:
        log = os.open(private_folder(home / "logs") / "coordinator.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(log)
        note("the terminal went away; going on")

    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, go_on)


def serve(home: Home = Path(), json: Json = False) -> None:
    """Run the SuperLink and the gateway until Ctrl-C, so that hospitals stay connected between studies."""
    import os
    import signal
    import threading

    _quiet()
    from server import certificate_renewal
    from server import hospital_register as enrol
    from server.link.process_supervisor import Supervisor
    from site_config.problems.base import Problem
    from site_config.restarts import end_with

    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    _survive_hangup(home)
    try:
        with Supervisor(home, note, alone=True):
            note(f"hospitals reach {enrol.load(home).address}")
            if ends := certificate_renewal.expiry_words(home):
                note(ends)
            over.wait()
    except Problem as problem:
        raise end_with(problem, os.environ, over) from None
    note("stopped")


def run_study(home: Path, study: str | None, canary: bool, wait_s: float, on_event: str, track: list[str] | None) -> None:
    """Run a study, or go on with it, in this process, and say how it ended."""
    import signal
    import threading

    _quiet()
    from server import published_studies
    from server.departure.going_on import run_and_go_on
    from server.watch.office_run import OfficeRun, run_published

    study_id = published_studies.find_study(home, study)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    _survive_hangup(home)

    def once(study: str) -> StudyResult:
        return run_published(OfficeRun(home, study, canary, wait_s, on_event, tuple(track or ())), note, over)

    def goes_on(_left: str, problem: Problem, found: Departure) -> None:
        note(f"{problem.code}: {problem.what}")
        note(f"going on without who left, as agreed, as {found.lock.study.title} ({found.lock.study_id[:12]}):")
        for line in found.words():
            note(f"- {line}")

    study_id, result = (study_id, once(study_id)) if canary else run_and_go_on(home, study_id, once, goes_on)
    report = None if canary else _report(home, study_id)
    show(
        {"study": study_id, "label": result.label, "canary": canary, "report": str(report) if report else None},
        f"{'Canary passed' if canary else result.label}: {result.title}" + (f"\n{report}" if report else ""),
    )


def _report(home: Path, study_id: str) -> Path:
    from server.study.deliverables import write_outcome
    from server.study.resume_state import StudyFolder
    from server.watch import study_status as watch

    folder = watch.folder_of(home, study_id)
    return write_outcome(watch.result_of(home, study_id), StudyFolder(folder), folder)


OnEvent = Annotated[str, typer.Option("--on-event", help="A command to run for notices and states; it reads JSON on standard input.")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track", envvar="FEDHCC_TRACK", help="Tell opened numbers to tensorboard:FOLDER or mlflow:URI; repeat. Needs fedhcc\\[tracking]."
    ),
]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for hospitals to connect before asking.")]


def run(
    study: Study = None,
    home: Home = Path(),
    canary: Canary = False,
    wait: Wait = 60.0,
    on_event: OnEvent = "",
    track: Track = None,
    json: Json = False,
) -> None:
    """Run a published study, or go on with it; ends COMPLETE, or STALLED with who is missing."""
    run_study(home, study, canary, wait, on_event, track)


def resume(
    study: Study = None, home: Home = Path(), wait: Wait = 60.0, on_event: OnEvent = "", track: Track = None, json: Json = False
) -> None:
    """Go on with a study that was stopped, stalled or interrupted, from its last finished round."""
    run_study(home, study, False, wait, on_event, track)


def stop(study: Study = None, home: Home = Path(), json: Json = False) -> None:
    """Ask a running study to end after the present round; `resume` goes on."""
    from server import published_studies
    from server.watch import study_status as watch

    study_id = published_studies.find_study(home, study)
    watch.ask_stop(home, study_id)
    show({"study": study_id, "stop": "asked"}, f"Asked {study_id[:12]} to stop.")


def status(
    home: Home = Path(),
    healthy: Annotated[
        bool, typer.Option("--healthy", help="Only tell, by the exit status, whether gateway and SuperLink answer.")
    ] = False,
    json: Json = False,
) -> None:
    """Every published study and where it stands; every hospital and whether it is connected."""
    from server import certificate_renewal
    from server import hospital_register as enrol
    from server.link.nginx_gateway import OFFICE_LOCK
    from server.link.process_supervisor import link_answers
    from server.watch import study_status as watch
    from server.watch.awaited_hospitals import waiting_words
    from site_config.file_lock import holder_of

    _quiet()
    register = enrol.load(home)
    office = link_answers(home)
    if healthy:
        raise typer.Exit(0 if all(office.values()) else 1)
    holder = holder_of(home / OFFICE_LOCK)
    online: set[int] | None = None
    if office["SuperLink"]:
        from server.link.superlink import link_of, online_nodes

        online = online_nodes(link_of(home))
    sites = [{"site": s.name, "connected": None if online is None else s.node_id in online} for s in register.active().values()]
    studies = watch.statuses(home)
    words = {None: "SuperLink does not run", True: "connected", False: "NOT connected"}
    waits = {s.study: waiting_words(watch.folder_of(home, s.study)) for s in studies if s.state in ("running", "PAUSED")}
    rows = [(s.study[:12], s.title, s.state, waits.get(s.study) or s.last, ", ".join(s.missing or ())) for s in studies]

    who = f"served by {holder}" if holder is not None else "nobody serves this office: `fedhcc-coordinator serve`"
    silent = [name for name, answers in office.items() if not answers] if holder is not None else []

    ends = certificate_renewal.expiry_words(home)

    def draw(console: object) -> None:
        if ends:
            console.print(ends)  # type: ignore[attr-defined]
        console.print(who + "".join(f"; the {name} does not answer" for name in silent))  # type: ignore[attr-defined]
        console.print(table("Studies", ("id", "title", "state", "now", "missing"), rows, whole=("id", "state")))  # type: ignore[attr-defined]
        console.print(table("Hospitals", ("hospital", "connection"), [(s["site"], words[s["connected"]]) for s in sites]))  # type: ignore[attr-defined,index]

    served: dict[str, object] = {"certificates": ends, "by": holder.model_dump() if holder is not None else None, "answers": office}
    show({"office": served, "studies": studies, "sites": sites, "waits": waits}, draw)


Frozen = Annotated[
    Path | None, typer.Option("--bundle", help="The frozen model's folder, for a study of the kind `validate`.", file_okay=False)
]


def publish(
    lock: Annotated[Path, typer.Argument(help="The signed lock that `study lock` wrote.")],
    home: Home = Path(),
    bundle: Frozen = None,
    json: Json = False,
) -> None:
    """Publish a signed lock, so that `run` finds it; hospitals are offered it at admission, or get the file."""
    from server import published_studies
    from site_config.atomic_files import read_limited

    found = published_studies.publish(home, read_limited(lock, 16 << 20, "the lock"))
    if bundle is not None:
        _keep_bundle(bundle, home / "studies" / found.study_id / "bundle", found.study.bundle_sha256)
    show({"study": found.study_id, "title": found.study.title}, f"Published {found.study.title}\nstudy id {found.study_id}")
    warn(found)
    note(f"Next: {next_command('fedhcc-coordinator', 'run', found.study_id[:12], '--canary')}")


def _keep_bundle(bundle: Path, target: Path, sha256: str | None) -> None:
    """A checked copy of the bundle (FH-610 where it is another than the study names) where `run` looks for it."""
    import shutil

    from shared_model.bundle.bundle_manifest import load_bundle

    load_bundle(bundle, sha256=sha256)
    shutil.copytree(bundle, target, dirs_exist_ok=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (serve, run, resume, stop, status):
        app.command()(command)
    study_app.command()(publish)
