"""The faults of machines and networks: what is done to the federation, how it is noticed, and how it is mended.

Each play starts a run, hurts it, measures how long it takes until somebody is told, mends it, and sees the study to its end.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evidence.faults import faults_of_people
from evidence.faults.faulty_federation import Stage, StageRun
from evidence.faults.observed_fault import Observed, in_ledger, see_through, site_log
from site_config.problems import federation

Play = Callable[[Stage], Observed]
TERMINAL = "the coordinator's terminal and the ledger"
STATUS = "exit status of the program"


def site_killed(stage: Stage) -> Observed:
    """A site's machine loses power in the middle of training and comes back."""
    run = stage.begin()
    stage.until_training(run)
    stage.site.kill()
    detected = stage.until(in_ledger(stage), run)
    stage.restart_site()
    return see_through(stage, run, detected, TERMINAL)


def network_cut(stage: Stage) -> Observed:
    """A site's network is gone for a minute and a half in the middle of training."""
    run = stage.begin()
    stage.until_training(run)
    stage.forwarder.cut()
    detected = _told_for(stage, run, in_ledger(stage), stage.form.cut_s)
    stage.forwarder.mend()
    return see_through(stage, run, detected, TERMINAL)


def _told_for(stage: Stage, run: StageRun, told: Callable[[], bool], lasts_s: float) -> float:
    """Let a fault last so long; the seconds until somebody was told."""
    began = time.monotonic()
    detected = stage.until(told, run, lasts_s)
    time.sleep(max(0.0, lasts_s - (time.monotonic() - began)))
    return detected


def superlink_killed(stage: Stage) -> Observed:
    """Flower's SuperLink is killed and started again, with nothing of the study in it."""
    run = stage.begin()
    stage.until_training(run)
    stage.federation.gateway.superlink.kill()
    detected = _told_for(stage, run, lambda: run.said(federation.LINK_LOST.label), stage.form.down_s)
    stage.federation.gateway.superlink.start()
    return see_through(stage, run, detected, TERMINAL)


def gateway_restarted(stage: Stage) -> Observed:
    """The gateway is down for some seconds."""
    run = stage.begin()
    stage.until_training(run)
    stage.federation.gateway.nginx.stop()
    detected = _told_for(stage, run, lambda: run.said(federation.GATEWAY_DOWN.label), stage.form.down_s)
    stage.federation.gateway.nginx.start()
    return see_through(stage, run, detected, TERMINAL)


def server_killed_between(stage: Stage) -> Observed:
    """The coordinator's program is killed between two rounds."""
    run = stage.begin()
    stage.until_round(run, 2)
    run.kill()
    return see_through(stage, run, 0.0, STATUS)


def server_killed_inside(stage: Stage) -> Observed:
    """The coordinator's program is killed while sites work on a round."""
    run = stage.begin()
    stage.until_training(run)
    run.kill()
    return see_through(stage, run, 0.0, STATUS)


def full_disk(stage: Stage) -> Observed:
    """A site's disk is full until the deadline: nothing can be written to its journal, so nothing is released."""
    with _disk(stage) as (fill, free):
        run = stage.begin()
        stage.until_training(run)
        fill()
        detected = stage.until(in_ledger(stage), run)
        observed = see_through(stage, run, detected, TERMINAL, mend=free)
        free()
    return observed


@contextmanager
def _disk(stage: Stage) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """How the site's disk is filled and freed: a file system of 64 MB of its own, or a limit of the kernel without that right."""
    if stage.form.hasty or os.geteuid() != 0:
        yield lambda: _limit_files(stage, 0), lambda: _limit_files(stage, resource.RLIM_INFINITY)
        return
    state = stage.site.state
    beside, filler = state.with_name("state.beside"), state / "filler"
    stage.site.stop()
    shutil.move(state, beside)
    state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", str(state)], check=True)  # noqa: S603, S607
    try:
        shutil.copytree(beside, state, dirs_exist_ok=True, ignore=shutil.ignore_patterns("control.sock"))
        stage.restart_site()
        yield lambda: _fill(filler), lambda: filler.unlink(missing_ok=True)
        stage.site.stop()
        shutil.copytree(state, beside, dirs_exist_ok=True, ignore=shutil.ignore_patterns("control.sock"))
    finally:
        stage.site.stop()
        subprocess.run(["umount", "-l", str(state)], check=False)  # noqa: S603, S607
        state.rmdir()
        shutil.move(beside, state)
    stage.restart_site()


def _limit_files(stage: Stage, limit: int) -> None:
    """No file of the site's processes may grow beyond `limit` bytes: the kernel refuses as on a full disk."""
    for process in stage.processes():
        hard = resource.prlimit(process, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, hard))


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        try:
            while stream.write(b"\0" * 65536):
                continue
        except OSError:
            return


def late_reply(stage: Stage) -> Observed:
    """A site hangs while the coordinator is killed and resumed; its answer to the old run comes late, its upload in parts."""
    stage.exchange_site("slow")  # it hangs with an answer not yet sent, however fast the machine is
    run = stage.begin()
    stage.until_training(run)
    group = stage.site.process.pid if stage.site.process is not None else 0
    os.killpg(group, signal.SIGSTOP)
    stage.forwarder.cut_after_upload(2_000)
    run.kill()
    late = site_log(stage, "replying:")
    again = stage.begin("resume")
    time.sleep(2.0)
    os.killpg(group, signal.SIGCONT)
    detected = stage.until(late, again, 60)
    stage.forwarder.mend()
    observed = see_through(stage, again, detected, f"{STATUS}; the site's log", killed=True)
    stage.exchange_site()
    return observed


PLAYS: dict[str, Play] = {
    "site-killed": site_killed,
    "network-cut": network_cut,
    "superlink-killed": superlink_killed,
    "server-killed-between": server_killed_between,
    "server-killed-inside": server_killed_inside,
    "gateway-restarted": gateway_restarted,
    "full-disk": full_disk,
    "clock-off": faults_of_people.clock_off,
    "wrong-kit": faults_of_people.wrong_kit,
    "wrong-lock": faults_of_people.wrong_lock,
    "other-version": faults_of_people.other_version,
    "two-with-one-identity": faults_of_people.two_with_one_identity,
    "late-reply": late_reply,
}
