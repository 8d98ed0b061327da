"""Reconstruction by non-negative least squares over everything that was opened (attacks b and g).

Seven discrete variables are 256 patterns, and given the broadcast β and rates every opened sum is linear in how many
patients of which pattern died or were last seen when. Exposure between two cut points is linear in time, so a measure on
pattern × cut point represents every patient's exposures without error: a patient at day t between cuts a and b is mass
(b−t)/(b−a) on a and the rest on b. That makes the unknowns few and the system exact up to the rounding of the release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

from shared_model.survival.hazard import exposures
from simulations.attacks.claims import Claims
from simulations.attacks.cohorts import Floats, Ints, encode, patterns
from simulations.attacks.opened import Asked, CoxTranscript, ScoreOpened

RiskSums = tuple[Floats, Floats, Floats | None, Floats | None]
LAST_DAY = 3_650.0
PRESENT = 0.5
MOST_FREQUENT = (1, 0, 0, 1, 0, 1, 0)


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
        """Non-negative least squares, rows weighted by their precision."""
        weight = 1.0 / np.asarray(self.errors)
        a = np.asarray(self.rows) * weight[:, None]
        b = np.asarray(self.values) * weight
        columns = np.linalg.norm(a, axis=0)
        columns[columns == 0] = 1.0
        try:
            found = nnls(a / columns, b, maxiter=20 * a.shape[1])[0]
        except RuntimeError:  # not converged in the steps allowed: nothing is claimed
            return np.zeros(a.shape[1])
        return np.asarray(found / columns, dtype=np.float64)


@dataclass(frozen=True)
class Atoms:
    """Unknowns: mass on pattern × cut point; `x` (P, p) rows, `days` (T,) cut points, `exposure` (T, M)."""

    x: Floats
    days: Floats
    exposure: Floats
    pattern: Ints

    @classmethod
    def at_cuts(cls, columns: tuple[int, ...], cut_days: tuple[float, ...]) -> Atoms:
        """Atoms at 0, the cut points and a last day beyond all, for every pattern of some of the seven columns.

        A column that was never opened is claimed at its most frequent value.
        """
        every = patterns()
        others = [k for k in range(every.shape[1]) if k not in columns]
        rows = every[(every[:, others] == np.array(MOST_FREQUENT)[others]).all(axis=1)]
        days = np.array([0.0, *cut_days, max(LAST_DAY, cut_days[-1] + 1)])
        return cls(rows[:, list(columns)], days, exposures(days, cut_days), encode(rows))

    def of_pattern(self, feature: Floats) -> Floats:
        """A feature of the pattern alone (P,) as one of the unknowns (P, T)."""
        return np.repeat(np.asarray(feature, dtype=np.float64)[:, None], len(self.days), axis=1)

    def claims(self, mass: Floats) -> Claims:
        """A claim for every pattern with at least half a patient: the pattern and the mean day of its mass."""
        by_pattern = mass.reshape(len(self.x), len(self.days))
        count = by_pattern.sum(axis=1)
        found = np.flatnonzero(count >= PRESENT)
        return Claims(self.pattern[found], (by_pattern[found] @ self.days) / count[found])


def _rounding(grid: float, sites: int) -> float:
    return grid * float(np.sqrt(sites / 12.0))


def add_moments(system: System, atoms: Atoms, transcript: CoxTranscript) -> None:
    """Number of patients, sums and products of covariates: exact, since covariates are whole numbers."""
    first = transcript.first
    if first is None:
        return
    system.add(atoms.of_pattern(np.ones(len(atoms.x))), first.n, 1e-3)
    p = atoms.x.shape[1]
    for a in range(p):
        system.add(atoms.of_pattern(atoms.x[:, a]), first.total[a], 1e-3)
        for b in range(a, p):
            system.add(atoms.of_pattern(atoms.x[:, a] * atoms.x[:, b]), first.products[a, b], 1e-3)


def _weights(atoms: Atoms, transcript: CoxTranscript, beta: Floats) -> tuple[Floats, Floats]:
    mean, sd = transcript.scale
    z = (atoms.x - mean) / sd
    return z, np.exp(z @ beta)


def add_round(system: System, atoms: Atoms, transcript: CoxTranscript, asked: Asked, *, gradient: bool = True) -> None:
    """S0 by interval, and G."""
    z, weight = _weights(atoms, transcript, asked.beta)
    error = _rounding(transcript.grid, len(transcript.cohort.sites))
    for m, value in enumerate(asked.mass):
        system.add(weight[:, None] * atoms.exposure[None, :, m], value, error)
    if gradient:
        expected = weight[:, None] * (atoms.exposure @ asked.rates)[None, :]
        for a, value in enumerate(asked.gradient):
            system.add(z[:, a, None] * expected, value, error)


def add_end(system: System, atoms: Atoms, transcript: CoxTranscript) -> None:
    """Q and S1."""
    if transcript.end is None or transcript.end_at is None:
        return
    beta, rates = transcript.end_at
    z, weight = _weights(atoms, transcript, beta)
    error = _rounding(transcript.grid, len(transcript.cohort.sites))
    expected = weight[:, None] * (atoms.exposure @ rates)[None, :]
    p = z.shape[1]
    for a in range(p):
        for b in range(a, p):
            system.add((z[:, a] * z[:, b])[:, None] * expected, transcript.end.second[a, b], error)
        for m in range(atoms.exposure.shape[1]):
            system.add((z[:, a] * weight)[:, None] * atoms.exposure[None, :, m], transcript.end.mass_x[m, a], error)


def add_scores(system: System, atoms: Atoms, pattern_score: Floats, opened: ScoreOpened) -> None:
    """Counts above thresholds, patients and summed score of every bin: exact in the patterns' numbers."""
    for threshold, above in opened.thresholds:
        system.add(atoms.of_pattern((pattern_score > threshold).astype(np.float64)), above, 1e-3)
    edges = opened.table.score_edges
    inside = np.clip(np.searchsorted(edges, pattern_score, side="left") - 1, 0, len(edges) - 2)
    held = (opened.table.events + opened.table.censored).sum(axis=1)
    for k, count in enumerate(held):
        member = (inside == k).astype(np.float64)
        system.add(atoms.of_pattern(member), float(count), 1e-3)
        if opened.bin_score is not None:
            system.add(atoms.of_pattern(member * pattern_score), float(opened.bin_score[k]), 1e-2)


def add_table(system: System, atoms: Atoms, pattern_score: Floats, opened: ScoreOpened) -> None:
    """Days in every score bin: the table's cells bound each bin's mean day to about half a cell over the root of its count."""
    edges, days = opened.table.score_edges, opened.table.time_edges
    middle = (days[1:] + days[:-1]) / 2
    inside = np.clip(np.searchsorted(edges, pattern_score, side="left") - 1, 0, len(edges) - 2)
    held = opened.table.events + opened.table.censored
    for k, counts in enumerate(held):
        total = float(counts.sum())
        if total:
            member = (inside == k).astype(np.float64)
            spread = float(np.mean(np.diff(days))) * np.sqrt(total / 12)
            system.add(member[:, None] * atoms.days[None, :], float(counts @ middle), spread)


def add_characteristics(system: System, atoms: Atoms, transcript: CoxTranscript) -> None:
    """Table 1: how many patients have each value of each column."""
    for column in range(atoms.x.shape[1]):
        for value in range(4):
            count = int((transcript.cohort.x[:, column] == value).sum())
            system.add(atoms.of_pattern((atoms.x[:, column] == value).astype(np.float64)), count, 1e-3)


def from_totals(columns: tuple[int, ...], transcript: CoxTranscript, coefficients: Floats, opened: ScoreOpened | None) -> Claims:
    """Attack g at the resolution `totals`: every round, start, end and moments, Table 1, and what evaluation opened of the score."""
    atoms = Atoms.at_cuts(columns, transcript.cut_days)
    system = System()
    add_moments(system, atoms, transcript)
    for asked in transcript.rounds:
        add_round(system, atoms, transcript, asked)
    add_end(system, atoms, transcript)
    add_characteristics(system, atoms, transcript)
    if opened is not None:
        add_scores(system, atoms, atoms.x @ coefficients, opened)
        add_table(system, atoms, atoms.x @ coefficients, opened)
    return atoms.claims(system.solve())


def from_masses(columns: tuple[int, ...], transcript: CoxTranscript) -> Claims:
    """Attack b: S0 of the rounds' β alone."""
    atoms = Atoms.at_cuts(columns, transcript.cut_days)
    system = System()
    for asked in transcript.rounds:
        add_round(system, atoms, transcript, asked, gradient=False)
    return atoms.claims(system.solve())


def from_risk_sums(transcript: CoxTranscript, sums: Sequence[RiskSums], first_days: float) -> Claims:
    """Positive control of g: S0, S1, S2 by interval at every iterate as (β, (M,), (M, p), (M, p, p)), solved interval by interval.

    `first_days` is the length of the first interval, in which everybody is at risk throughout, so that its exposure counts
    the patients of a pattern. S1 and S2 may be None (attack b).
    """
    x = patterns()
    mean, sd = transcript.scale
    z = (x - mean) / sd
    error = _rounding(transcript.grid, len(transcript.cohort.sites))
    intervals = len(sums[0][1])
    exposure = np.zeros((len(x), intervals))
    for m in range(intervals):
        system = System()
        for beta, s0, s1, s2 in sums:
            weight = np.exp(z @ beta)
            system.add(weight, s0[m], error)
            if s1 is None or s2 is None:
                continue
            for a in range(z.shape[1]):
                system.add(weight * z[:, a], s1[m, a], error)
                for b in range(a, z.shape[1]):
                    system.add(weight * z[:, a] * z[:, b], s2[m, a, b], error)
        exposure[:, m] = system.solve()
    count = exposure[:, 0] / first_days
    found = np.flatnonzero(count >= PRESENT)
    return Claims(found.astype(np.int64), exposure[found].sum(axis=1) / np.maximum(np.rint(count[found]), 1))
