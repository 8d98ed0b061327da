"""Numbers of two runs: those opened on shares within two units of their own grids, what is made of them close, all others equal."""

from __future__ import annotations

from typing import Any

import pytest

from evidence.opened_units import StudyNumbers, units_apart

MEAN = {"day": 365, "months": 15.5, "se": 0.2165}
AUC = {
    "n": 60,
    "events": 30,
    "model": "CLN",
    "set": "test",
    "horizon": 365,
    "auc": 0.7,
    "se": 0.1,
    "specificity": [0.5],
    "sensitivity": [0.75],
}
TOLD: dict[str, Any] = {
    "clinical": {"beta": [0.5, None]},
    "analyses": {"c": 0.7, "kind": "a", "mean": MEAN, "roc": [AUC]},
    "flow": {"train": 9},
    "weights": {"Rad-D": "ab"},
}


def numbers(units: int = 100, **told: Any) -> StudyNumbers:
    return StudyNumbers({**TOLD, **told}, {"clinical cln": (units, 7)})


@pytest.mark.parametrize(
    ("now", "wrong"),
    [
        (numbers(), []),
        (numbers(102), []),
        (numbers(103), ["clinical cln"]),
        (numbers(101, analyses=TOLD["analyses"] | {"c": 0.701}), []),
        (numbers(101, analyses=TOLD["analyses"] | {"c": 0.75}), ["analyses"]),
        (numbers(101, analyses=TOLD["analyses"] | {"kind": "b"}), ["analyses"]),
        (numbers(101, analyses={"c": 0.7, "mean": MEAN}), ["analyses"]),
        (numbers(101, clinical={"beta": [0.5, 0.1]}), ["clinical"]),
        (numbers(100, analyses=TOLD["analyses"] | {"c": 0.701}), ["analyses"]),
        (numbers(101, analyses=TOLD["analyses"] | {"mean": {"day": 365, "months": 15.625, "se": 0.2253}}), []),
        (numbers(101, analyses=TOLD["analyses"] | {"mean": {"day": 365, "months": 15.6875, "se": 0.2165}}), ["analyses"]),
        (numbers(101, analyses=TOLD["analyses"] | {"mean": {"day": 365, "months": 15.5, "se": 0.19}}), ["analyses"]),
        (numbers(101, analyses=TOLD["analyses"] | {"mean": {"day": 730, "months": 15.5, "se": 0.2165}}), ["analyses"]),
        (numbers(101, analyses=TOLD["analyses"] | {"roc": [AUC | {"sensitivity": [0.7578125]}]}), []),
        (numbers(101, analyses=TOLD["analyses"] | {"roc": [AUC | {"sensitivity": [0.76171875]}]}), ["analyses"]),
        (numbers(101, analyses=TOLD["analyses"] | {"roc": [AUC | {"auc": 0.71}]}), ["analyses"]),
        (numbers(101, flow={"train": 8}), ["flow"]),
        (numbers(101, weights={"Rad-D": "ac"}), ["weights"]),
    ],
)
def test_what_is_other_than_it_was(now: StudyNumbers, wrong: list[str]) -> None:
    assert now.other_than(numbers()) == wrong


def test_other_names_or_lengths_are_other_results() -> None:
    assert units_apart({"a": (1,)}, {"b": (1,)})[0] == units_apart({"a": (1,)}, {"a": (1, 2)})[0] == -1
    assert units_apart({}, {}) == (0, "")
