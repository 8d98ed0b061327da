"""Scanner manufacturers as a closed set, so that a free text never becomes a category of a statistic."""

from __future__ import annotations

MAKERS = ("canon", "fujifilm", "ge", "neusoft", "philips", "siemens", "united imaging", "other", "unknown")
SPELLINGS = (
    ("siemens", "siemens"),
    ("ge medical", "ge"),
    ("ge healthcare", "ge"),
    ("general electric", "ge"),
    ("gems", "ge"),
    ("philips", "philips"),
    ("picker", "philips"),
    ("marconi", "philips"),
    ("elscint", "philips"),
    ("toshiba", "canon"),
    ("canon", "canon"),
    ("hitachi", "fujifilm"),
    ("fujifilm", "fujifilm"),
    ("united imaging", "united imaging"),
    ("uih", "united imaging"),
    ("neusoft", "neusoft"),
)


def closed_set(name: str | None) -> str:
    """The member of `MAKERS` a free text means; blank is `unknown`, anything else `other`."""
    text = " ".join((name or "").replace("_", " ").lower().split())
    if text in MAKERS:
        return text
    if text in ("", "unknown", "none", "anonymized", "anonymous", "na", "n/a"):
        return "unknown"
    return next((member for spelling, member in SPELLINGS if spelling in text), "other")
