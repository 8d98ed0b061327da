"""Where each target's mask of a scan comes from: labels of a model, or a supplied mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from client.imaging.slices import Grid, nearest_planes
from client.imaging.volume import Volume
from client.intake.masks.read_mask import read_any_mask
from client.segmentation.cleaning import Mask, clean, without_strays
from client.segmentation.mask_cache import LabelCache
from site_config.problems import scans as problems
from site_config.site_yaml import Segmentation, Target
from site_config.study.plan_and_lock import Organ, Study
from site_config.tables.cohort_csv import Scan

LabelMap = NDArray[np.uint8]


class Model(Protocol):
    """A loaded segmentation model: label numbers on the study's grid."""

    def label_map(self, volume: Volume, grid: Grid) -> LabelMap:
        """Labels (k, y, x) uint8 on the grid."""
        ...


class Models(Protocol):
    """Models by name, each loaded once a process."""

    def get(self, name: str) -> Model:
        """The loaded model."""
        ...

    def digest(self, name: str) -> str:
        """What the model is, verified but not loaded."""
        ...


@dataclass(frozen=True)
class Segmented:
    """Organ (tumours included) and tumour masks on the grid, (k, y, x), with what has to be flagged.

    `removed_ml` is what cleaning took from a model's tumour; what a person drew is never cleaned.
    """

    organ: Mask
    tumour: Mask
    flags: frozenset[str]
    removed_ml: float = 0.0


@dataclass(frozen=True)
class Segmenter:
    """Masks for the organs of one study at one site; a model is run once a scan, whatever it feeds."""

    sources: Segmentation
    study: Study
    models: Models
    cache: LabelCache | None = None

    def source(self, target: str) -> Target:
        """Where a target comes from; supplied masks unless `site.yaml` says otherwise."""
        return self.sources.targets.get(target, Target(masks=True))

    def organs(self, scan: Scan, volume: Volume, grid: Grid, wanted: tuple[Organ, ...], role: str) -> dict[str, Segmented]:
        """Masks of each wanted organ this scan can supply; a whole-body scan without an organ's mask supplies the others."""
        maps: dict[str, LabelMap] = {}
        found: dict[str, Segmented] = {}
        for organ in wanted:
            body = self._mask(organ.targets[0], scan, volume, grid, maps, role)
            if body is None:
                if scan.region == "whole":
                    continue
                raise problems.NO_MASK_SOURCE.problem(f"{role}: no mask of the target {organ.targets[0]}", where=role)
            tumour = self._mask(organ.targets[1], scan, volume, grid, maps, role)
            flags = frozenset() if tumour is not None else frozenset({f"{organ.targets[1]}_mask_blank"})
            tumour = np.zeros_like(body) if tumour is None else tumour
            careful = self.study.imaging.rule == "careful"
            if careful and self.modelled(organ.targets[0], scan):
                body = body & without_strays(body | tumour)
            spacing = (self.study.imaging.spacing_mm, *volume.spacing_mm)
            if careful and self.modelled(organ.targets[1], scan):
                organ_mask, tumour_mask = clean(body, tumour, spacing, self._one_model(organ, scan))
            else:
                if careful:
                    body |= tumour  # both were made for this scan alone
                organ_mask, tumour_mask = body, tumour
            voxel_ml = float(np.prod(spacing)) / 1000
            removed = 0.0 if tumour_mask is tumour else (np.count_nonzero(tumour) - np.count_nonzero(tumour_mask)) * voxel_ml
            found[organ.name] = Segmented(organ_mask, tumour_mask, flags, float(removed))
        return found

    def modelled(self, target: str, scan: Scan) -> bool:
        """Whether a target's mask of a scan is a model's."""
        return self.source(target).model is not None and not self._supplied(target, scan)

    def _supplied(self, target: str, scan: Scan) -> bool:
        source = self.source(target)
        return target in scan.masks and (source.masks or source.model is None)

    def _one_model(self, organ: Organ, scan: Scan) -> bool:
        """Whether organ and tumour are labels of one model, which exclude each other."""
        first, second = (self.source(target) for target in organ.targets)
        supplied = any(self._supplied(target, scan) for target in organ.targets)
        return first.model is not None and first.model == second.model and not supplied

    def _mask(
        self,
        target: str,
        scan: Scan,
        volume: Volume,
        grid: Grid,
        maps: dict[str, LabelMap],
        role: str,
    ) -> Mask | None:
        source = self.source(target)
        if self._supplied(target, scan):
            labels = source.labels if source.model is None else ()
            called = f"{role}'s mask of {target}"
            return read_any_mask(scan.masks[target], volume, target, labels, source.structures, called, nearest_planes(grid))
        if source.model is None:
            return None
        if source.model not in maps:
            maps[source.model] = self._label_map(source.model, scan, volume, grid)
        wanted = np.zeros(256, dtype=bool)
        wanted[list(source.labels)] = True
        return wanted[maps[source.model]]

    def _label_map(self, model: str, scan: Scan, volume: Volume, grid: Grid) -> LabelMap:
        """The model's labels of a scan, made once for as long as neither scan, model nor grid changes."""
        spacing = self.study.imaging.spacing_mm
        if self.cache is None:
            return self.models.get(model).label_map(volume, grid)
        digest = self.models.digest(model)
        kept = self.cache.read(scan, digest, spacing)
        if kept is not None and kept.shape == (len(grid), *volume.shape[1:]):
            return kept
        made = self.models.get(model).label_map(volume, grid)
        self.cache.write(scan, digest, spacing, made)
        return made
