"""Results as kept and told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shared_model.shares.messages.opened_record import Opened, merge
from site_config.problems.base import Problem

OPENED = Opened("cox.variance", (2, 1), 2, (5, -3))
BIT = Opened("few", (2,), 0, (1, 0), bit=True)


def test_numbers_come_back_on_their_grid() -> None:
    assert OPENED.numbers().tolist() == [[1.25], [-0.75]]
    assert BIT.numbers().tolist() == [True, False]
    assert BIT.numbers().dtype == np.bool_


@pytest.mark.parametrize("opened", [OPENED, BIT])
def test_a_journal_line_is_read_back(opened: Opened) -> None:
    assert Opened.read(json.loads(json.dumps(opened.data()))) == opened


@pytest.mark.parametrize("wrong", [{}, {**OPENED.data(), "units": [1]}, {**OPENED.data(), "units": 3}, {**OPENED.data(), "bits": "x"}])
def test_another_line_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"record|numbers|invalid"):
        Opened.read(wrong)


def test_records_of_all_holders_are_one_or_a_problem() -> None:
    assert merge({1: {"few": BIT}, 2: {}, 3: {"few": BIT, "cox.variance": OPENED}}) == {"few": BIT, "cox.variance": OPENED}
    with pytest.raises(Problem, match="FH-560"):
        merge({1: {"few": BIT}, 2: {"few": Opened("few", (2,), 0, (1, 1), bit=True)}})
