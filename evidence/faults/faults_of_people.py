"""The faults of people: a wrong clock, kit, lock or version, and one identity used twice."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from evidence.faults.faulty_federation import Stage, status_of
from evidence.faults.observed_fault import Observed, in_ledger, see_through
from server import hospital_register as enrol
from server import office_setup
from server.published_studies import find_study
from simulations.engines.loopback_engine import SiteProcess
from site_config.atomic_files import write_atomic
from site_config.keys_and_signatures import Kit, SiteIdentity
from site_config.problems import federation, identity
from site_config.problems.base import Kind

ENDS_S = 150.0


def _ends_by_itself(stage: Stage, wrong: SiteProcess, kind: Kind, mend: bytes | None = None) -> Observed:
    """Start the site wrongly: it ends with a code, the study says who is missing; mended, everything goes on.

    `mend` is the kit that is put back.
    """
    size = len(_printed(wrong))
    began = time.monotonic()
    wrong.start()
    run = stage.begin(wait_s=1.0)
    detected = stage.until(lambda: kind.label in _printed(wrong)[size:], limit_s=ENDS_S)
    status = wrong.process.wait(ENDS_S) if wrong.process is not None else 0
    stage.until(in_ledger(stage), run, ENDS_S)
    said = _printed(wrong)[size:]
    if mend is not None:
        write_atomic(stage.site.state / "identity" / "kit.json", mend)
    stage.restart_site()
    told = f"the site's terminal (status {status}); the coordinator's terminal and the ledger that it is missing"
    return see_through(stage, run, min(detected, time.monotonic() - began), told, codes=(kind.label,), said=said)


def _printed(site: SiteProcess) -> str:
    return site.log.read_text(errors="replace") if site.log.exists() else ""


def clock_off(stage: Stage) -> Observed:
    """A site's clock is ten minutes ahead."""
    stage.site.stop()
    return _ends_by_itself(stage, stage.program(stage.victim, "clock"), federation.CLOCK_SKEW)


def wrong_kit(stage: Stage) -> Observed:
    """A site joins with the kit of another coordinator whose address is this one's."""
    stage.site.stop()
    path = stage.site.state / "identity" / "kit.json"
    kept = path.read_bytes()
    mine = SiteIdentity.load(stage.site.state)
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        office_setup.init(other, "Another office", Kit.model_validate_json(kept).address)
        foreign = enrol.enrol(other, mine.request().model_dump_json().encode())
    write_atomic(path, foreign.model_dump_json().encode())
    return _ends_by_itself(stage, stage.program(stage.victim), federation.GATEWAY_UNTRUSTED, kept)


def wrong_lock(stage: Stage) -> Observed:
    """The published lock was changed after it was signed."""
    study = find_study(stage.homes.coordinator, stage.lock.study_id)
    path = stage.homes.coordinator / "studies" / study / "lock.json"
    kept = path.read_bytes()
    rounds = f'"rounds":{stage.form.rounds}'.encode()
    changed = kept.replace(b'"rounds": ', b'"rounds":').replace(rounds, rounds + b"0", 1)
    write_atomic(path, changed)
    run = stage.begin()
    run.wait()
    detected = time.monotonic() - run.began
    code = identity.LOCK_SIGNATURE.label
    codes = (code,) if run.said(code) else ()
    return see_through(stage, run, detected, "the coordinator's terminal", mend=lambda: write_atomic(path, kept), codes=codes)


def other_version(stage: Stage) -> Observed:
    """A site runs another version of the software: it refuses the run's bundle and executes nothing."""
    stage.site.stop()
    wrong = stage.program(stage.victim, "version")
    wrong.start()
    run = stage.begin()
    detected = stage.until(in_ledger(stage), run)
    wrong.stop()
    stage.restart_site()
    return see_through(stage, run, detected, "the site's log; the coordinator's terminal and the ledger")


def two_with_one_identity(stage: Stage) -> Observed:
    """A second machine runs with a copy of a site's state folder."""
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / stage.victim
        shutil.copytree(stage.site.home, twin, ignore=shutil.ignore_patterns("control.sock", "run.lock", "images", "logs"))
        second = stage.program(stage.victim, "stubborn", home=twin)
        second.start()  # a round takes less than a program's start: it is there, and refused, before the study goes on
        stage.until(lambda: status_of(second).problem == federation.NODE_ACTIVE.label, limit_s=ENDS_S)
        problem = status_of(second).problem
        run = stage.begin()
        detected = stage.until(lambda: run.said(federation.NODE_ACTIVE.label), run, ENDS_S)
        told = "the second program, which never gets a message; the coordinator's terminal and the ledger"
        observed = see_through(stage, run, detected, told, codes=(problem,) if problem else ())
        if not stage.form.hasty:  # the product gives up by itself after ninety seconds
            stage.until(lambda: second.process is not None and second.process.poll() is not None, limit_s=ENDS_S)
        second.stop()
    return observed
