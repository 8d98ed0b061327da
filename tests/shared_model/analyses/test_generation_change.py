"""A generation opens where nobody or enough patients changed against every earlier one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared_model.analyses.generation_change import ChangeModel, change
from shared_model.analyses.patient_slots import PaddedPatients, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from tests.shared_model.analyses.holders import on_shares
from tests.shared_model.analyses.recorded import on_record

SIZES = (0, 1, 1, 2, 4, 8, 16)


def run(
    totals: tuple[int, ...],
    minimum: int = 20,
    m: int = 0,
    nobody: bool = True,
    came: tuple[int, ...] | None = None,
    moved: tuple[int, ...] | None = None,
) -> tuple[bool, Any]:
    """totals: who changed at hospitals of each earlier study; came: who came with others; moved: of the changed, who joined or left."""
    both = [total for kinds in zip(totals, came or (0,) * len(totals), moved or totals, strict=True) for total in kinds]
    model = ChangeModel("changed", nobody=((nobody,),) * len(totals), minimum_patients=minimum)
    rng, n = np.random.default_rng(sum(both)), sum(SIZES)
    flags = np.stack([rng.permutation(np.arange(n) < total) for total in both], 1).astype(float)
    pieces = np.split(flags, np.cumsum(SIZES)[:-1])
    sites = [
        PaddedPatients(np.zeros(len(one), np.int64), np.zeros(len(one), bool), {f"changed.{k}": one[:, k] for k in range(len(both))})
        for one in pieces
    ]

    async def circuit(a: Arithmetic, rows: Rows) -> bool:
        return (await change(a, rows, model))["rows"]

    inputs = (circuit, Declaration.of(model.results), model.parts(0), sites, 16)
    return on_shares(*inputs, m) if m else on_record(*inputs)


@pytest.mark.parametrize("total", range(33))
def test_one_earlier_generation(total: int) -> None:
    found, a = run((total,))
    assert found == (total == 0 or total >= 20)
    assert set(a.opened) == {"changed.few"}


@pytest.mark.parametrize(("changed", "came", "opens"), [(0, 21, True), (1, 21, False), (21, 1, False), (20, 20, True), (10, 10, False)])
def test_few_who_changed_are_not_hidden_behind_hospitals_that_came(changed: int, came: int, opens: bool) -> None:
    found, _ = run((changed,), came=(came,))
    assert found == opens
    model = ChangeModel("changed")
    assert model.few(np.array([changed, came, changed]))[0] != opens


@pytest.mark.parametrize(("changed", "came", "opens"), [(0, 0, False), (0, 20, True), (20, 0, True), (0, 3, False)])
def test_where_a_hospital_left_somebody_has_to_change_or_come(changed: int, came: int, opens: bool) -> None:
    found, _ = run((changed,), nobody=False, came=(came,))
    assert found == opens
    assert ChangeModel("changed", nobody=((False,),)).few(np.array([changed, came, changed]))[0] != opens


@pytest.mark.parametrize(
    ("totals", "opens"), [((0, 0, 0), True), ((0, 20, 32), True), ((0, 20, 19), False), ((1, 30, 30), False), ((20, 0, 3), False)]
)
def test_every_earlier_generation_counts(totals: tuple[int, ...], opens: bool) -> None:
    found, a = run(totals)
    assert found == opens and a.openings <= 10


@pytest.mark.parametrize(("totals", "opens"), [((0, 20), True), ((0, 19), False)])
def test_shares_give_what_plain_numbers_give(totals: tuple[int, ...], opens: bool) -> None:
    found, cost = run(totals, m=3)
    assert found == opens and cost.openings <= 10


@pytest.mark.parametrize(("totals", "opens"), [((0,), False), ((19,), False), ((20,), True), ((20, 0), False)])
def test_where_a_hospital_left_a_change_of_nobody_is_one_of_its_patients(totals: tuple[int, ...], opens: bool) -> None:
    found, _ = run(totals, nobody=False)
    assert found == opens


def test_every_choice_of_rows_has_its_own_bit() -> None:
    model = ChangeModel("changed", choices=("live", "base"), nobody=((True, True), (True, True)), minimum_patients=20)
    flags = np.zeros((40, 12))
    for joined in (0, 4):  # live: 21 and 40; base: 3 and nobody; all of them joined or left, nobody came with a hospital
        flags[:21, joined], flags[:3, joined + 1], flags[:40, joined + 6] = 1, 1, 1
    values = {f"changed.{k}": flags[:, k] for k in range(12)}
    site = PaddedPatients(np.zeros(40, np.int64), np.zeros(40, bool), values)

    async def circuit(a: Arithmetic, rows: Rows) -> dict[str, bool]:
        return await change(a, rows, model)

    found, _ = on_record(circuit, Declaration.of(model.results), model.parts(0), [site], 40)
    assert found == {"live": True, "base": False}


@pytest.mark.parametrize(
    ("nobody", "opens"), [((True, True), (True, True)), ((False, True), (False, True)), ((True, False), (True, False))]
)
def test_a_change_of_nobody_is_permitted_choice_by_choice(nobody: tuple[bool, bool], opens: tuple[bool, bool]) -> None:
    model = ChangeModel("changed", choices=("train", "test"), nobody=(nobody,), minimum_patients=20)
    values = {f"changed.{k}": np.zeros(40) for k in range(6)}
    site = PaddedPatients(np.zeros(40, np.int64), np.zeros(40, bool), values)

    async def circuit(a: Arithmetic, rows: Rows) -> dict[str, bool]:
        return await change(a, rows, model)

    found, _ = on_record(circuit, Declaration.of(model.results), model.parts(0), [site], 40)
    assert tuple(found.values()) == nobody


@pytest.mark.parametrize(("changed", "moved", "opens"), [(33, 0, True), (33, 1, False), (33, 19, False), (33, 20, True), (19, 0, False)])
def test_one_who_joined_is_not_hidden_behind_rows_that_are_written_anew(changed: int, moved: int, opens: bool) -> None:
    """A column that is new makes every row another one; results of the other columns are then apart by who joined."""
    found, _ = run((changed,), moved=(moved,))
    assert found == opens
    assert ChangeModel("changed").few(np.array([changed, 0, moved]))[0] != opens
