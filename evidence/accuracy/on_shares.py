"""Everything `fedhcc-sim cox|metrics --resolution shares` opens against pooled rows: 20 cohorts of 207 patients, public data sets.

Most of it by the plain twin, which rounds at the same places; a few tables by three or five holders, with their distance from the twin.
`python -m evidence.accuracy.on_shares` writes docs/evidence/on_shares.json (about five CPU-minutes).
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from evidence.accuracy.shares.accuracy_cohorts import SEEDS, Tried, cohort, public
from evidence.accuracy.shares.compared_with_pooled import BARS, Holders, errors, found_on_shares
from evidence.accuracy.shares.covered_code import COVERED
from evidence.record import record

ON_HOLDERS: tuple[tuple[str, Holders], ...] = (("lung", 3), ("207 patients, first seed", 3), ("207 patients, first seed", 5))


def figures(n_seeds: int, names: tuple[str, ...]) -> dict[str, Any]:
    """Errors by table, the worst of the cohorts, the distance of holders from the twin, and whether every bar holds."""
    sets = {name: one for name, one in public().items() if not names or name in names}
    rows: dict[str, dict[str, Any]] = {}
    for name, tried in sets.items():
        rows[name] = _row(tried, errors(found_on_shares(tried, 0)))
        print(name, rows[name], flush=True)
    cohorts = [(tried := cohort(seed), errors(found_on_shares(tried, 0))) for seed in SEEDS[:n_seeds]]
    worst = {kind: _worst([one[kind] for _, one in cohorts]) for kind in BARS}
    rows[f"{n_seeds} cohorts of 207 patients, the worst"] = _row(cohorts[0][0], worst)
    estimated = sum(np.isfinite(one["beta, efron"]) for _, one in cohorts)
    held = {}
    for name, holders in ON_HOLDERS:
        tried = sets[name] if name in sets else cohort(SEEDS[0])
        held[f"{name}, {holders} holders"] = _held(tried, holders)
        print(name, holders, held, flush=True)
    every = [*rows.values(), *held.values()]
    return {
        "errors by table, plain twin": rows,
        "by holders of shares": held,
        "cohorts of 207 with an estimate of all seven columns": int(estimated),
        "bars": dict(BARS),
        "every bar holds": all(not one[kind] > bar for one in every for kind, bar in BARS.items()),
    }


def _worst(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return max(finite) if finite else float("nan")


def _row(tried: Tried, found: dict[str, float]) -> dict[str, Any]:
    return {"rows": len(tried.frame), **{kind: float(f"{value:.2g}") if np.isfinite(value) else None for kind, value in found.items()}}


def _held(tried: Tried, holders: Holders) -> dict[str, Any]:
    found, twin = found_on_shares(tried, holders), found_on_shares(tried, 0)
    apart = [np.abs(found[ties].fit.coef - twin[ties].fit.coef).max() for ties in ("efron", "breslow")]
    curves = np.abs(found["metrics"].curves()["survival"] - twin["metrics"].curves()["survival"]).max()
    c = abs(found["metrics"].to_dict()["c_index"] - twin["metrics"].to_dict()["c_index"])
    units = {
        "beta, in units of 2^-20": max(apart) * 2**20,
        "C, in units of 2^-22": c * 2**22,
        "survival, in units of 2^-20": curves * 2**20,
    }
    return {**_row(tried, errors(found)), **{name: round(float(value), 2) for name, value in units.items()}}


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=len(SEEDS))
    options.add_argument("--only", nargs="*", default=[], help="names of public sets; left out, all; nothing is recorded then")
    chosen = options.parse_args()
    found = figures(chosen.seeds, tuple(chosen.only))
    covers = [
        *COVERED,
        "simulations/tabular/shares",
        "evidence/accuracy/shares/compared_with_pooled.py",
        "evidence/accuracy/shares/accuracy_cohorts.py",
    ]
    if not chosen.only:
        record("on_shares", covers=[*covers, "evidence/accuracy/on_shares.py"], figures=found, seeds=list(SEEDS[: chosen.seeds]))


if __name__ == "__main__":
    main()
