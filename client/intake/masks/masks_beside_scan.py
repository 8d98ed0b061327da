"""Masks beside a scan: TotalSegmentator's output folders, single files called like a target, structure sets of the archive."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from client.intake.dicom.read_dicom import Candidate, place_of
from client.intake.masks.dicom_masks import Described, described, one_structure
from client.intake.masks.target_from_name import FILES, target_of
from client.intake.read_nifti import check_place, placed, size_of, voxel_of
from site_config.atomic_files import readable_path
from site_config.problems import which_scan
from site_config.problems.base import Problem

if TYPE_CHECKING:
    from client.intake.survey.survey_values import SeenVolume

MASK_FIX = "Write the masks into the columns `mask_…` of the right row of scans.csv."
MASK_NAME = re.compile(r"mask|seg|label|_roi", re.IGNORECASE)
STEMS = frozenset(stem for stems in FILES.values() for stem in stems)
SAME_VOXEL = 0.05
"""How far, as a fraction, a mask's voxel may be from its scan's: headers round; another grid is farther off."""
ANY_STRUCTURE = re.compile(r"(spleen|kidney|pancreas|stomach|gallbladder|aorta|vertebrae|rib|heart|colon|esophagus|adrenal|duodenum)")


@dataclass(frozen=True)
class MaskFolder:
    """Mask files of one scan: which path supplies which target, their common size in voxels and a voxel's in mm (z, y, x)."""

    files: frozenset[Path]
    targets: dict[str, Path]
    size: tuple[int, int, int] | None
    voxel: tuple[float, float, float] | None = None
    sample: Path | None = None

    def fits(self, path: Path, candidate: Candidate | None) -> bool:
        """Whether a volume has the masks' size and lies where they do, with voxels of theirs where both state them."""
        return self._of_size(path, candidate) and self._in_place(path, candidate)

    def _in_place(self, path: Path, candidate: Candidate | None) -> bool:
        if self.sample is None or self.voxel is None:
            return True
        try:
            check_place(self.sample, placed(path) if candidate is None else place_of(candidate))
        except Problem:
            return False
        return True

    def _of_size(self, path: Path, candidate: Candidate | None) -> bool:
        if self.size is None:
            return False
        if candidate is not None:
            rows, columns = candidate.stacking.slices[0].shape
            voxel = (float(np.median(np.diff(candidate.stacking.z_mm))), *candidate.stacking.slices[0].spacing)
            return sorted((len(candidate.stacking.slices), rows, columns)) == sorted(self.size) and self._as_fine(voxel)
        return path.is_file() and sorted(_size(path) or ()) == sorted(self.size) and self._as_fine(_voxel(path))

    def _as_fine(self, voxel: tuple[float, ...] | None) -> bool:
        return self.voxel is None or voxel is None or np.allclose(sorted(self.voxel), sorted(voxel), rtol=SAME_VOXEL, atol=0.0)

    def nearest(self, seen: Sequence[SeenVolume]) -> list[int]:
        """Numbers of the volumes the masks fit; of several, the one that lies in the nearest folder, where that is one."""
        fitting = [k for k, one in enumerate(seen) if self.fits(one.path, one.candidate)]
        mine = next(iter(self.files)).parent.parts
        pairs = {k: zip(mine, seen[k].path.parts, strict=False) for k in fitting}
        shared = {k: len(list(takewhile(lambda pair: pair[0] == pair[1], pairs[k]))) for k in fitting}
        closest = [k for k in fitting if shared[k] == max(shared.values())]
        return closest if len(closest) == 1 else fitting


def stem_of(path: Path) -> str:
    """A NIfTI file's name without its suffixes."""
    return path.name.lower().removesuffix(".gz").removesuffix(".nii")


def mask_name(path: Path) -> bool:
    """Whether a file's own name says that it is a mask."""
    return MASK_NAME.search(path.name) is not None or stem_of(path) in STEMS


def masks_beside(niftis: Sequence[Path], root: Path) -> list[MaskFolder]:
    """Folders of structures as TotalSegmentator writes them: files called like organs, together."""
    found = []
    for parent in sorted({path.parent for path in niftis}):
        here = [path for path in niftis if path.parent == parent]
        named = {stem_of(path): path for path in here if stem_of(path) in STEMS}
        structures = {path for path in here if stem_of(path) in STEMS or ANY_STRUCTURE.match(stem_of(path))}
        if not named:
            continue
        targets: dict[str, Path] = {}
        for target, stems in FILES.items():
            mine = [named[stem] for stem in stems if stem in named]
            if mine:
                targets[target] = mine[0] if len(mine) == 1 else parent
        first = next(iter(named.values()))
        found.append(MaskFolder(frozenset(structures), targets, _size(first), _voxel(first), first))
    return found


def _size(path: Path) -> tuple[int, int, int] | None:
    try:
        return size_of(path)
    except Problem:
        return None


def _voxel(path: Path) -> tuple[float, float, float] | None:
    try:
        return voxel_of(path)
    except Problem:
        return None


def _drawn_on(content: Described, seen: Sequence[SeenVolume]) -> list[int]:
    """Numbers of the volumes a structure set was drawn on: of its series, or of its frame of reference where it names no series."""
    if content.series:
        return [k for k, one in enumerate(seen) if one.found.series_uid and one.found.series_uid in content.series]
    return [k for k, one in enumerate(seen) if one.candidate is not None and one.candidate.series.about.frame in content.frames]


def structure_masks(files: Sequence[Path], seen: list[SeenVolume], root: Path) -> list[Problem]:
    """Give structure sets and segmentations to the volume they were drawn on, where their names say which target is meant.

    What is given to none is said: a damaged file, one drawn on another series, one whose names say nothing, two for one target.
    """
    given: dict[tuple[int, str], list[Path]] = {}
    said: Counter[str] = Counter()
    for path in files:
        content = described(path)
        if content is None:
            said["cannot be read"] += 1
            continue
        named: dict[str, list[str]] = {}
        for name in content.names:
            target = target_of(name)
            if target is not None:
                named.setdefault(target, []).append(name)
        clear = [target for target, names in named.items() if one_structure(names, target)]
        drawn_on = _drawn_on(content, seen)
        if any(target_of(name) for name in content.empty):
            said["holds no contour of a structure that is called like a target"] += 1
        elif not content.series and len(drawn_on) > 1:
            said[f"names no series, and {len(drawn_on)} scans lie in its frame of reference"] += 1
            drawn_on = []
        elif not drawn_on:
            said["was drawn on a series that is not here"] += 1
        elif len(clear) < max(len(named), 1):
            said["does not say by its names which structure is which target"] += 1
        for k in drawn_on:
            for target in clear:
                given.setdefault((k, target), []).append(path)
    twice = {key for key, paths in given.items() if len(paths) > 1}
    for key in given.keys() - twice:
        k, target = key
        masks = {**seen[k].found.masks, target: readable_path(given[key][0], root)}
        seen[k] = replace(seen[k], found=replace(seen[k].found, masks=masks))
    for k, target in sorted(twice):
        said[f"is one of {len(given[k, target])} that hold the {target.replace('_', ' ')} of one scan"] += 1
    return [
        which_scan.MASK_NAME_UNKNOWN.problem(f"a structure set or segmentation {what}; it is not suggested", fix=MASK_FIX)
        for what in sorted(said)
    ]
