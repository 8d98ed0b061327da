"""What the middle slices of a candidate show, before anybody reads all of them: for `data scan` and `check`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from client.imaging.contrast_seen import Seen, evenly, without_mask
from client.imaging.hounsfield import check_hounsfield
from client.imaging.planes import THIN
from client.intake.dicom.read_dicom import Candidate, compare_copies, pixels
from client.intake.dicom.series_volumes import interleaved
from client.intake.slice_fingerprints import slice_prints
from site_config.problems.base import Exit, Problem

LOOKED_AT = 32
COPIES_COMPARED = 8


@dataclass(frozen=True)
class LookInside:
    """What the middle slices of a candidate show: two volumes that alternate, values that are no Hounsfield units; prints, contrast."""

    mixed: bool = False
    fault: Problem | None = None
    prints: tuple[str, ...] = ()
    contrast: Seen = None
    copies: tuple[Problem, ...] = ()


def look_inside(candidate: Candidate, role: str = "a scan") -> LookInside:
    """Read the middle slices, as `data prepare` will read all; nothing is said where they cannot be read."""
    slices = candidate.stacking.slices
    first = max(0, len(slices) // 2 - LOOKED_AT // 2)
    try:
        hu = np.stack([pixels(header, role) for header in slices[first : first + LOOKED_AT]])
        if interleaved(hu):
            return LookInside(mixed=True)
        check_hounsfield(hu, role)
        copies = tuple(compare_copies(candidate.stacking, role, COPIES_COMPARED))
    except Problem as problem:
        return LookInside(fault=None if problem.kind.exit == Exit.ACCESS else problem)
    contrast = without_mask(hu, evenly(0, len(hu) - 1), slices[0].spacing)
    return LookInside(prints=slice_prints(np.ascontiguousarray(hu[:, ::THIN, ::THIN])), contrast=contrast, copies=copies)
