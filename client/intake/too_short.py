"""Is a scan long and wide enough for the organ of its region? Said of a scan that is suggested, listed or prepared, in the same words."""

from __future__ import annotations

from client.imaging.volume import Volume
from site_config.problems import which_scan
from site_config.problems.base import Problem

LEAST_MM = {"abdomen": 90.0, "chest": 120.0, "whole": 120.0}
"""Shorter than any grown-up's liver or lungs."""
LEAST_WIDTH_MM = 120.0
"""Pixel sizes in centimetres, or a picture cut out for another purpose."""


def too_short(region: str, length_mm: float, width_mm: float | None, role: str) -> list[Problem]:
    """FH-377 for a length (outermost slices' centres) or a width that holds no organ of the region; a width may be unknown.

    >>> [one.what for one in too_short("abdomen", 75.0, 400.0, "a scan")]
    ['a scan covers 75 mm of the body']
    """
    found = []
    if length_mm < LEAST_MM[region]:
        found.append(which_scan.TOO_SHORT.problem(f"{role} covers {round(length_mm, 1):g} mm of the body", where=role))
    if width_mm is not None and width_mm < LEAST_WIDTH_MM:
        text = f"{role} shows {width_mm:.0f} mm of the body from side to side, less than any grown-up's"
        found.append(which_scan.TOO_SHORT.problem(text, where=role))
    return found


def too_short_volume(region: str, volume: Volume, role: str) -> list[Problem]:
    """As `too_short`, of a volume."""
    _, high, wide = volume.shape
    width = min(high * volume.spacing_mm[0], wide * volume.spacing_mm[1])
    return too_short(region, float(volume.z_mm[-1] - volume.z_mm[0]), width, role)
