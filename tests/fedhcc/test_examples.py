"""The examples in docstrings give what they say, those that a user reads and those of every other module."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

from tests.import_graph import modules

EXAMPLES = sorted(name for name, module in modules().items() if ">>> " in module.path.read_text("utf-8"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_give_what_they_say(name: str) -> None:
    ran = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert ran.attempted and not ran.failed


def test_what_a_user_calls_has_an_example() -> None:
    assert {"fedhcc", "fedhcc.example_data", "fedhcc.compare_methods", "fedhcc.study_and_simulate", "fedhcc.cox_and_metrics"} <= set(
        EXAMPLES
    )
