"""Scans to slices at every hospital of a run. The child processes import this module and little else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from client.cohort.prepared_cohort import prepare as prepare_cohort
from server.phases.phase_context import Event
from simulations.interrupts import before_processes
from simulations.study.site_folders import Homes
from simulations.threads import one_thread
from site_config.problems.base import Problem, together
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import MODELS
from site_config.tables.cohort_csv import load_cohort

Tell = Callable[[Event], None]


def prepare(homes: Homes, lock: StudyLock, workers: int, tell: Tell) -> None:
    """Scans to slices at every hospital, in a few processes or in this one; where no model reads images, tables are looked at only."""
    if not MODELS.read_scans(lock.study.models):
        check_tables(homes, lock)
        return
    names = [entry.name for entry in lock.roster]
    done = 0
    tell(Event("slices", 0, len(names), "hospitals"))
    if workers == 1:
        for done, name in enumerate(names, 1):
            prepare_site(homes.root, name)
            tell(Event("slices", done, len(names), "hospitals"))
        return
    before_processes()
    with ProcessPoolExecutor(min(workers, len(names)), mp_context=get_context("spawn"), initializer=one_thread) as pool:
        waiting = [pool.submit(prepare_site, homes.root, name) for name in names]
        for future in as_completed(waiting):
            future.result()
            done += 1
            tell(Event("slices", done, len(names), "hospitals"))


def check_tables(homes: Homes, lock: StudyLock) -> None:
    """Raise the faults of all hospitals' tables: nobody would mend them while the run waits for the hospital."""
    found: list[Problem] = []
    for entry in lock.roster:
        site = homes.config(entry.name)
        try:
            load_cohort(site.path(site.paths.cohort), lock.study)
        except Problem as problem:
            mine, problem.others = [problem, *problem.others], ()
            for one in mine:
                one.what = f"{entry.name}: {one.what}"
            found += mine
    if found:
        raise together(found)


def prepare_site(root: Path, name: str) -> None:
    """One hospital's scans to slices."""
    homes = Homes(root)
    prepare_cohort(homes.config(name), homes.study())
