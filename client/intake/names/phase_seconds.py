"""Seconds in the name of a series (`70s`, `delay 3 min`, `80 秒`), clock times in its headers, and the phase so many seconds stand for."""

from __future__ import annotations

import re

from client.intake.names.phase_words import ARTERIAL, DELAYED, PORTAL

WINDOWS = ((ARTERIAL, 15.0, 49.0), (PORTAL, 55.0, 119.0), (DELAYED, 150.0, 1800.0))
LEAST_SECONDS = 8.0  # below: the rotation time, not a delay
SECONDS = re.compile(
    r"(?<![a-z0-9.,])(\d{1,4})\s*(s|sec|secs|seconds?|sek\w*|seg\w*|secondi|secondes?|秒|초|''|\")(?![a-z0-9])"
    r"|(?<![a-z0-9.,])(\d{1,2}(?:[.,]5)?)\s*(min|mins|mn|minutes?|minuten?|minuti|minutos?|minut\w*|分钟?|分|분|')(?![a-z0-9'])"
    r"|\bdelays?\s*[=:]?\s*(\d{2,3})(?![\d.,]|\s*mm)|(?<![a-z0-9.,])(\d{2,3})\s*delays?\b"
)


def seconds_in(folded: str) -> list[float]:
    """Delays after injection that a name states, in seconds."""
    found = []
    for match in SECONDS.finditer(folded):
        seconds, _, minutes, _, after, before = match.groups()
        value = float(minutes.replace(",", ".")) * 60 if minutes else float(seconds or after or before)
        if value >= LEAST_SECONDS:
            found.append(value)
    return found


def by_seconds(seconds: float) -> str | None:
    """The phase so many seconds after the injection began; None between the windows."""
    return next((phase for phase, low, high in WINDOWS if low <= seconds <= high), None)


def clock(text: str) -> float | None:
    """Seconds of a DICOM time, HHMMSS.F; None where it is none."""
    if not re.fullmatch(r"\d{6}(\.\d{1,6})?", text.strip()):
        return None
    text = text.strip()
    return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:])
