"""A target's mask on the grid of its scan, whatever made it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.imaging.volume import Volume
from client.intake.masks.dicom_masks import is_dicom_mask, read_dicom_mask
from client.intake.masks.masks_beside_scan import stem_of
from client.intake.masks.target_from_name import FILES
from client.intake.read_nifti import is_nifti, read_mask
from site_config.atomic_files import access_problem
from site_config.problems import scans as problems


def read_any_mask(
    path: Path,
    volume: Volume,
    target: str,
    labels: tuple[int, ...],
    structures: Sequence[str],
    role: str,
    planes: NDArray[np.intp] | None = None,
) -> NDArray[np.bool_]:
    """A supplied mask (z, y, x): NIfTI, a folder of TotalSegmentator, RTSTRUCT or DICOM SEG; of all slices, or of `planes`.

    Raises FH-320 … FH-322, FH-365.
    """
    if path.is_dir():
        return _folder(path, volume, target, role, planes)
    if not is_nifti(path) and is_dicom_mask(path):
        mask = read_dicom_mask(path, volume, target, structures, role)
        return mask if planes is None else mask[planes]
    return read_mask(path, volume, labels, role, planes)


def _files_of(path: Path, target: str, role: str) -> list[Path]:
    """NIfTI files of a target in a folder of structures. Raises an access problem."""
    try:
        files = sorted(one for one in path.iterdir() if is_nifti(one) and not one.name.startswith("."))
    except OSError as error:
        raise access_problem(error, role) from None
    return [file for file in files if stem_of(file) in FILES.get(target, (target,))]


def _folder(path: Path, volume: Volume, target: str, role: str, planes: NDArray[np.intp] | None) -> NDArray[np.bool_]:
    """The union of a target's files in a folder of structures."""
    mine = _files_of(path, target, role)
    dicom = [one for one in sorted(path.iterdir()) if not mine and one.is_file() and is_dicom_mask(one)]
    if len(dicom) == 1:
        found = read_dicom_mask(dicom[0], volume, target, (), role)
        return found if planes is None else found[planes]
    if not mine:
        raise problems.NO_MASK_SOURCE.problem(f"{role}: the folder holds no file of the target {target}", where=role)
    mask = read_mask(mine[0], volume, (), role, planes)
    for file in mine[1:]:
        mask |= read_mask(file, volume, (), role, planes)
    return mask
