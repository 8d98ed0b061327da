"""What the coordinator legitimately holds after a clinical model: every opened sum with the parameters it was asked at.

A masked sum over the roster is the plain sum of the sites' rounded contributions (that the masks cancel exactly is tested
elsewhere), so it is formed here without masks. Grids are those of the catalogue unless an attack's positive control asks
for finer ones. What is opened, by phase of `server.phases`:

- admission: pre-counts of all seven columns and their pairs, the columns that are dropped included;
- clinical (`cox.clinical`): moments, start, rounds and end of the Cox model of the columns left;
- fusion (`cox.fused`): the same of two covariates, the radiological and the clinical score;
- fusion and evaluation (`scores`, `evaluation`): thresholds of the cut-off and of the bins, the table, and by bin the summed
  clinical part; of the clinical score itself none of it at defaults (`minimum_clinical_score_patients`);
- evaluation: Table 1 (`characteristics`), every column included.

What depends on images alone (training sums, tables of Rad-S and Rad-D) says nothing about covariate patterns beyond the
distribution of the days.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evidence.attacks.cohorts import COLUMNS, AttackedCohort, Floats, Ints
from shared_model.statistics import segments
from shared_model.statistics.precounts import Counts, decide
from shared_model.survival.cox import api as cox
from shared_model.survival.cutoff import counts_above, median_cutoff, quantile_edges
from shared_model.survival.table import EvaluationTable, coarse_time_edges, site_table
from site_config.study.model import Evaluation

FINE = 2.0**-24
DEFAULT = Evaluation()
THRESHOLD_GRID = 2.0**-20


@dataclass(frozen=True)
class Grids:
    """Steps of sums of standardised covariates, of sums in days, of moments and of the last round's products."""

    covariates: float = segments.GRID
    days: float = segments.DAY_GRID
    moments: float = segments.MOMENT_GRID
    squares: float = segments.SQUARE_GRID


RELEASED = Grids()
FINEST = Grids(FINE, FINE, FINE, FINE)


def rounded_sum(cohort: AttackedCohort, contribution: Callable[[NDArray[np.bool_]], Floats], grid: float) -> Floats:
    """Sum over hospitals of their contributions (a function of the patients' mask), each rounded to the grid."""
    parts = [np.rint(np.asarray(contribution(cohort.at(site)), dtype=np.float64) / grid) * grid for site in cohort.sites]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Asked:
    """One opened round: where it was asked and what came."""

    beta: Floats
    rates: Floats
    mass: Floats
    gradient: Floats


def _released(parts: Sequence[Floats], grid: float) -> Floats:
    """The sum over hospitals of values each rounded to a grid."""
    return np.asarray(np.sum([np.rint(part / grid) * grid for part in parts], axis=0), dtype=np.float64)


@dataclass
class CoxTranscript:
    """Everything opened for one Cox model at the resolution `totals`; plays the opener of `fit_totals`.

    `x` (n, p) are the covariates of the cohort's patients: clinical columns, or scores.
    """

    cohort: AttackedCohort
    x: Floats
    cut_days: tuple[float, ...]
    grids: Grids = RELEASED
    scale: tuple[Floats, Floats] = field(default_factory=lambda: (np.zeros(7), np.ones(7)))
    first: cox.CovariateMoments | None = None
    start: cox.TotalsStart | None = None
    rounds: list[Asked] = field(default_factory=list)
    end: cox.TotalsEnd | None = None
    end_at: tuple[Floats, Floats, Floats] | None = None

    def moments(self, origin: Floats) -> cox.CovariateMoments:
        """Opened moments; counts are exact."""
        c = self.cohort
        parts = [cox.site_moments(self.x[c.at(s)], c.event[c.at(s)], origin) for s in c.sites]
        total = _released([part.total for part in parts], self.grids.moments)
        products = _released([part.products for part in parts], self.grids.moments)
        found = cox.CovariateMoments(c.n, int(c.event.sum()), total, products)
        self.first = self.first or found
        return found

    def totals_start(self, mean: Floats, sd: Floats) -> cox.TotalsStart:
        """Opened start; deaths are counts."""
        self.scale = (mean, sd)
        c = self.cohort
        parts = [cox.totals_start(self.x[c.at(s)], c.day[c.at(s)], c.event[c.at(s)], self.cut_days, mean, sd) for s in c.sites]
        covariates = _released([part.event_covariates for part in parts], self.grids.covariates)
        exposure = _released([part.exposure for part in parts], self.grids.days)
        self.start = cox.TotalsStart(np.sum([part.deaths for part in parts], axis=0), exposure, covariates)
        return self.start

    def totals_round(self, beta: Floats, rates: Floats, mean: Floats, sd: Floats) -> cox.TotalsRound:
        """Opened round."""
        c = self.cohort
        parts = [cox.totals_round(self.x[c.at(s)], c.day[c.at(s)], self.cut_days, beta, rates, mean, sd) for s in c.sites]
        mass = _released([part.mass for part in parts], self.grids.days)
        gradient = _released([part.weighted for part in parts], self.grids.covariates)
        self.rounds.append(Asked(beta.copy(), rates.copy(), mass, gradient))
        return cox.TotalsRound(mass, gradient)

    def totals_end(self, beta: Floats, rates: Floats, centres: Floats, mean: Floats, sd: Floats) -> cox.TotalsEnd:
        """Opened end."""
        c = self.cohort
        parts = [cox.totals_end(self.x[c.at(s)], c.day[c.at(s)], self.cut_days, beta, rates, centres, mean, sd) for s in c.sites]
        second = _released([part.second for part in parts], self.grids.squares)
        weighted = _released([part.weighted for part in parts], self.grids.covariates)
        self.end, self.end_at = cox.TotalsEnd(second, weighted), (beta.copy(), rates.copy(), centres.copy())
        return self.end


def clinical_model(
    cohort: AttackedCohort, columns: tuple[int, ...], *, grids: Grids = RELEASED, tolerance_se: float | None = None
) -> tuple[CoxTranscript, cox.CoxFit]:
    """Fit CLN on some columns as a study does and keep the transcript; with a tolerance, open as many rounds as it takes."""
    return _model(cohort, cohort.x[:, list(columns)].astype(np.float64), [COLUMNS[k] for k in columns], grids, tolerance_se)


def fused_model(cohort: AttackedCohort, image: Floats, clinical: Floats, *, grids: Grids = RELEASED) -> tuple[CoxTranscript, cox.CoxFit]:
    """Fit RadCLN on the radiological score (n,) and the clinical score (n,) as a study does and keep the transcript."""
    return _model(cohort, np.stack([image, clinical], axis=1), ["Rad-D", "CLN"], grids)


def _model(
    cohort: AttackedCohort, x: Floats, names: list[str], grids: Grids, tolerance_se: float | None = None
) -> tuple[CoxTranscript, cox.CoxFit]:
    """Minima are not asked here: whether a study may ask is the door's to say."""
    p = len(names)
    transcript = CoxTranscript(cohort, x, cox.CLINICAL_CUTS, grids, scale=(np.zeros(p), np.ones(p)))
    fitted = cox.fit_totals(
        transcript, names, transcript.cut_days, tolerance_se=tolerance_se, minimum_patients=1, minimum_events_per_variable=0
    )
    return transcript, fitted


def column_counts(cohort: AttackedCohort) -> Counts:
    """The opened pre-counts of the seven columns."""
    held = cohort.x > 0
    both = held[:, :, None] & held[:, None, :]
    at = np.stack([cohort.at(site) for site in cohort.sites]).astype(np.int64)
    return Counts(
        sites=len(cohort.sites),
        patients=cohort.n,
        events=int(cohort.event.sum()),
        nonzero=held.sum(axis=0),
        nonzero_sites=((at @ held.astype(np.int64)) > 0).sum(axis=0),
        pair_nonzero=both.sum(axis=0),
        pair_nonzero_sites=(np.einsum("sn,nab->sab", at, both.astype(np.int64)) > 0).sum(axis=0),
    )


def default_columns(cohort: AttackedCohort) -> tuple[int, ...]:
    """The columns the pre-counts leave in the clinical model."""
    kept = decide(COLUMNS, column_counts(cohort)).kept
    return tuple(COLUMNS.index(column) for column in kept)


@dataclass
class ScoreTranscript:
    """Everything opened about one score: counts at thresholds, the table, the bins' sums. Plays the opener of cut-offs."""

    score: Floats
    asked: list[tuple[float, int]] = field(default_factory=list)

    def counts_above(self, thresholds: Floats) -> Ints:
        """Patients above thresholds, which are rounded as a study asks them."""
        grid = np.rint(np.asarray(thresholds) / THRESHOLD_GRID) * THRESHOLD_GRID
        found = counts_above(self.score, grid)
        self.asked += [(float(t), int(k)) for t, k in zip(grid, found, strict=True)]
        return found


@dataclass(frozen=True)
class ScoreOpened:
    """A score's opened table, threshold counts, and its clinical part's sum by bin (bins,) where that is opened.

    `noise` is the standard deviation of the part an attacker does not know, which images make; 0 of a clinical score.
    """

    table: EvaluationTable
    bin_clinical: Floats | None
    thresholds: tuple[tuple[float, int], ...]
    noise: float = 0.0


def _bin_sums(inside: Ints, score: Floats, bins: int, at: NDArray[np.bool_]) -> Floats:
    return np.asarray(np.bincount(inside[at], weights=score[at], minlength=bins), dtype=np.float64)


def score_table(
    cohort: AttackedCohort, clinical: Floats, image: Floats | None = None, *, bins: int, cell_days: int, sums: bool = False
) -> ScoreOpened:
    """The evaluation of a score over a cohort: cut-off and bins by counts, then the table (and the clinical part's bin sums).

    The score is the clinical part (n,), or its sum with an image's part (n,) that is normal and independent of it.
    """
    score = clinical if image is None else clinical + image
    minimum = DEFAULT.bin_patients
    opener = ScoreTranscript(score)
    mean, sd = float(score.mean()), float(score.std(ddof=1))
    if cohort.n >= 2 * minimum:
        median_cutoff(opener, cohort.n, mean, sd, minimum=1)
    edges = quantile_edges(opener, cohort.n, mean, sd, bins=bins, minimum=minimum)
    table = site_table(score, cohort.day, cohort.event, edges, coarse_time_edges(float(cohort.day.max()), cell_days))
    inside = np.searchsorted(edges[1:-1], score, side="left")
    by_bin = rounded_sum(cohort, partial(_bin_sums, inside, clinical, len(edges) - 1), segments.GRID) if sums else None
    return ScoreOpened(table, by_bin, tuple(opener.asked), 0.0 if image is None else float(image.std()))
