"""Which columns are held by enough patients and hospitals, against counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared_model.analyses.columns_held import ColumnsEstimate, ColumnsModel, Held, columns
from shared_model.analyses.patient_slots import PaddedPatients, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from site_config.problems.base import Problem
from tests.shared_model.analyses.holders import on_shares
from tests.shared_model.analyses.recorded import on_record

NAMES = ("a", "b", "c", "d")
MODEL = ColumnsModel("columns", Held("held", NAMES))


def sites_of(tables: list[np.ndarray]) -> list[PaddedPatients]:
    """Hospitals from tables (patients, columns)."""
    return [
        PaddedPatients(np.zeros(len(table), np.int64), np.zeros(len(table), bool), dict(zip(NAMES, table.T.astype(float), strict=True)))
        for table in tables
    ]


def run(tables: list[np.ndarray], m: int = 0) -> tuple[ColumnsEstimate, Any]:
    async def circuit(a: Arithmetic, rows: Rows) -> ColumnsEstimate:
        return await columns(a, rows, MODEL)

    inputs = (circuit, Declaration.of(MODEL.results), MODEL.parts(0), sites_of(tables), 16)
    return on_shares(*inputs, m) if m else on_record(*inputs)


def counted(tables: list[np.ndarray]) -> dict[str, bool]:
    has = [table == 1 for table in tables]
    patients, hospitals = sum(one.sum(0) for one in has), sum(one.any(0).astype(int) for one in has)
    return dict(zip(NAMES, (patients >= 5) & (hospitals >= 3), strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_is_what_counting_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rates = np.array([0.05, 0.15, 0.3, 0.8])
    tables = [(rng.random((n, 4)) < rates).astype(float) - (rng.random((n, 4)) < 0.05) for n in (0, 1, 1, 2, 4, 9)]
    tables = [np.maximum(table, -1) for table in tables]
    found, a = run(tables)
    assert found.held == counted(tables)
    assert bool(found.findings) == (not all(found.held.values()))
    assert set(a.opened) == {"columns.held"} and a.openings <= 6


def test_both_minima_count() -> None:
    """Five patients at three hospitals are enough, at two not, nor are four at three."""
    one, two, three = np.zeros((3, 4)), np.zeros((2, 4)), np.zeros((3, 4))
    one[:, 0] = two[0, 0] = three[0, 0] = 1
    one[:, 1] = two[:, 1] = 1
    one[:2, 2] = two[0, 2] = three[0, 2] = 1
    assert run([one, two, three])[0].held == {"a": True, "b": False, "c": False, "d": False}


def test_another_value_is_refused() -> None:
    with pytest.raises(Problem):
        run([np.full((2, 4), 2.0)])


def test_shares_give_what_plain_numbers_give() -> None:
    tables = [(np.random.default_rng(n).random((n, 4)) < 0.4).astype(float) for n in (0, 1, 1, 2, 4, 9)]
    found, cost = run(tables, 3)
    assert found.held == counted(tables) and cost.openings <= 6
