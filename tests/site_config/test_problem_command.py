"""A number on a screen has a page wherever the program runs."""

from __future__ import annotations

import json

import pytest

from client.cli import app as site
from server.cli import app as coordinator
from simulations.cli import app as researcher
from site_config.console import problem_lines
from site_config.problems import all_kinds, federation
from site_config.problems.base import Exit
from tests.support import run_cli


@pytest.mark.parametrize("app", [site, coordinator, researcher])
@pytest.mark.parametrize("given", ["FH-715", "fh715", "715", "gateway-unreachable"])
def test_every_command_knows_every_problem(app: object, given: str) -> None:
    ran = run_cli(app, "problem", given)  # type: ignore[arg-type]
    assert ran.status == Exit.OK
    words = " ".join(ran.out.split())
    for text in ("FH-715", federation.GATEWAY_UNREACHABLE.title, federation.GATEWAY_UNREACHABLE.why, federation.GATEWAY_UNREACHABLE.fix):
        assert text in words


def test_all_are_listed_and_are_data() -> None:
    ran = run_cli(site, "problem", "--json")
    assert [one["code"] for one in json.loads(ran.out)] == [kind.label for kind in all_kinds()]
    assert set(json.loads(ran.out)[0]) == {"code", "name", "title", "why", "fix", "exit"}


@pytest.mark.parametrize(("given", "near"), [("FH-7151", "FH-7"), ("gateway-unreachabel", "gateway-unreachable"), ("nothing", "lists all")])
def test_an_unknown_number_is_answered_with_the_nearest(given: str, near: str) -> None:
    ran = run_cli(site, "problem", given)
    assert ran.status == Exit.USAGE
    assert near in ran.err


def test_a_problem_says_how_to_read_more() -> None:
    line = problem_lines(federation.GATEWAY_UNREACHABLE.problem("no answer"))[-1]
    assert line == "  more: fedhcc-site problem FH-715"


@pytest.mark.parametrize(
    ("app", "old", "new"), [(coordinator, "approve", "enrol"), (site, "explain", "heatmaps"), (site, "statsu", "status")]
)
def test_an_unknown_command_proposes_the_nearest_or_the_new_name(app: object, old: str, new: str) -> None:
    ran = run_cli(app, old)  # type: ignore[arg-type]
    assert ran.status == Exit.USAGE
    assert f"{new}`?" in ran.err


def test_a_command_that_resembles_none_is_answered_with_all() -> None:
    assert "Commands: init" in run_cli(coordinator, "xyzzy").err
