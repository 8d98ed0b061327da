"""The faults: what is done to the federation, how it is noticed, and how it is mended.

Each play starts a run, hurts it, measures how long it takes until somebody is told, mends it, and sees the study to its end.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server import enrol
from server.enrol import find_study
from simulations.engines.loopback import SiteProcess
from simulations.faults.stage import Run, Stage
from site_config.files import write_atomic
from site_config.identity import Kit, SiteIdentity

STALLED = 15


@dataclass(frozen=True)
class Observed:
    """What a play saw: seconds until somebody was told (and where), codes, how the first run ended, and the end."""

    detected_s: float
    told: str
    codes: tuple[str, ...]
    first_end: str
    resumed: bool
    label: str
    weights_equal: bool
    next_command: str
    seconds: float


ENDS = {0: "completed", STALLED: "STALLED", 13: "refused (identity)", 14: "refused", -9: "killed", 130: "stopped"}
RESUME = "fedhcc-coordinator resume STUDY"


def see_through(
    stage: Stage,
    run: Run,
    detected_s: float,
    told: str,
    mend: Callable[[], None] | None = None,
    extra: tuple[str, ...] = (),
    command: str = "",
) -> Observed:
    """Wait for the run's end; where it did not complete, mend and resume."""
    began, status = run.began, run.wait()
    resumed = status != 0
    if resumed:
        if mend is not None:
            mend()
        status_now = stage.begin().wait()
    else:
        status_now = status
    result = stage.result() if status_now == 0 else None
    codes = sorted({code for entry in stage.ledger() for code in entry.missing.values()} | set(extra))
    return Observed(
        detected_s=round(detected_s, 1),
        told=told,
        codes=tuple(codes),
        first_end=ENDS.get(status, f"status {status}"),
        resumed=resumed,
        label=result.label if result else "NONE",
        weights_equal=result is not None and result.weights == stage.weights,
        next_command=command or (RESUME if resumed else "none"),
        seconds=round(time.monotonic() - began, 1),
    )


def _in_ledger(stage: Stage, site: str | None = None) -> Callable[[], bool]:
    wanted = site or stage.victim
    return lambda: any(wanted in entry.missing for entry in stage.ledger())


def site_killed(stage: Stage) -> Observed:
    """A site's machine loses power in the middle of training and comes back."""
    run = stage.begin()
    stage.until_round(run, 2)
    stage.site.kill()
    detected = stage.until(_in_ledger(stage), run)
    stage.restart_site()
    return see_through(stage, run, detected, "ledger")


def network_cut(stage: Stage) -> Observed:
    """A site's network is gone for 90 seconds."""
    run = stage.begin()
    stage.until_round(run, 2)
    stage.forwarder.cut()
    began = time.monotonic()
    detected = stage.until(_in_ledger(stage), run)
    time.sleep(max(0.0, 90.0 - (time.monotonic() - began)))
    stage.forwarder.mend()
    return see_through(stage, run, detected, "ledger")


def superlink_killed(stage: Stage) -> Observed:
    """Flower's SuperLink is killed and started again on its database file."""
    run = stage.begin()
    stage.until_round(run, 2)
    noticed = _noticed_by_site(stage, "FH-715")
    began = time.monotonic()
    stage.federation.gateway.superlink.kill()
    time.sleep(3.0)
    stage.federation.gateway.superlink.start()
    stage.until(noticed, run, 60)
    return see_through(stage, run, time.monotonic() - began, "sites' logs; the ledger where a round was open", extra=("FH-715",))


def server_killed_between(stage: Stage) -> Observed:
    """The coordinator's program is killed between two rounds."""
    run = stage.begin()
    stage.until_round(run, 3)
    run.kill()
    return see_through(stage, run, 0.0, "exit status of the program")


def server_killed_inside(stage: Stage) -> Observed:
    """The coordinator's program is killed while sites work on a round."""
    run = stage.begin()
    stage.until_round(run, 2)
    stage.until(lambda: bool(_working(stage)), run, 30)
    run.kill()
    return see_through(stage, run, 0.0, "exit status of the program")


def _working(stage: Stage) -> str:
    from client.control import ControlClient

    client = ControlClient(stage.site.state)
    try:
        return client.call("Status").working
    finally:
        client.close()


def gateway_restarted(stage: Stage) -> Observed:
    """The gateway is down for five seconds."""
    run = stage.begin()
    stage.until_round(run, 2)
    noticed = _noticed_by_site(stage, "FH-715")
    began = time.monotonic()
    stage.federation.gateway.nginx.stop()
    stage.until(noticed, run, 5.0)
    detected = time.monotonic() - began
    time.sleep(max(0.0, 5.0 - detected))
    stage.federation.gateway.nginx.start()
    return see_through(stage, run, detected, "sites' logs", extra=("FH-715",))


def _noticed_by_site(stage: Stage, code: str) -> Callable[[], bool]:
    """Whether the site's log says a code from now on."""
    before = len(_site_log(stage))
    return lambda: code in _site_log(stage)[before:]


def _site_log(stage: Stage) -> str:
    path = stage.site.state / "logs" / "site.log"
    return path.read_text(errors="replace") if path.exists() else ""


def full_disk(stage: Stage) -> Observed:
    """A site's disk is full: nothing can be written to its journal, so nothing is released."""
    state = stage.site.state
    beside = state.with_name("state.beside")
    stage.site.stop()
    shutil.move(state, beside)
    state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", str(state)], check=True)  # noqa: S603, S607
    try:
        shutil.copytree(beside, state, dirs_exist_ok=True)
        stage.restart_site()
        run = stage.begin()
        stage.until_round(run, 2)
        filler = state / "filler"
        _fill(filler)
        detected = stage.until(_in_ledger(stage), run)

        observed = see_through(
            stage, run, detected, "ledger", mend=lambda: filler.unlink(missing_ok=True), command=f"free space at the site, then {RESUME}"
        )
        filler.unlink(missing_ok=True)
        stage.site.stop()
        shutil.copytree(state, beside, dirs_exist_ok=True)
    finally:
        subprocess.run(["umount", "-l", str(state)], check=False)  # noqa: S603, S607
        state.rmdir()
        shutil.move(beside, state)
    stage.restart_site()
    return observed


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        block = b"\0" * 65536
        try:
            while True:
                stream.write(block)
        except OSError:
            return


def _ends_refused(stage: Stage, command: list[str], code: str) -> Observed:
    """Start the site wrongly: it ends with a code; the study stalls without it; mended, it resumes."""
    stage.site.stop()
    wrong = SiteProcess(stage.victim, stage.site.home, command)
    log = wrong.log
    size = log.stat().st_size
    began = time.monotonic()
    wrong.start()
    detected = stage.until(lambda: code in log.read_text(errors="replace")[size:], limit_s=150)
    status = wrong.process.wait(150) if wrong.process is not None else 0
    run = stage.begin(wait_s=1.0)
    detected = min(detected, time.monotonic() - began)
    told = f"the site's program ends with {code}, status {status}"
    stage.until(_in_ledger_or_log(stage, run), run)
    stage.restart_site()
    return see_through(stage, run, detected, told, extra=(code,), command="what the code says at the site; " + RESUME)


def _in_ledger_or_log(stage: Stage, run: Run) -> Callable[[], bool]:
    waiting = f"{len(stage.names) - 1}/{len(stage.names)} hospitals answered"
    return lambda: run.said(waiting) or _in_ledger(stage)()


def clock_off(stage: Stage) -> Observed:
    """A site's clock is ten minutes ahead."""
    command = [sys.executable, "-m", "simulations.faults.odd_site", "clock", "run", "--home", str(stage.site.home)]
    return _ends_refused(stage, command, "FH-711")


def wrong_kit(stage: Stage) -> Observed:
    """A site joins with the kit of another coordinator whose address is this one's."""
    stage.site.stop()
    kept = (stage.site.state / "identity" / "kit.json").read_bytes()
    mine = SiteIdentity.load(stage.site.state)
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        enrol.init(other, "Another office", Kit.model_validate_json(kept).address)
        foreign = enrol.approve(other, mine.request().model_dump_json().encode())
    write_atomic(stage.site.state / "identity" / "kit.json", foreign.model_dump_json().encode())
    wrong = SiteProcess(stage.victim, stage.site.home)
    size = wrong.log.stat().st_size
    wrong.start()
    detected = stage.until(lambda: "FH-714" in wrong.log.read_text(errors="replace")[size:], limit_s=60)
    status = wrong.process.wait(60) if wrong.process is not None else 0
    run = stage.begin(wait_s=1.0)
    stage.until(_in_ledger_or_log(stage, run), run)
    write_atomic(stage.site.state / "identity" / "kit.json", kept)
    stage.restart_site()
    told = f"the site's program ends with FH-714, status {status}"
    return see_through(stage, run, detected, told, extra=("FH-714",), command="fedhcc-site join with the right kit; " + RESUME)


def wrong_lock(stage: Stage) -> Observed:
    """The published lock was changed after it was signed."""
    study = find_study(stage.homes.coordinator, stage.lock.study_id)
    path = stage.homes.coordinator / "studies" / study / "lock.json"
    kept = path.read_bytes()
    write_atomic(
        path, kept.replace(b'"rounds":', b'"rounds": 1', 1) if b'"rounds": ' not in kept else kept.replace(b'"rounds": ', b'"rounds": 1', 1)
    )
    run = stage.begin()
    status = run.wait()
    detected = time.monotonic() - run.began
    write_atomic(path, kept)
    told = f"the coordinator's program ends with FH-410, status {status}"
    extra = ("FH-410",) if run.said("FH-410") else ()
    return see_through(stage, run, detected, told, extra=extra, command="fedhcc-coordinator study publish; " + RESUME)


def other_version(stage: Stage) -> Observed:
    """A site runs another version of the software: it refuses the run's bundle and executes nothing."""
    stage.site.stop()
    wrong = SiteProcess(
        stage.victim,
        stage.site.home,
        [sys.executable, "-m", "simulations.faults.odd_site", "version", "run", "--home", str(stage.site.home)],
    )
    wrong.start()
    stage.until(wrong.registered, limit_s=90)
    noticed = _noticed_by_site(stage, "FH-704")
    run = stage.begin()
    detected = stage.until(noticed, run)
    wrong.stop()
    stage.restart_site()
    return see_through(stage, run, detected, "site's log and ledger", extra=("FH-704",))


def two_with_one_identity(stage: Stage) -> Observed:
    """A second machine runs with a copy of a site's state folder."""
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / stage.victim
        shutil.copytree(stage.site.home, twin, ignore=shutil.ignore_patterns("control.sock", "run.lock", "images", "logs"))
        second = SiteProcess(stage.victim, twin)
        run = stage.begin()
        second.start()
        began = time.monotonic()
        detected = stage.until(lambda: _problem_of(second) == "FH-713", run, 120)
        observed = see_through(stage, run, detected, "the second program says FH-713 and never gets a message", extra=("FH-713",))
        stage.until(
            lambda: second.process is not None and second.process.poll() is not None, limit_s=max(1.0, 150 - (time.monotonic() - began))
        )
        second.stop()
    return observed


def _problem_of(site: SiteProcess) -> str:
    from client.control import ControlClient
    from site_config.problems import Problem

    client = ControlClient(site.state)
    try:
        return client.call("Status").problem
    except Problem:
        return ""
    finally:
        client.close()


def late_reply(stage: Stage) -> Observed:
    """A site hangs while the coordinator is killed and resumed; its answer to the old run comes late, its upload in parts."""
    run = stage.begin()
    stage.until_round(run, 2)
    stage.until(lambda: bool(_working(stage)), run, 30)
    group = stage.site.process.pid if stage.site.process is not None else 0
    os.killpg(group, signal.SIGSTOP)
    stage.forwarder.cut_after_upload(2_000)
    run.kill()
    again = stage.begin()
    time.sleep(2.0)
    os.killpg(group, signal.SIGCONT)
    stage.until(lambda: stage.forwarder.is_cut, again, 20)
    stage.forwarder.mend()
    detected = stage.until(_in_ledger(stage), again, 60)
    return see_through(stage, again, detected, "ledger")


PLAYS: dict[str, Callable[[Stage], Observed]] = {
    "site-killed": site_killed,
    "network-cut": network_cut,
    "superlink-killed": superlink_killed,
    "server-killed-between": server_killed_between,
    "server-killed-inside": server_killed_inside,
    "gateway-restarted": gateway_restarted,
    "full-disk": full_disk,
    "clock-off": clock_off,
    "wrong-kit": wrong_kit,
    "wrong-lock": wrong_lock,
    "other-version": other_version,
    "two-with-one-identity": two_with_one_identity,
    "late-reply": late_reply,
}
