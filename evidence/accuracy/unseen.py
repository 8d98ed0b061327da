"""Twenty data sets that no test has used, and made-up tables of sixteen shapes, through `cox` and `metrics` on shares.

`python -m evidence.accuracy.unseen` writes docs/evidence/unseen.json (about ten CPU-minutes; names of tables as words try these
alone and record nothing). By the plain twin, which rounds where shares do; the oracles are statsmodels, lifelines and NumPy on the
pooled rows. Whatever is not opened must say why in a numbered finding.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from evidence.accuracy.shares.accuracy_cohorts import Tried
from evidence.accuracy.shares.compared_with_pooled import BARS, errors, found_on_shares
from evidence.accuracy.shares.covered_code import COVERED
from evidence.accuracy.shares.unseen_tables import SHAPES, made, real
from evidence.record import record
from site_config.problems.base import Problem

SEED: Final = 20_261
COVERS: Final = (
    *COVERED,
    "simulations/tabular",
    "evidence/accuracy/unseen.py",
    "evidence/accuracy/shares/accuracy_cohorts.py",
    "evidence/accuracy/shares/compared_with_pooled.py",
    "evidence/accuracy/shares/pooled_oracles.py",
    "evidence/accuracy/shares/unseen_tables.py",
)


def tables() -> dict[str, Callable[[], Tried]]:
    """Every table by name."""
    return {**real(), **{name: partial(made, shape, SEED + at) for at, (name, shape) in enumerate(SHAPES.items())}}


def tried(table: Tried) -> dict[str, Any]:
    """Errors by kind, which of them are above their bars, what stayed closed, and the numbers of all findings."""
    start = time.process_time()
    try:
        found = found_on_shares(table, 0)
    except Problem as problem:
        return {"rows": len(table.frame), "refused": problem.code, "said": str(problem)[:200], "above a bar": []}
    gaps = errors(found)
    said = sorted({one.code for key in ("efron", "breslow") for one in found[key].fit.findings})
    return {
        "rows": len(table.frame),
        "columns": len(table.covariates),
        "hospitals": int(table.frame["hospital"].nunique()),
        "errors": {kind: float(f"{gap:.2g}") for kind, gap in gaps.items() if np.isfinite(gap)},
        "above a bar": sorted(kind for kind, gap in gaps.items() if gap > BARS[kind]),
        "closed": sorted(kind for kind, gap in gaps.items() if not np.isfinite(gap)),
        "findings of the fits": said,
        "findings of the metrics": sorted({one.code for one in found["metrics"].found.findings}),
        "cpu_s": round(time.process_time() - start, 1),
    }


def main() -> None:
    """Measure and record."""
    asked = sys.argv[1:]
    rows: dict[str, dict[str, Any]] = {}
    for name, table in tables().items():
        if not asked or name in asked:
            rows[name] = tried(table())
            sys.stderr.write(f"{name}: {rows[name]}\n")
    if asked:
        return
    worst = {kind: max(row["errors"].get(kind, 0.0) for row in rows.values() if "errors" in row) for kind in BARS}
    figures = {
        "bars": dict(BARS),
        "tables": rows,
        "largest error": worst,
        "tables with an error above a bar": sorted(name for name, row in rows.items() if row["above a bar"]),
        "fits that stayed closed": sorted(name for name, row in rows.items() if "beta, efron" in row.get("closed", ())),
    }
    record("unseen", covers=list(COVERS), figures=figures, seeds=[SEED + at for at in range(len(SHAPES))])


if __name__ == "__main__":
    main()
