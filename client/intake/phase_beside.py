"""A stated contrast phase beside what the values show: a native series that is called venous is named, never chosen in silence."""

from __future__ import annotations

from client.imaging.contrast_seen import Seen
from client.intake.names.phase_words import ARTERIAL, DELAYED, NATIVE, PORTAL
from site_config.problems import which_scan
from site_config.problems.base import Problem

ENHANCED = (PORTAL, ARTERIAL, DELAYED)


def doubted(phase: str | None, contrast: Seen) -> bool:
    """Whether the values contradict a phase.

    >>> doubted("portal", False), doubted("native", True), doubted("portal", None), doubted(None, False)
    (True, True, False, False)
    """
    return (phase in ENHANCED and contrast is False) or (phase == NATIVE and contrast is True)


def phase_beside(phase: str | None, contrast: Seen, role: str) -> list[Problem]:
    """FH-374 where the values contradict the phase of a row or a header."""
    if not doubted(phase, contrast):
        return []
    seen = "no contrast is seen in the vessels" if contrast is False else "contrast is seen in the vessels"
    return [which_scan.PHASE_DOUBTED.problem(f"{role}: called {phase}, but {seen}", where=role)]
