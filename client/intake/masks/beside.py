"""Masks beside a scan: TotalSegmentator's output folders, single files called like a target, structure sets of the archive."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from client.intake.dicom_read import Candidate
from client.intake.masks.dicom_masks import described
from client.intake.masks.names import FILES, target_of
from client.intake.nifti import size_of
from site_config.files import readable_path
from site_config.problems.base import Problem

if TYPE_CHECKING:
    from client.intake.survey.found import SeenVolume

MASK_NAME = re.compile(r"mask|seg|label|_roi", re.IGNORECASE)
STEMS = frozenset(stem for stems in FILES.values() for stem in stems)
ANY_STRUCTURE = re.compile(r"(spleen|kidney|pancreas|stomach|gallbladder|aorta|vertebrae|rib|heart|colon|esophagus|adrenal|duodenum)")


@dataclass(frozen=True)
class MaskFolder:
    """Mask files of one scan: which path supplies which target, and their common size in voxels (z, y, x)."""

    files: frozenset[Path]
    targets: dict[str, Path]
    size: tuple[int, int, int] | None

    def fits(self, path: Path, candidate: Candidate | None) -> bool:
        """Whether a volume has the masks' size."""
        if self.size is None:
            return False
        if candidate is not None:
            rows, columns = candidate.stacking.slices[0].shape
            return sorted((len(candidate.stacking.slices), rows, columns)) == sorted(self.size)
        return path.is_file() and sorted(_size(path) or ()) == sorted(self.size)


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
        found.append(MaskFolder(frozenset(structures), targets, _size(next(iter(named.values())))))
    return found


def _size(path: Path) -> tuple[int, int, int] | None:
    try:
        return size_of(path)
    except Problem:
        return None


def structure_masks(files: Sequence[Path], seen: list[SeenVolume], root: Path) -> None:
    """Give structure sets and segmentations to the volume they were drawn on, where their names say which target is meant."""
    for path in files:
        content = described(path)
        if content is None:
            continue
        named: dict[str, list[str]] = {}
        for name in content.names:
            target = target_of(name)
            if target is not None:
                named.setdefault(target, []).append(name)
        for k, one in enumerate(seen):
            if one.found.series_uid and one.found.series_uid in content.series:
                place = readable_path(path, root)
                masks = {**one.found.masks, **{target: place for target, names in named.items() if len(names) == 1 or "tumour" in target}}
                seen[k] = replace(one, found=replace(one.found, masks=masks))
