"""Non-negative least squares over equations of what was opened."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

from evidence.attacks.attacked_cohorts import Floats

LARGEST_FEATURE = 1e12
LEAST_ERRORS = (1e-12, 0.02, 0.2)
LEAST_STEPS = 5_000


@dataclass
class System:
    """Rows of a linear system A u = b with the standard deviation of each row's error."""

    rows: list[Floats] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def add(self, features: Floats, value: float, error: float) -> None:
        """One equation; `features` has one entry an unknown."""
        self.rows.append(features.reshape(-1))
        self.values.append(float(value))
        self.errors.append(max(error, 1e-12))

    def solve(self) -> Floats:
        """Non-negative least squares, rows weighted by their precision; shape (unknowns,), (0,) without equations.

        Where the steps allowed do not suffice, exact rows are taken a little less exactly, which conditions the system.
        """
        if not self.rows:
            return np.zeros(0)
        rows, values, errors = np.asarray(self.rows), np.asarray(self.values), np.asarray(self.errors)
        # A fit without an end (separation in a few patients) weighs some patterns beyond all bounds: nothing to solve there.
        sane = (np.abs(rows) < LARGEST_FEATURE).all(axis=1) & np.isfinite(values)
        rows, values, errors = rows[sane], values[sane], errors[sane]
        if not rows.size:
            # SciPy's nnls frees its memory twice when there is no unknown or no equation (scipy/scipy#24861), which ends the process.
            return np.zeros(rows.shape[1])
        for least in LEAST_ERRORS:
            weight = 1.0 / np.maximum(errors, least)
            a = rows * weight[:, None]
            columns = np.linalg.norm(a, axis=0)
            columns[columns == 0] = 1.0
            try:
                found = nnls(a / columns, values * weight, maxiter=max(3 * a.shape[1], LEAST_STEPS))[0]
            except RuntimeError:
                continue
            return np.asarray(found / columns, dtype=np.float64)
        return np.zeros(len(self.rows[0]))
