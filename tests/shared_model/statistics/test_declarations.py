"""A statistic says everything about itself, or it is none."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from client.statistics import count_statistics, cox_and_update_statistics, evaluation_statistics, private_statistics_of_site
from shared_model import asked_page
from shared_model.statistics import list_of_statistics
from shared_model.statistics.statistic_declaration import REGISTRY, Statistic

assert list_of_statistics.__doc__


def whole() -> dict[str, Any]:
    known = REGISTRY["precounts"]
    return {field.name: getattr(known, field.name) for field in fields(known)}


def test_every_field_is_required() -> None:
    assert [field.name for field in fields(Statistic) if field.default is not MISSING or field.default_factory is not MISSING] == []


@pytest.mark.parametrize("name", [field.name for field in fields(Statistic)])
def test_what_is_left_out_is_an_error(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        Statistic(**{key: value for key, value in whole().items() if key != name})


def test_a_misspelt_keyword_is_an_error() -> None:
    """`role` for `roles` gave every role silently."""
    given = whole()
    given["role"] = given.pop("roles")
    with pytest.raises(TypeError, match="role"):
        Statistic(**given)


def test_nothing_is_given_by_position() -> None:
    with pytest.raises(TypeError):
        Statistic(*whole().values())  # type: ignore[misc]


def test_every_statistic_is_computed_and_nothing_else_is() -> None:
    assert set(
        count_statistics.FUNCTIONS
        | cox_and_update_statistics.FUNCTIONS
        | evaluation_statistics.FUNCTIONS
        | private_statistics_of_site.FUNCTIONS
    ) == set(REGISTRY)


def test_a_name_decides_nothing() -> None:
    """The Cox minima follow from the declared number of covariates: the name may be any."""
    served = {name for name in REGISTRY if REGISTRY[name].covariates is not REGISTRY["precounts"].covariates}
    assert served == {"cox.exact"}


def test_the_page_of_everything_a_hospital_can_be_asked_is_fresh() -> None:
    assert asked_page.PAGE.read_text("utf-8") == asked_page.page()
    assert all(f"`{name}`" in asked_page.page() for name in REGISTRY)
