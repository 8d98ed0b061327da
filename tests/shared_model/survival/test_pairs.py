"""Pairs counted by merging equal pairs counted one by one."""

import numpy as np
from hypothesis import given

from shared_model.survival.concordance import count_pairs
from shared_model.survival.evaluation_table import Cells
from tests.shared_model.survival.survival_data import federations


@given(federation=federations(with_event=False))
def test_counts_equal_a_double_loop(federation):
    score, day, event, stratum = federation
    count = 1.0 + np.arange(len(score)) % 3
    stratum = stratum % 2
    expected = np.zeros((3, len(score)))
    for i in np.flatnonzero(event):
        for j in range(len(score)):
            later = day[j] > day[i] or (day[j] == day[i] and not event[j])
            if not later or stratum[i] != stratum[j]:
                continue
            kind = 2 if score[i] == score[j] else int(score[i] < score[j])
            expected[kind, i] += count[j]
            expected[kind, j] += count[i]
    found = count_pairs(Cells(score, day, event, count, stratum))
    np.testing.assert_array_equal([found.cell_concordant, found.cell_discordant, found.cell_tied], expected)
