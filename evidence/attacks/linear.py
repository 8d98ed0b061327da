"""Reconstruction by non-negative least squares over everything that was opened (attacks b and g).

Seven discrete variables are 256 patterns, and given the broadcast β and rates every opened sum is linear in how many
patients of which pattern died or were last seen when. Exposure between two cut points is linear in time, so a measure on
pattern × cut point represents every patient's exposures without error: a patient at day t between cuts a and b is mass
(b−t)/(b−a) on a and the rest on b. That makes the unknowns few and the system exact up to the rounding of the release.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtr

from evidence.attacks.claims import Claims
from evidence.attacks.cohorts import LEVELS, AttackedCohort, Floats, Ints, encode, patterns
from evidence.attacks.opened import Asked, CoxTranscript, ScoreOpened, column_counts
from shared_model.survival.cox.api import CLINICAL_CUTS
from shared_model.survival.hazard import exposures

RiskSums = tuple[Floats, Floats, Floats | None, Floats | None]
LAST_DAY = 3_650.0
PRESENT = 0.5
USUAL_DAYS = 100.0
LARGEST_FEATURE = 1e12
LEAST_ERRORS = (1e-12, 0.02, 0.2)
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
        """Non-negative least squares, rows weighted by their precision.

        Where the steps allowed do not suffice, exact rows are taken a little less exactly, which conditions the system.
        """
        rows, values, errors = np.asarray(self.rows), np.asarray(self.values), np.asarray(self.errors)
        # A fit without an end (separation in a few patients) weighs some patterns beyond all bounds: nothing to solve there.
        sane = (np.abs(rows) < LARGEST_FEATURE).all(axis=1) & np.isfinite(values)
        rows, values, errors = rows[sane], values[sane], errors[sane]
        for least in LEAST_ERRORS:
            weight = 1.0 / np.maximum(errors, least)
            a = rows * weight[:, None]
            columns = np.linalg.norm(a, axis=0)
            columns[columns == 0] = 1.0
            try:
                found = nnls(a / columns, values * weight, maxiter=3 * a.shape[1])[0]
            except RuntimeError:
                continue
            return np.asarray(found / columns, dtype=np.float64)
        return np.zeros(len(self.rows[0]))


@dataclass(frozen=True)
class Atoms:
    """Unknowns: mass on pattern × cut point; `x` (P, 7) rows, `days` (T,) cut points, `share` (P,).

    `columns` are those of the clinical model; `share` is a pattern's share of patients were columns independent.
    """

    x: Floats
    days: Floats
    pattern: Ints
    columns: tuple[int, ...]
    share: Floats

    @classmethod
    def at_cuts(cls, columns: tuple[int, ...], cohort: AttackedCohort, cut_days: tuple[float, ...] = CLINICAL_CUTS) -> Atoms:
        """Atoms at 0, the public cut points and a last day beyond all, for every pattern that opened counts leave possible.

        A value that Table 1 counts no patient for, and a pair of columns that pre-counts find nobody holding, are in no pattern.
        """
        rows, prior = patterns(), pattern_prior(cohort)
        pairs = column_counts(cohort).pair_nonzero == 0
        nobody = np.einsum("pa,ab,pb->p", (rows > 0).astype(int), pairs.astype(int), (rows > 0).astype(int)) > 0
        rows, prior = rows[~nobody & (prior > 0)], prior[~nobody & (prior > 0)]
        days = np.array([0.0, *cut_days, max(LAST_DAY, cut_days[-1] + 1)])
        return cls(rows, days, encode(rows), columns, prior / prior.sum())

    @property
    def modelled(self) -> Floats:
        """The columns of the clinical model (P, p)."""
        return self.x[:, list(self.columns)]

    def of_pattern(self, feature: Floats) -> Floats:
        """A feature of the pattern alone (P,) as one of the unknowns (P, T)."""
        return np.repeat(np.asarray(feature, dtype=np.float64)[:, None], len(self.days), axis=1)

    def claims(self, mass: Floats) -> Claims:
        """A claim for every pattern with at least half a patient: the pattern and the mean day of its mass."""
        by_pattern = mass.reshape(len(self.x), len(self.days))
        count = by_pattern.sum(axis=1)
        found = np.flatnonzero(count >= PRESENT)
        return Claims(self.pattern[found], (by_pattern[found] @ self.days) / count[found])


def pattern_prior(cohort: AttackedCohort) -> Floats:
    """Probability of each of 256 patterns, columns independent at their opened frequencies."""
    rows = patterns().astype(np.int64)
    shares = [np.bincount(cohort.x[:, k], minlength=levels) / cohort.n for k, levels in enumerate(LEVELS)]
    return np.asarray(np.prod([share[rows[:, k]] for k, share in enumerate(shares)], axis=0))


def _rounding(grid: float, sites: int) -> float:
    return grid * float(np.sqrt(sites / 12.0))


def add_counts(system: System, atoms: Atoms, cohort: AttackedCohort) -> None:
    """Pre-counts and Table 1 over all seven columns: patients, patients with a value other than zero in one and in two columns,
    patients at every value. Exact."""
    held = (atoms.x > 0).astype(np.float64)
    pairs = column_counts(cohort).pair_nonzero
    system.add(atoms.of_pattern(np.ones(len(atoms.x))), cohort.n, 1e-3)
    for a, levels in enumerate(LEVELS):
        for value in range(levels):
            count = int((cohort.x[:, a] == value).sum())
            system.add(atoms.of_pattern((atoms.x[:, a] == value).astype(np.float64)), count, 1e-3)
        for b in range(a + 1, len(LEVELS)):
            system.add(atoms.of_pattern(held[:, a] * held[:, b]), pairs[a, b], 1e-3)


def add_moments(system: System, atoms: Atoms, transcript: CoxTranscript) -> None:
    """Products of the model's columns: exact, since they are whole numbers."""
    first, x = transcript.first, atoms.modelled
    if first is None:
        return
    for a in range(x.shape[1]):
        for b in range(a, x.shape[1]):
            system.add(atoms.of_pattern(x[:, a] * x[:, b]), first.products[a, b], 1e-3)


def add_start(system: System, atoms: Atoms, transcript: CoxTranscript) -> None:
    """Days by interval."""
    if transcript.start is not None:
        error = _rounding(transcript.grids.days, len(transcript.cohort.sites))
        for feature, value in zip(exposures(atoms.days, transcript.cut_days).T, transcript.start.exposure, strict=True):
            system.add(np.tile(feature, (len(atoms.x), 1)), value, error)


def _weights(atoms: Atoms, transcript: CoxTranscript, beta: Floats) -> tuple[Floats, Floats]:
    mean, sd = transcript.scale
    z = (atoms.modelled - mean) / sd
    return z, np.exp(z @ beta)


def add_round(system: System, atoms: Atoms, transcript: CoxTranscript, asked: Asked, *, gradient: bool = True) -> None:
    """S0 by interval, and G."""
    z, weight = _weights(atoms, transcript, asked.beta)
    sites, exposure = len(transcript.cohort.sites), exposures(atoms.days, transcript.cut_days)
    for m, value in enumerate(asked.mass):
        system.add(weight[:, None] * exposure[None, :, m], value, _rounding(transcript.grids.days, sites))
    if gradient:
        expected = weight[:, None] * (exposure @ asked.rates)[None, :]
        for a, value in enumerate(asked.gradient):
            system.add(z[:, a, None] * expected, value, _rounding(transcript.grids.covariates, sites))


def add_end(system: System, atoms: Atoms, transcript: CoxTranscript) -> None:
    """Products about the asked centres, and G at the last rates."""
    if transcript.end is None or transcript.end_at is None:
        return
    beta, rates, centres = transcript.end_at
    z, weight = _weights(atoms, transcript, beta)
    grids, sites, exposure = transcript.grids, len(transcript.cohort.sites), exposures(atoms.days, transcript.cut_days)
    expected = weight[:, None] * (exposure @ rates)[None, :]
    about = z[:, None, :] - centres[None, :, :]
    p = z.shape[1]
    for a in range(p):
        system.add(z[:, a, None] * expected, transcript.end.weighted[a], _rounding(grids.covariates, sites))
        for b in range(a, p):
            products = weight[:, None] * ((about[:, :, a] * about[:, :, b] * rates) @ exposure.T)
            system.add(products, transcript.end.second[a, b], _rounding(grids.squares, sites))


def add_fused(system: System, atoms: Atoms, transcript: CoxTranscript, pattern_score: Floats) -> None:
    """The Cox model of a radiological and the clinical score: S0, and G and the products of the clinical score.

    The image's part is unknown but normal, so a pattern weighs e^{β₂z + β₁²/2} on average; how far single patients are from
    that is error. The smaller the image's coefficient, the more the sums are equations for patterns.
    """
    mean, sd = transcript.scale
    z = (pattern_score - mean[1]) / sd[1]
    n, sites = transcript.cohort.n, len(transcript.cohort.sites)
    exposure = exposures(atoms.days, transcript.cut_days)

    def at(beta: Floats, rates: Floats) -> tuple[Floats, Floats, float]:
        weight = np.exp(beta[1] * z + beta[0] ** 2 / 2)
        spread = float(np.sqrt(np.expm1(beta[0] ** 2) * n))
        return weight, weight[:, None] * (exposure @ rates)[None, :], spread

    whole = _rounding(transcript.grids.covariates, sites)
    for asked in transcript.rounds:
        weight, expected, spread = at(asked.beta, asked.rates)
        system.add(z[:, None] * expected, asked.gradient[1], float(np.hypot(whole, spread)))
        for m, value in enumerate(asked.mass):
            error = float(np.hypot(_rounding(transcript.grids.days, sites), USUAL_DAYS * spread))
            system.add(weight[:, None] * exposure[None, :, m], value, error)
    if transcript.end is not None and transcript.end_at is not None:
        beta, rates, centres = transcript.end_at
        weight, expected, spread = at(beta, rates)
        products = weight[:, None] * (((z[:, None] - centres[None, :, 1]) ** 2 * rates) @ exposure.T)
        error = float(np.hypot(_rounding(transcript.grids.squares, sites), spread))
        system.add(z[:, None] * expected, transcript.end.weighted[1], float(np.hypot(whole, spread)))
        system.add(products, transcript.end.second[1, 1], error)


def membership(edges: Floats, pattern_score: Floats, noise: float) -> Floats:
    """Probability (bins, P) that a patient of a pattern lies in a bin; 0 or 1 where nothing is unknown."""
    if noise == 0:
        inside = np.clip(np.searchsorted(edges, pattern_score, side="left") - 1, 0, len(edges) - 2)
        return np.asarray(inside[None, :] == np.arange(len(edges) - 1)[:, None], dtype=np.float64)
    below = ndtr((edges[:, None] - pattern_score[None, :]) / noise)
    return np.asarray(np.diff(below, axis=0), dtype=np.float64)


def _spread(atoms: Atoms, patients: float, chance: Floats, feature: Floats | float = 1.0) -> float:
    """Standard deviation of Σ feature over the patients a bin holds, when each is in it by chance."""
    return float(np.sqrt(patients * np.sum(atoms.share * chance * (1 - chance) * np.square(feature))))


def add_scores(system: System, atoms: Atoms, pattern_score: Floats, opened: ScoreOpened) -> None:
    """Counts above thresholds, patients and summed clinical part of every bin; exact of a clinical score."""
    patients = float(opened.table.n)
    for threshold, above in opened.thresholds:
        chance = membership(np.array([-np.inf, threshold, np.inf]), pattern_score, opened.noise)[1]
        system.add(atoms.of_pattern(chance), above, max(1e-3, _spread(atoms, patients, chance)))
    held = (opened.table.events + opened.table.censored).sum(axis=1)
    for k, chance in enumerate(membership(opened.table.score_edges, pattern_score, opened.noise)):
        system.add(atoms.of_pattern(chance), float(held[k]), max(1e-3, _spread(atoms, patients, chance)))
        if opened.bin_clinical is not None:
            error = max(1e-2, _spread(atoms, patients, chance, pattern_score))
            system.add(atoms.of_pattern(chance * pattern_score), float(opened.bin_clinical[k]), error)


def add_table(system: System, atoms: Atoms, pattern_score: Floats, opened: ScoreOpened) -> None:
    """Days in every score bin: the table's cells bound each bin's mean day to about half a cell over the root of its count."""
    days = opened.table.time_edges
    middle = (days[1:] + days[:-1]) / 2
    held = opened.table.events + opened.table.censored
    patients, usual = float(opened.table.n), float(held.sum(axis=0) @ middle) / max(opened.table.n, 1)
    for counts, chance in zip(held, membership(opened.table.score_edges, pattern_score, opened.noise), strict=True):
        total = float(counts.sum())
        if total:
            cell = float(np.mean(np.diff(days))) * np.sqrt(total / 12)
            error = float(np.hypot(cell, usual * _spread(atoms, patients, chance)))
            system.add(chance[:, None] * atoms.days[None, :], float(counts @ middle), error)


@dataclass(frozen=True)
class OpenedSums:
    """Everything one study opened of a cohort: `scores` are (score of a row of seven columns, what was opened of it).

    Of a held-out cohort no Cox model is fitted: `clinical` and `fused` are None.
    """

    cohort: AttackedCohort
    columns: tuple[int, ...] = ()
    clinical: CoxTranscript | None = None
    fused: tuple[CoxTranscript, Callable[[Floats], Floats]] | None = None
    scores: tuple[tuple[Callable[[Floats], Floats], ScoreOpened], ...] = ()


def from_totals(opened: OpenedSums) -> Claims:
    """Attack g at the resolution `totals`: counts, both Cox models with every round, start, end and moments, and score tables."""
    atoms = Atoms.at_cuts(opened.columns, opened.cohort)
    system = System()
    add_counts(system, atoms, opened.cohort)
    if opened.clinical is not None:
        add_moments(system, atoms, opened.clinical)
        add_start(system, atoms, opened.clinical)
        for asked in opened.clinical.rounds:
            add_round(system, atoms, opened.clinical, asked)
        add_end(system, atoms, opened.clinical)
    if opened.fused is not None:
        add_fused(system, atoms, opened.fused[0], opened.fused[1](atoms.x))
    for pattern_score, score in opened.scores:
        add_scores(system, atoms, pattern_score(atoms.x), score)
        add_table(system, atoms, pattern_score(atoms.x), score)
    return atoms.claims(system.solve())


def from_masses(columns: tuple[int, ...], transcript: CoxTranscript) -> Claims:
    """Attack b: S0 of the rounds' β alone."""
    atoms = Atoms.at_cuts(columns, transcript.cohort, transcript.cut_days)
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
    error = _rounding(transcript.grids.days, len(transcript.cohort.sites))
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
