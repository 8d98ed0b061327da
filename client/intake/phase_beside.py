"""A stated contrast phase beside what the values show: a native series that is called venous is named, never chosen in silence."""

from __future__ import annotations

import re

from client.imaging.contrast_seen import Seen
from client.intake.names.fold_text import fold
from client.intake.names.phase_seconds import by_seconds, clock
from client.intake.names.phase_words import ARTERIAL, DELAYED, NATIVE, PORTAL
from site_config.problems import which_scan
from site_config.problems.base import Problem

ENHANCED = (PORTAL, ARTERIAL, DELAYED)
NO_AGENT = re.compile(
    r"(?:no|none|nil|non|without|ohne|sans|senza|sin|bez)(?: ?(?:iv|i\.v\.))?(?: ?(?:contrast\w*|kontrast\w*|km|kein))?|unenhanced"
)
BEFORE_SECONDS, LONGEST_SECONDS = -5.0, 3600.0


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


def header_beside(phase: str | None, agent: str, started: str, taken: str, role: str) -> list[Problem]:
    """FH-374 where a series' own header contradicts its phase: no agent was given, or the images came before its effect.

    `started` and `taken` are DICOM times. Late images of an early phase say nothing: the time may be that of a test bolus.

    >>> [len(header_beside("portal", *one, "x")) for one in (("NONE", "", ""), ("", "101500", "101525"), ("", "101500", "101610"))]
    [1, 1, 0]
    """
    if phase not in ENHANCED:
        return []
    found = []
    if NO_AGENT.fullmatch(fold(agent)):
        found.append("its header says that no contrast agent was given")
    begin, end = clock(started), clock(taken.split("+")[0])
    after = None if begin is None or end is None else end - begin
    if after is not None and -LONGEST_SECONDS < after < BEFORE_SECONDS:
        found.append(f"it was taken {-after:.0f} s before the injection, by its own header")
    elif after is not None and phase != ARTERIAL and by_seconds(after) == ARTERIAL:
        found.append(f"it was taken {after:.0f} s after the injection began, by its own header")
    return [which_scan.PHASE_DOUBTED.problem(f"{role}: called {phase}, but {text}", where=role) for text in found]
