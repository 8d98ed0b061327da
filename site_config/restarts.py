"""A fault that ends a program which an engine starts again: told at once, ended after a pause.

Docker waits longer and longer between starts, Podman does not wait at all; a wrong mount would be retried many times a
second. The compose files therefore declare a pause, and the program keeps it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

import typer

from site_config.console import report_problem
from site_config.problems.base import Problem

RESTART_PAUSE: Final = "FEDHCC_RESTART_PAUSE"
"""Seconds between the problem's lines and the end of the program, in the environment; left out, there is no pause."""


def end_with(problem: Problem, environment: Mapping[str, str], over: threading.Event) -> typer.Exit:
    """Print the problem as the last lines, wait as declared or until `over`, and give the exit with its status."""
    status = report_problem(problem)
    declared = environment.get(RESTART_PAUSE, "")
    if declared.isdigit():
        over.wait(float(declared))
    return typer.Exit(status)
