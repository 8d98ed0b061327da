"""Are these Hounsfield units? Proved by what every CT of a body shows, slice by slice, and never by padding alone.

Voxels at the lowest value are left out of every proof: they may be padding, which scanners fill with anything and which
clamping turns into air. What must hold of the rest: something like air or fat below −100, little above 700, no plateau
where a window cut the values off, a rim that is air where it is even, no slice that stands apart from its neighbours, and
air around the patient, or fat, at its value (`client.imaging.air_and_fat`): an even shift of all passes everything before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.imaging.air_and_fat import shifted
from client.imaging.volume import HU_HIGHEST, HU_LOWEST
from site_config.problems import scans

TISSUE = (-200, 300)
LEAST_TISSUE = 0.005
LEAST_SPREAD = 20.0
FAT = -100
WAY_TO_AIR = -30
LEAST_DARK_SLICES = 0.25
BRIGHT = 700
MOST_BRIGHT = 0.25
CUT_OFF = 0.02
LEAST_PILED = 8
APART_HU = 250.0
FLAT_HU = 1.0
COARSE_HU = 4
LEAST_LEVELS = 8
LEVELS_LOOKED_AT = 16  # slices
SAMPLES = 64  # along each side of a slice
ORGAN_HU = {"liver": (-50.0, 300.0), "lung": (-1000.0, -200.0), "spleen": (-20.0, 300.0)}


def hounsfield(values: NDArray[Any], role: str) -> NDArray[np.int16]:
    """Values as int16 Hounsfield units, rounded and clamped to [−1024, 3071]; padding below −1024 is air.

    The result is a new array in the order (z, y, x), whatever order `values` has in memory; nothing else of its size is made.
    Raises FH-306 for values that are no numbers and FH-327 where the values are proved to be something else.
    """
    hu = np.empty(values.shape, dtype=np.int16)
    for plane, out in zip(values, hu, strict=True):
        in_units(plane, role, out)
    check_hounsfield(hu, role)
    return hu


def in_units(plane: NDArray[Any], role: str, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
    """One slice rounded and clamped, into `out` where given. Raises FH-306 for values that are no numbers."""
    out = np.empty(plane.shape, dtype=np.int16) if out is None else out
    if plane.dtype == np.int16:
        np.clip(plane, HU_LOWEST, HU_HIGHEST, out=out)
    elif plane.dtype.kind == "f":
        if not np.isfinite(plane).all():
            raise scans.NOT_FINITE.problem(f"{role} holds values that are no numbers", where=role)
        out[:] = np.rint(np.clip(plane, HU_LOWEST, HU_HIGHEST))
    else:
        out[:] = np.clip(plane.astype(np.int64), HU_LOWEST, HU_HIGHEST)
    return out


def check_hounsfield(hu: NDArray[np.int16], role: str) -> None:
    """Refuse a volume (z, y, x) whose values are windowed, normalised, shifted or another quantity. Raises FH-327."""
    step = sample_step(hu.shape[1:])
    check_samples(np.ascontiguousarray(hu[:, ::step, ::step]), role)


def sample_step(shape: tuple[int, ...]) -> int:
    """Every how manieth pixel of a slice (y, x) is looked at."""
    return max(1, min(shape) // SAMPLES)


def check_samples(thin: NDArray[np.int16], role: str) -> None:
    """The same, of the pixels that are looked at."""
    real = thin > HU_LOWEST
    values = thin[real]
    spread = float(thin.std())
    tissue = float(np.mean((thin > TISSUE[0]) & (thin < TISSUE[1])))
    if spread < LEAST_SPREAD or tissue < LEAST_TISSUE or not values.size:
        low, high = (int(values.min()), int(values.max())) if values.size else (HU_LOWEST, HU_LOWEST)
        raise scans.NOT_HOUNSFIELD.problem(f"{role} ranges from {low} to {high} with {tissue:.0%} soft tissue", where=role)
    _none_empty(thin, role)
    wrong = (
        _far_off(thin, real, values) or _cut_off(thin, real) or _rim(thin, real) or _one_apart(thin, real) or coarse(thin) or shifted(thin)
    )
    if wrong:
        raise scans.NOT_HOUNSFIELD.problem(f"{role} {wrong}", where=role)


def _none_empty(thin: NDArray[np.int16], role: str) -> None:
    """Slices between others show something; a place holder of an archive does not. Raises FH-309."""
    shows = np.flatnonzero(thin.reshape(len(thin), -1).std(axis=1) >= FLAT_HU)
    empty = int(shows[-1] - shows[0] + 1 - len(shows)) if len(shows) else 0
    if empty:
        text = f"{role}: {empty} slice{'s' if empty > 1 else ''} between others show{'' if empty > 1 else 's'} nothing at all"
        raise scans.SLICES_MISSING.problem(text, where=role)


def _far_off(thin: NDArray[np.int16], real: NDArray[np.bool_], values: NDArray[np.int16]) -> str | None:
    bright = float(np.mean(values > BRIGHT))
    if bright > MOST_BRIGHT:
        return f"shows {bright:.0%} of its voxels above {BRIGHT}, as values without their rescale intercept do"
    dark = np.array([_is_dark(plane, inside) for plane, inside in zip(thin, real, strict=True)])
    if float(dark.mean()) < LEAST_DARK_SLICES:
        return f"shows neither air nor fat in {1 - float(dark.mean()):.0%} of its slices"
    return None


def _is_dark(plane: NDArray[np.int16], real: NDArray[np.bool_]) -> bool:
    """Whether a slice shows air or fat; where air lies at the lowest value, like padding, something on the way to it will do."""
    limit = FAT if real.all() else WAY_TO_AIR
    return int(np.count_nonzero(real & (plane <= limit))) >= 3


def _cut_off(thin: NDArray[np.int16], real: NDArray[np.bool_]) -> str | None:
    """Slices whose values pile up at the lowest or highest one of an ordinary window; most of them, so that one cannot hide it."""
    for side, limit in (("lowest", -500), ("highest", 400)):
        ends = []
        for plane, inside in zip(thin, real, strict=True):
            values = plane[inside]
            if values.size:
                end = int(values.min() if side == "lowest" else values.max())
                beyond = end > limit if side == "lowest" else end < limit
                piled = int(np.count_nonzero(values == end))
                ends.append(end if beyond and piled >= LEAST_PILED and piled > CUT_OFF * values.size else None)
        cut = [end for end in ends if end is not None]
        if len(cut) > len(ends) / 2:
            return f"is cut off at {int(np.median(cut))}: it was windowed for viewing"
    return None


def _rim(thin: NDArray[np.int16], real: NDArray[np.bool_]) -> str | None:
    """The outermost columns, where they are even, are air around the patient."""
    edge = np.concatenate([thin[:, :, 0], thin[:, :, -1]], axis=1)
    known = np.concatenate([real[:, :, 0], real[:, :, -1]], axis=1)
    values = edge[known]
    if values.size < 0.5 * edge.size:
        return None
    middle, even = float(np.median(values)), float(np.percentile(values, 75) - np.percentile(values, 25)) < 30
    if even and -850 < middle < -250:
        return f"shows {middle:.0f} around the patient, where air is −1000"
    return None


def _one_apart(thin: NDArray[np.int16], real: NDArray[np.bool_]) -> str | None:
    """Slices whose tissue stands far from their neighbours' tissue: a rescale that one file lacks."""
    middles = np.full(len(thin), np.nan)
    for k, (plane, inside) in enumerate(zip(thin, real, strict=True)):
        body = plane[inside & (plane > -500)]
        if body.size > 0.02 * plane.size:
            middles[k] = np.median(body)
    known = np.flatnonzero(np.isfinite(middles))
    if len(known) < 5:
        return None
    along = middles[known]
    padded = np.pad(along, 2, mode="edge")
    usual = np.median(np.stack([padded[k : k + len(along)] for k in range(5)]), axis=0)
    apart = np.flatnonzero(np.abs(along - usual) > APART_HU)
    if len(apart):
        distance = abs(along[apart[0]] - usual[apart[0]])
        return f"has {len(apart)} of {len(thin)} slices whose tissue stands {distance:.0f} apart from their neighbours'"
    return None


def coarse(thin: NDArray[np.int16]) -> str | None:
    """Whether soft tissue knows only every fourth value or fewer, as after an export with eight bits; few values at all say nothing."""
    some = thin[:: max(1, len(thin) // LEVELS_LOOKED_AT)]
    inside = some[(some > TISSUE[0]) & (some < TISSUE[1])].astype(np.intp) - TISSUE[0]
    levels = np.flatnonzero(np.bincount(inside))
    step = int(np.diff(levels).min()) if len(levels) >= LEAST_LEVELS else 0
    return (
        f"knows only every {step}th value between {TISSUE[0]} and {TISSUE[1]}: it was exported with eight bits"
        if step >= COARSE_HU
        else None
    )


def is_flat(plane: NDArray[np.int16]) -> bool:
    """Whether a slice shows nothing at all."""
    return float(plane.std()) < FLAT_HU


def organ_value(hu: NDArray[np.int16], mask: NDArray[np.bool_], organ: str) -> float | None:
    """The organ's median where it is not what the organ can have; None where it is fine or nothing is known of the organ."""
    if organ not in ORGAN_HU or not mask.any():
        return None
    middle = float(np.median(hu[mask]))
    low, high = ORGAN_HU[organ]
    return None if low <= middle <= high else middle
