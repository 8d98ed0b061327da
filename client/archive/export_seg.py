"""From a patient's scans to DICOM SEG files for the hospital's own archive, one a scan and organ.

The masks are those the slices were chosen by, cleaned as the study asks, brought from the study's grid to the slices of the
series: a slice takes the nearest plane of the grid. Label maps kept by `data prepare` are used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.archive.segment_codes import organ_meaning, tumour_meaning
from client.archive.write_dicom_seg import Maker, MarkedSegment, check_written, encoded, read_sources
from client.cohort.one_scan import role_of
from client.cohort.preparation_job import prepared_folder
from client.cohort.pseudonyms import site_secret
from client.imaging.slices import Grid, grid_of, nearest_planes
from client.imaging.volume import Volume
from client.intake.dicom.dicom_header import is_dicom
from client.intake.dicom.read_dicom import Candidate, as_stored, choose_volume, decode
from client.intake.unpack import is_zip, unpacked
from client.segmentation.declared_models import SiteModels
from client.segmentation.mask_cache import LabelCache
from client.segmentation.segmenter import Segmented, Segmenter
from site_config.atomic_files import make_folder, write_atomic
from site_config.problems import host
from site_config.problems import segmentation as problems
from site_config.problems.base import Problem
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Organ, Study
from site_config.tables.cohort_csv import Scan

Mask = NDArray[np.bool_]
SERIES_NUMBER = 9700
"""Of the first SEG of a patient; scanners number their own series from 1."""


@dataclass(frozen=True)
class WrittenSeg:
    """One file: the scan and the segments in it, with the volume (mL) of each and who made it ("drawn": a person)."""

    file: Path
    scan: str
    segments: dict[str, float]
    made_by: dict[str, str]


@dataclass(frozen=True)
class ExportedSegs:
    """What was written for one patient, and why other scans or organs were not."""

    key: str
    files: tuple[WrittenSeg, ...]
    findings: tuple[Problem, ...]


def export_patient(site: SiteConfig, study: Study, key: str, scans: tuple[Scan, ...], out: Path, drawn: bool) -> ExportedSegs:
    """Write a patient's segmentations below `out`; `drawn`: also masks that the hospital supplied.

    What is wrong with one scan is a finding and does not stop the others. Raises access problems of `out` (9xx).
    """
    kept = prepared_folder(site)
    cache = LabelCache(kept, key, site_secret(site.state), site.path(site.paths.images).resolve())
    segmenter = Segmenter(site.segmentation, study, SiteModels(site), cache if kept.is_dir() else None)
    files: list[WrittenSeg] = []
    findings: list[Problem] = []
    for place, scan in enumerate(scans):
        job = _Job(site, study, segmenter, scan, make_folder(out / key[:12]), place, drawn)
        try:
            files += job.write(findings.append)
        except Problem as problem:
            findings.append(problem)
    return ExportedSegs(key, tuple(files), tuple(findings))


@contextmanager
def _series(scan: Scan, role: str, root: Path) -> Iterator[Candidate]:
    """The series a row names, its files at hand while the block runs. Raises FH-349 for an image that is none."""
    within = root if root.is_dir() else None
    if scan.path.is_dir() or is_dicom(scan.path):
        yield choose_volume(scan, role, root=within)[0]
    elif scan.path.is_file() and is_zip(scan.path):
        with unpacked(scan.path, role) as folder:
            yield choose_volume(scan, role, folder)[0]
    else:
        raise problems.SEG_NOT_WRITTEN.problem(f"{role} is no DICOM series", where=role)


@dataclass(frozen=True)
class _Job:
    """One scan to export."""

    site: SiteConfig
    study: Study
    segmenter: Segmenter
    scan: Scan
    folder: Path
    place: int
    drawn: bool

    def write(self, remark: Callable[[Problem], None]) -> Iterator[WrittenSeg]:
        """Write the scan's organs one after the other; an organ that is not seen is remarked on."""
        role = role_of(self.scan)
        with _series(self.scan, role, self.site.path(self.site.paths.images)) as candidate:
            sources = read_sources(candidate.stacking.slices, role)
            volume = decode(candidate, role, [])
            grid = grid_of(volume.z_mm, self.study.imaging.spacing_mm)
            wanted = tuple(organ for organ in self.study.organs if self.scan.region in (organ.region, "whole"))
            masks = self.segmenter.organs(self.scan, volume, grid, wanted, role)
            for number, organ in enumerate(organ for organ in wanted if organ.name in masks):
                segments = self._segments(organ, masks[organ.name], volume, grid, candidate)
                if not segments:
                    continue
                if not any(one.mask.any() for one in segments):
                    remark(problems.SEG_NOT_WRITTEN.problem(f"{role} shows no {organ.name}", where=role))
                    continue
                path = self.folder / f"{self.place + 1}-{self.scan.visit}-{self.scan.region}-{organ.name}.dcm"
                if path.exists():
                    raise host.CANNOT_WRITE.problem(f"{path.name} exists already", fix="Name an empty folder, or remove the file.")
                write_atomic(path, encoded(sources, segments, SERIES_NUMBER + 10 * self.place + number, version("fedhcc")))
                check_written(path, sources, segments, role)
                yield _written(path, role, segments, volume)

    def _segments(self, organ: Organ, masks: Segmented, volume: Volume, grid: Grid, candidate: Candidate) -> list[MarkedSegment]:
        """The organ (its tumours included) and its tumour, each where a model made it or all are wanted."""
        meanings = (organ_meaning(organ.targets[0]), tumour_meaning(organ.targets[1], organ.targets[0]))
        found = []
        for target, meaning, mask in zip(organ.targets, meanings, (masks.organ, masks.tumour), strict=True):
            modelled = self.segmenter.modelled(target, self.scan)
            if not modelled and (not self.drawn or f"{target}_mask_blank" in masks.flags):
                continue
            model = self.segmenter.source(target).model
            maker = Maker(model, self.segmenter.models.digest(model)) if modelled and model is not None else None
            on_slices = mask[nearest_grid(grid, volume)]
            found.append(MarkedSegment(as_stored(on_slices, candidate.stacking.slices[0]), meaning, maker))
        return found


def nearest_grid(grid: Grid, volume: Volume) -> NDArray[np.intp]:
    """The plane of the grid nearest to each slice; the slice nearest to a plane takes that one, so masks read back are the same.

    Example:
        >>> import numpy as np
        >>> z = np.arange(5) * 2.0
        >>> hu = np.zeros((5, 8, 8), dtype=np.int16)
        >>> nearest_grid(grid_of(z, 5.0), Volume(hu, z, (1.0, 1.0), np.zeros(3), np.eye(3))).tolist()
        [0, 0, 1, 1, 1]
    """
    apart = np.abs(volume.z_mm[:, None] - grid.z_mm[None, :])
    found: NDArray[np.intp] = apart.argmin(axis=1)
    if len(grid) <= len(volume.z_mm):
        found[nearest_planes(grid)] = np.arange(len(grid))
    return found


def _written(path: Path, role: str, segments: list[MarkedSegment], volume: Volume) -> WrittenSeg:
    voxel = volume.spacing_mm[0] * volume.spacing_mm[1] * volume.slice_mm / 1000
    volumes = {one.meaning.label: round(float(np.count_nonzero(one.mask)) * voxel, 2) for one in segments}
    makers = {one.meaning.label: "drawn" if one.maker is None else one.maker.name for one in segments}
    return WrittenSeg(path, role, volumes, makers)
