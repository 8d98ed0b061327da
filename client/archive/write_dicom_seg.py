"""One DICOM segmentation (SEG) over the slices of the series it was made on (DICOM PS3.3, A.51; written by highdicom).

The object takes patient, study and frame of reference from the series' own files, so an archive files it beside them. It
holds segments with their codes and who made them, and nothing of a study: no score, no risk, no id of a patient in it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.archive.segment_codes import Code, Meaning
from client.intake.dicom.dicom_header import MALFORMED, SliceHeader
from site_config.atomic_files import access_problem
from site_config.problems import segmentation as problems

Mask = NDArray[np.bool_]
MAKER = "fedhcc"
DESCRIPTION = "Research segmentation, not for diagnosis"
LINKS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
    "ReferringPhysicianName",
)


@dataclass(frozen=True)
class Maker:
    """The model that made a segment: its name in site.yaml, and the digest of its files and options."""

    name: str
    digest: str


@dataclass(frozen=True)
class MarkedSegment:
    """A mask (z, y, x) in the order of the series' files, what it shows, and what made it; None: a person drew it."""

    mask: Mask
    meaning: Meaning
    maker: Maker | None


def read_sources(slices: Sequence[SliceHeader], role: str) -> list[Any]:
    """The headers of a series' slices. Raises an access problem, or FH-349 where one cannot be linked to."""
    import pydicom

    found = []
    for header in slices:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(header.path, stop_before_pixels=True, force=True)
                lacking = [tag for tag in LINKS if not str(dataset.get(tag) or "")]
        except OSError as error:
            raise access_problem(error, f"a file of {role}") from None
        except MALFORMED:
            raise problems.SEG_NOT_WRITTEN.problem(f"a header of {role} cannot be read", where=role) from None
        if lacking:
            raise problems.SEG_NOT_WRITTEN.problem(f"files of {role} do not state {', '.join(lacking)}", where=role)
        for tag in MAY_BE_EMPTY:
            if tag not in dataset:
                setattr(dataset, tag, "")
        found.append(dataset)
    return found


def encoded(sources: Sequence[Any], segments: Sequence[MarkedSegment], series_number: int, version: str) -> bytes:
    """The file of one SEG over the slices on which any segment shows something. At least one voxel must be set."""
    from highdicom.seg import Segmentation
    from pydicom.uid import generate_uid

    shown = np.flatnonzero(np.any([one.mask.any(axis=(1, 2)) for one in segments], axis=0))
    values = np.stack([one.mask[shown] for one in segments], axis=-1).astype(np.uint8)
    with warnings.catch_warnings():  # remarks of pydicom on the scanner's own values, which an archive holds already
        warnings.simplefilter("ignore")
        made = Segmentation(
            source_images=[sources[int(k)] for k in shown],
            pixel_array=values,
            segmentation_type="BINARY",
            segment_descriptions=[_description(number, one) for number, one in enumerate(segments, start=1)],
            series_instance_uid=generate_uid(),
            series_number=series_number,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name="fedhcc-site data export-seg",
            software_versions=version,
            device_serial_number=version,
            content_description=DESCRIPTION,
            content_label="RESEARCH",
            series_description=f"{MAKER}: {', '.join(one.meaning.label for one in segments)}"[:64],
        )
        out = io.BytesIO()
        made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _description(number: int, segment: MarkedSegment) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    meaning, maker = segment.meaning, segment.maker
    model = None
    if maker is not None:
        model = AlgorithmIdentificationSequence(
            name=maker.name[:64], family=codes.cid7162.ArtificialIntelligence, version=f"sha256 {maker.digest[:40]}"
        )
    return SegmentDescription(
        segment_number=number,
        segment_label=meaning.label[:64],
        segmented_property_category=_code(meaning.category),
        segmented_property_type=_code(meaning.kind),
        algorithm_type="MANUAL" if maker is None else "AUTOMATIC",
        algorithm_identification=model,
        anatomic_regions=None if meaning.region is None else [_code(meaning.region)],
    )


def _code(code: Code) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(*code)


def check_written(path: Path, sources: Sequence[Any], segments: Sequence[MarkedSegment], role: str) -> None:
    """Read a SEG back with highdicom, slice by slice by the ids of the source. Raises FH-349 where a voxel differs."""
    from highdicom.seg import segread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = segread(str(path))
        for number, one in enumerate(segments, start=1):
            uids = [str(dataset.SOPInstanceUID) for dataset in sources]
            back = found.get_pixels_by_source_instance(
                uids, segment_numbers=[number], assert_missing_frames_are_empty=True, ignore_spatial_locations=True
            )
            if not np.array_equal(back[..., 0] > 0, one.mask):
                raise problems.SEG_NOT_WRITTEN.problem(f"the {one.meaning.label} in the file of {role} is not as it was made", where=role)
