"""What secret shares cost: a holder's openings, bytes and CPU seconds by phase and by patients, and a hospital that holds nothing.

Holders and relay run in one process; a holder's CPU seconds are its own. Sizes are random samples of R's rotterdam (columns of levels and
continuous ones, 7,043 days, seven made-up hospitals). `python -m evidence.running.shares_cost` writes docs/evidence/shares_cost.json
(about half an hour); `--part` measures one part and records it beside the others that are there.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from evidence.accuracy.shares.accuracy_cohorts import rotterdam
from evidence.accuracy.shares.covered_code import COVERED
from evidence.accuracy.shares.paper_cohort import PHASES, PaperStudy, locked, paper_cohort
from evidence.accuracy.shares.pooled_oracles import PooledRows
from evidence.record import FOLDER, record
from fedhcc.data_frames import table_of
from shared_model.analyses.analysis_plan import plan_of
from shared_model.analyses.patient_slots import contribution
from shared_model.analyses.run_locally import Computed
from shared_model.shares.holder.dealt_rows import deal
from shared_model.shares.messages.sealed_envelopes import Recipient, admission_of
from simulations.tabular.complete_rows import FitRows, Named, rows_of
from simulations.tabular.shares.table_cox_on_shares import carried, columns_on_shares, fit_by_days, fit_by_weeks, model_on_shares
from simulations.tabular.shares.table_in_slots import SharedTable
from site_config.atomic_files import read_json

COLUMNS = ("age", "size", "grade", "nodes", "hormon", "chemo")
BY_DAYS = (200, 400, 800, 1400, 2000)
BY_WEEKS = (800, 1500, 2982)
BARS = {
    "openings of a Cox fit": 170,
    "CPU-s of a Cox fit": 4,
    "MB of a Cox fit": 40,
    "openings of an evaluation": 600,
    "CPU-s of an evaluation": 40,
    "MB of an evaluation": 300,
    "hospital that holds nothing, CPU-s": 1,
    "hospital that holds nothing, MB": 5,
    "CPU-s of a fit of 800": 30,
    "seconds of a fit of 3,000": 600,
}


def _cost(done: Computed) -> dict[str, Any]:
    return {"openings": done.openings, "MB a holder": round(done.megabytes, 1), "CPU-s a holder": round(done.seconds, 2)}


def phases() -> dict[str, Any]:
    """A study of five models with 207 patients in 37 + 15 hospitals: every phase, three and five holders."""
    found: dict[str, Any] = {}
    for holders in (3, 5):
        study = PaperStudy(locked(), paper_cohort(207)).run(holders)
        found |= {f"{phase}, {holders} holders": _cost(study.costs[phase]) for phase in PHASES}
        print(found, flush=True)
    return found


def hospital() -> dict[str, Any]:
    """A hospital of five patients deals its rows of every phase to three holders: CPU seconds and bytes up."""
    found: dict[str, Any] = {}
    study = PaperStudy(locked(), paper_cohort(207)).run(0)
    keys = {number: X25519PrivateKey.generate() for number in (1, 2, 3)}
    recipients = {number: Recipient(key.public_key().public_bytes_raw(), admission_of(key)) for number, key in keys.items()}
    for phase in PHASES:
        plan = plan_of(study.lock, phase, {name: study.opened[name] for name in PHASES[: PHASES.index(phase)]})
        patients = min(study.cohort.contributed(plan), key=lambda one: abs(len(one) - 5))
        began = time.process_time()
        boxes = deal(plan.parts, contribution(plan.parts, patients, 8), recipients, secrets.token_bytes(16))
        spent = time.process_time() - began
        found[phase] = {
            "patients": len(patients),
            "CPU-s": round(spent, 3),
            "MB up": round(sum(len(b) for box in boxes for b in box) / 1e6, 3),
        }
    return found


def sample(n: int) -> FitRows:
    """Rows of a random sample."""
    frame = rotterdam(n)
    named = Named("hospital", "dtime", "death", COLUMNS)
    return rows_of(table_of(frame, ("hospital", "dtime", "death", *COLUMNS), named.reading), named)


def _fit(n: int, holders: int, fit: Callable[..., Computed], ties: str = "efron") -> tuple[FitRows, Computed, float]:
    rows = sample(n)
    columns = columns_on_shares(rows)
    began = time.perf_counter()
    done = fit(SharedTable(rows, holders), model_on_shares(columns, ties), carried(rows, columns))  # type: ignore[arg-type]
    return rows, done, time.perf_counter() - began


def _distance(rows: FitRows, done: Computed, ties: str = "efron") -> dict[str, float]:
    """To the pooled fit by days: coefficients in absolute numbers and in standard errors, standard errors in per cent."""
    beta, se = PooledRows(rows.time, rows.event).cox(rows.x, ties)
    found, _ = done.returned
    return {
        "beta error": float(f"{np.abs(found.coefficient - beta).max():.2g}"),
        "beta error in SE": float(f"{np.abs((found.coefficient - beta) / se).max():.2g}"),
        "SE error, %": float(f"{100 * np.abs(found.se / se - 1).max():.2g}"),
    }


def by_days() -> dict[str, Any]:
    """Fits by days (pairs), three holders."""
    found = {}
    for n in BY_DAYS:
        rows, done, seconds = _fit(n, 3, fit_by_days)
        found[str(n)] = {**_cost(done), "seconds, all holders": round(seconds, 1), **_distance(rows, done), **_memory()}
        print(n, found[str(n)], flush=True)
    return found


def by_weeks() -> dict[str, Any]:
    """Fits by weeks, three holders."""
    found = {}
    for n in BY_WEEKS:
        rows, done, seconds = _fit(n, 3, fit_by_weeks)
        found[str(n)] = {**_cost(done), "seconds, all holders": round(seconds, 1), **_distance(rows, done), **_memory()}
        print(n, found[str(n)], flush=True)
    return found


def error_of_weeks() -> dict[str, Any]:
    """All 2,982 patients and ten random halves by weeks (plain twin) against the pooled fit by days."""
    found = {}
    for ties in ("efron", "breslow"):
        rows, done, _ = _fit(2982, 0, fit_by_weeks, ties)
        found[f"2,982 patients, {ties}"] = _distance(rows, done, ties)
    worst: dict[str, float] = {}
    for seed in range(10):
        frame = rotterdam(1500, seed=seed)
        named = Named("hospital", "dtime", "death", COLUMNS)
        rows = rows_of(table_of(frame, ("hospital", "dtime", "death", *COLUMNS), named.reading), named)
        columns = columns_on_shares(rows)
        one = _distance(rows, fit_by_weeks(SharedTable(rows, 0), model_on_shares(columns, "efron"), carried(rows, columns)))
        worst = {name: max(worst.get(name, 0.0), value) for name, value in one.items()}
    return {**found, "ten random 1,500, efron, the worst": worst}


def _memory() -> dict[str, float]:
    """The process's peak until now: all three holders."""
    return {"GB, all holders": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "phases of a study of 207": phases,
    "a hospital of five patients": hospital,
    "Cox fits by days": by_days,
    "Cox fits by weeks": by_weeks,
    "error of weeks": error_of_weeks,
}


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser()
    options.add_argument("--part", action="append", choices=[name.replace(" ", "-") for name in PARTS], default=[])
    chosen = options.parse_args().part
    path = FOLDER / "shares_cost.json"
    found = read_json(path)["figures"] if chosen and path.exists() else {}
    for name, measure in PARTS.items():
        if not chosen or name.replace(" ", "-") in chosen:
            found[name] = measure()
            print(name, found[name], flush=True)
    covers = [
        *COVERED,
        "shared_model/analyses/weeks",
        "shared_model/analyses/phases/evaluation_circuit.py",
        "evidence/running/shares_cost.py",
    ]
    record("shares_cost", covers=covers, figures={**found, "bars": BARS}, seeds=[207], command="python -m evidence.running.shares_cost")


if __name__ == "__main__":
    main()
