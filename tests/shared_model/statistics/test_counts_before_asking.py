"""Pre-counts: what may be asked of columns that few patients hold."""

from __future__ import annotations

import numpy as np
import pytest

from shared_model.statistics.counts_before_asking import ColumnMinima, Counts, decide


def counts(x, sites):
    """Counts of 0/1 columns x (n, k) with each row's site."""
    held = np.asarray(x) > 0
    both = held[:, :, None] & held[:, None, :]
    n_sites = lambda rows: len(set(np.asarray(sites)[rows]))  # noqa: E731
    k = held.shape[1]
    return Counts(
        sites=len(set(sites)),
        patients=len(held),
        events=len(held),
        nonzero=held.sum(0),
        nonzero_sites=np.array([n_sites(held[:, j]) for j in range(k)]),
        pair_nonzero=both.sum(0),
        pair_nonzero_sites=np.array([[n_sites(both[:, i, j]) for j in range(k)] for i in range(k)]),
    )


def cohort(*columns, n=60, n_sites=12):
    x = np.zeros((n, len(columns)), int)
    for j, rows in enumerate(columns):
        x[list(rows), j] = 1
    return counts(x, np.arange(n) % n_sites)


def test_common_columns_are_kept():
    decision = decide(("a", "b"), cohort(range(30), range(20, 50)))
    assert decision.kept == ("a", "b")
    assert not decision.dropped and not decision.refused and not decision.hidden


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (range(4), "other than zero"),
        ((), "other than zero"),
        ((0, 12, 24, 36, 48), "other than zero"),  # five patients at one site
        (range(56), "value zero"),
    ],
)
def test_rare_columns_are_dropped(rows, why):
    decision = decide(("a", "rare"), cohort(range(20, 55), rows))
    assert decision.kept == ("a",)
    assert [dropped.column for dropped in decision.dropped] == ["rare"]
    assert why in decision.dropped[0].reason


def test_pair_of_one_patient_drops_the_rarer_column_or_hides_the_product():
    found = cohort(range(30), range(29, 39))
    assert decide(("a", "b"), found).kept == ("a",)
    hidden = decide(("a", "b"), found, pairs="hide")
    assert hidden.kept == ("a", "b")
    assert hidden.hidden == (("a", "b"),)
    assert decide(("a", "b"), found, pairs="ignore").kept == ("a", "b")


def test_disjoint_pair_is_harmless():
    assert decide(("a", "b"), cohort(range(30), range(40, 55))).kept == ("a", "b")


def test_smallest_number_of_columns_goes():
    found = cohort(range(30), range(30, 55), (0, 1, 2, 3, 30, 31, 32, 33))
    assert decide(("a", "b", "c"), found).kept == ("a", "b")


def test_small_rosters_are_refused():
    assert decide(("a",), cohort(range(2), n=4)).refused
    assert decide(("a",), cohort(range(30), n_sites=2)).refused
    assert decide(("a",), cohort(range(2), n=60)).refused
    assert not decide(("a",), cohort(range(2), n=4, n_sites=2), ColumnMinima(1, 1)).refused


def test_from_opened_segments():
    plain = cohort(range(30), range(29, 39))
    opened = {name: np.asarray(value, float).reshape(np.shape(value) or (1,)) for name, value in vars(plain).items()}
    assert decide(("a", "b"), Counts.of({**opened, "flow": np.zeros(4)})) == decide(("a", "b"), plain)
