"""From stored values to Hounsfield units, as every slice's own header states it; what is padding is told apart from air."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from client.imaging.volume import HU_HIGHEST, HU_LOWEST
from client.intake.dicom.dicom_header import Units
from site_config.problems import which_scan

HOUNSFIELD = ("", "HU", "HOUNSFIELD", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS")
UNSPECIFIED = {"US", "UNSPECIFIED"}
BELOW_TISSUE = -900.0
ABOVE_TISSUE = 3000.0


def check_rescale(units: Sequence[Units], role: str) -> None:
    """Refuse a volume whose headers do not all say how values become Hounsfield units. Raises FH-366.

    All of them silent is let through: the pixels have to prove the unit then.
    """
    foreign = {one.kind for one in units} - set(HOUNSFIELD)
    if foreign - UNSPECIFIED or (foreign and any(one.intercept is None for one in units)):
        raise which_scan.UNITS.problem(f"{role} holds another quantity than Hounsfield units", where=role)
    silent = sum(one.slope is None or one.intercept is None for one in units)
    if 0 < silent < len(units):
        raise which_scan.UNITS.problem(
            f"{silent} of {len(units)} slices of {role} do not say how values become Hounsfield units", where=role
        )
    if any(one.slope is not None and not 1e-3 <= abs(one.slope) <= 1e3 for one in units):
        raise which_scan.UNITS.problem(f"{role} states a rescale slope no scanner uses", where=role)


def within(stored: NDArray[np.int16] | NDArray[np.uint16], bits: int, signed: bool) -> bool:
    """Whether values use the stored bits only; higher ones may hold overlays."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return int(stored.min()) >= low and int(stored.max()) <= high


def rescaled(stored: NDArray[np.int16] | NDArray[np.uint16], units: Units, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
    """Stored values (y, x) as clamped Hounsfield units, into `out` where given; stated padding becomes air."""
    hu = np.empty(stored.shape, dtype=np.int16) if out is None else out
    slope, intercept = slope_of(units)
    low, high = int(stored.min()), int(stored.max())
    if slope == 1.0 and intercept == round(intercept) and high <= 32767 and low + intercept >= -32768 and high + intercept <= 32767:
        np.add(stored.view(np.int16), np.int16(intercept), out=hu)
        if low + intercept < HU_LOWEST or high + intercept > HU_HIGHEST:
            np.clip(hu, HU_LOWEST, HU_HIGHEST, out=hu)
    else:
        hu[:] = np.rint(np.clip(stored.astype(np.float64) * slope + intercept, HU_LOWEST, HU_HIGHEST)).astype(np.int16)
    if units.padding is not None:
        clear_padding(hu, (stored >= units.padding[0]) & (stored <= units.padding[1]), units)
    return hu


def slope_of(units: Units) -> tuple[float, float]:
    """Slope and intercept; a silent header means the values as they are, as every reader takes it."""
    return (1.0 if units.slope is None else units.slope), (0.0 if units.intercept is None else units.intercept)


def padding_hu(units: Units) -> tuple[float, float] | None:
    """The stated padding range after rescaling."""
    if units.padding is None:
        return None
    slope, intercept = slope_of(units)
    low, high = sorted(value * slope + intercept for value in units.padding)
    return low, high


def clear_padding(hu: NDArray[np.int16], padded: NDArray[np.bool_], units: Units) -> None:
    """Make padding air, in place. A padding value that is a tissue's value counts only where all four corners hold it."""
    span = padding_hu(units)
    corners = padded[0, 0] and padded[0, -1] and padded[-1, 0] and padded[-1, -1]
    if span is not None and (span[1] <= BELOW_TISSUE or span[0] >= ABOVE_TISSUE or corners):
        hu[padded] = HU_LOWEST
