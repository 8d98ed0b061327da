"""Reconstruction from what a study on shares opens: curves and Table 1 (l), groupings (m), predictions (n), Cox steps (p), all (g)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from evidence.attacks.attacked_cohorts import COLUMNS, Floats, encode, patterns
from evidence.attacks.claims_about_patients import Claims
from evidence.attacks.nonnegative_solver import System
from evidence.attacks.shares import curve_counts
from evidence.attacks.shares.attacked_study import SharesCase, on_grid
from evidence.attacks.shares.equations import SETS, SeenStudy, Unknowns, add_calibration, add_curve, add_groups, add_table, beyond, prior
from evidence.attacks.shares.iterates import add_iterates, add_score_test
from evidence.attacks.shares.sensitivities import add_sensitivities
from site_config.study.prognostic_models import CLN

Adding = Callable[[System, Unknowns, SeenStudy, int], None]
AddingAt = Callable[[System, Unknowns, SeenStudy, int, Floats], None]
"""Made linear at an estimate of the masses."""
NEWTON_TURNS = 1
FINE_GROUPS = 64
CLINICAL, FUSED = CLN.name, "RadCLN-D"


def joined(parts: list[Claims]) -> Claims:
    """The claims of several sets."""
    if not parts:
        return Claims.none()
    return Claims(np.concatenate([one.pattern for one in parts]), np.concatenate([one.day for one in parts]))


def _start(seen: SeenStudy, at: int) -> tuple[System, Unknowns]:
    unknowns = Unknowns.of(seen, at)
    system = System()
    if unknowns.interval.size:
        add_curve(system, unknowns)
        add_table(system, unknowns, seen, at)
    return system, unknowns


def _groups(system: System, unknowns: Unknowns, seen: SeenStudy, at: int) -> None:
    for model in (CLINICAL, FUSED):
        add_groups(system, unknowns, seen, at, model)


def _steps(system: System, unknowns: Unknowns, seen: SeenStudy, at: int, mass: Floats) -> None:
    """Steps and variances of the training set, and the score's test."""
    if at == 0:
        add_iterates(system, unknowns, seen, mass)
    add_score_test(system, unknowns, seen, at, mass)


def masses(seen: SeenStudy, at: int, adding: tuple[Adding, ...], later: tuple[AddingAt, ...] = ()) -> tuple[Unknowns, Floats]:
    """The unknowns of a set and their best masses, by curves, Table 1, what is added, and what is added at a first estimate."""
    system, unknowns = _start(seen, at)
    if not system.rows:
        return unknowns, np.zeros(0)
    for add in adding:
        add(system, unknowns, seen, at)
    mass = system.solve()
    for _ in range(NEWTON_TURNS if later else 0):
        more = System(list(system.rows), list(system.values), list(system.errors))
        for one in later:
            one(more, unknowns, seen, at, mass)
        mass = more.solve()
    return unknowns, mass


def reconstructed(adding: tuple[Adding, ...], case: SharesCase, later: tuple[AddingAt, ...] = ()) -> Claims:
    """Claims on all sets."""
    seen = SeenStudy(case.opened)
    found = []
    for at in range(SETS):
        unknowns, mass = masses(seen, at, adding, later)
        if mass.size:
            found.append(unknowns.claims(mass))
    return joined(found)


from_curves = partial(reconstructed, ())
from_groupings = partial(reconstructed, (_groups,))
from_predictions = partial(reconstructed, (add_calibration,))
from_sensitivities = partial(reconstructed, (_groups, add_calibration), later=(add_sensitivities,))
from_steps = partial(reconstructed, (), later=(_steps,))
from_everything = partial(reconstructed, (_groups, add_calibration), later=(_steps, add_sensitivities))
WITHOUT_STEPS: tuple[Adding, ...] = (_groups, add_calibration)


def from_score_groups(case: SharesCase) -> Claims:
    """Family h: the likeliest patterns of a risk group, as many as an interval of its curve holds, and the patterns of the cut-offs."""
    seen, rows = SeenStudy(case.opened), patterns()
    if CLINICAL not in seen.model.scores:
        return Claims.none()
    found: list[tuple[int, float]] = []
    score = on_grid(seen.model.known.specs[CLINICAL], rows)
    for at in range(SETS):
        cut, asked = seen.middle(CLINICAL), seen.model.risk(CLINICAL)
        chance = prior(seen, at, rows)
        for group in (0, 1) if cut is not None and seen.evaluation.models[CLINICAL].risk is not None else ():
            inside = np.flatnonzero((score > (cut or 0.0)) == bool(group))
            likely = inside[np.argsort(-chance[inside], kind="stable")]
            cells = curve_counts.cells(seen.opened, asked, 2 * at + group)
            for middle, count in zip(cells.middle, cells.deaths + cells.lost, strict=True):
                found += [(int(pattern), float(middle)) for pattern in likely[: int(count)]]
    cells = curve_counts.cells(seen.opened, seen.model.survival, 0)
    for cut in seen.cuts(CLINICAL):
        same = np.flatnonzero(score == cut)
        if len(cells.middle) and same.size:
            found.append((int(same[np.argmax(prior(seen, 0, rows)[same])]), float(cells.middle[int(cells.deaths.argmax())])))
    return Claims(np.array([pattern for pattern, _ in found], dtype=np.int64), np.array([day for _, day in found]))


def from_swapped(case: SharesCase) -> Claims:
    """Family m, two models' groups: where their curves count other deaths, the likeliest pattern that one calls low and the other high."""
    seen, rows = SeenStudy(case.opened), patterns()
    names = [name for name in seen.model.scores if seen.middle(name) is not None]
    found: list[tuple[int, float]] = []
    for at in range(SETS):
        by_model = {name: curve_counts.cells(seen.opened, seen.model.risk(name), 2 * at) for name in names}
        chance = prior(seen, at, rows)
        unknowns = Unknowns(rows, encode(rows), curve_counts.CurveCells.none(), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_))
        for a, one in enumerate(names):
            for other in names[a + 1 :]:
                first, second = by_model[one], by_model[other]
                k = min(len(first.end), len(second.end)) - 1
                if k <= 0 or not np.array_equal(first.end[:k], second.end[:k]):
                    continue
                high = [beyond(seen, unknowns, name, seen.middle(name) or 0.0)[0] for name in (one, other)]
                for interval in np.flatnonzero(first.deaths[:k] != second.deaths[:k]):
                    more = first.deaths[interval] > second.deaths[interval]
                    swapped = chance * ((1 - high[0]) * high[1] if more else high[0] * (1 - high[1]))
                    found.append((int(swapped.argmax()), float(first.middle[interval])))
    return Claims(np.array([pattern for pattern, _ in found], dtype=np.int64), np.array([day for _, day in found]))


def from_fine_groups(case: SharesCase) -> Claims:
    """Positive control of l, m, g and t: the same equations where days are single ones and 64 groups of the clinical score are counted."""
    rows, c = patterns(), case.cohort
    days, where = np.unique(c.day, return_inverse=True)
    beta = np.linspace(0.1, 0.7, len(COLUMNS))
    edges = np.linspace(0, float((rows @ beta).max()) + 1e-9, FINE_GROUPS + 1)
    group, mine = (np.searchsorted(edges, x @ beta, side="right") - 1 for x in (rows, c.x.astype(np.float64)))
    found: list[tuple[int, float]] = []
    for at, day in enumerate(days):
        for one in np.unique(mine[where == at]):
            system = System()
            inside = np.flatnonzero(group == one)
            here = np.flatnonzero((where == at) & (mine == one))
            system.add(np.ones(len(inside)), float(len(here)), 1e-3)
            for a in range(len(COLUMNS)):
                for b in range(a, len(COLUMNS)):
                    feature = rows[inside, a] * rows[inside, b]
                    system.add(feature, float((c.x[here, a] * c.x[here, b]).sum()), 1e-3)
            mass = system.solve()
            found += [(int(encode(rows)[inside[k]]), float(day)) for k in np.flatnonzero(mass >= 0.5)]
    return Claims(np.array([pattern for pattern, _ in found], dtype=np.int64), np.array([day for _, day in found]))
