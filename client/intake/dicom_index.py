"""What a folder of DICOM files holds: headers only, no pixels, and nothing believed that was not checked.

Files that are no axial CT slices are counted by reason and left out; one garbage file never costs the rest. A file that
may not be opened is another matter: the series could lack a slice through it, so it stops the scan as an access problem.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.intake.phase import phase_of
from site_config.files import access_problem
from site_config.problems import scans as problems

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
DEFLATED = b"1.2.840.10008.1.2.1.99"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
NOT_SLICES = {
    "LOCALIZER",
    "DOSE",
    "DOSE_INFO",
    "SCREEN SAVE",
    "MIP",
    "MINIP",
    "VRT",
    "PERFUSION",
    "OVERLAY",
    "PROJECTION IMAGE",
    "CSAMAX",
    "CSAMIP",
}
MOST_FILES = 20_000
TAGS = [
    "SOPClassUID",
    "Modality",
    "ImageType",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "PatientName",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "BitsAllocated",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Manufacturer",
    "SeriesDescription",
    "ProtocolName",
    "ContrastBolusAgent",
    "ContrastBolusStartTime",
    "AcquisitionTime",
    "AcquisitionDate",
    "SeriesDate",
    "StudyDate",
    "BodyPartExamined",
    "ConvolutionKernel",
]
MALFORMED = (EOFError, ValueError, KeyError, AttributeError, TypeError, struct.error, NotImplementedError, OverflowError, RecursionError)
"""What pydicom raises over bytes that are no sound DICOM (`NotImplementedError`: a coding it lacks); the file becomes a finding."""


@dataclass(frozen=True)
class SliceHeader:
    """One axial CT slice. Positions and axes are LPS millimetres; nothing here leaves the site."""

    path: Path
    position: NDArray[np.float64]
    row_axis: NDArray[np.float64]
    column_axis: NDArray[np.float64]
    spacing: tuple[float, float]
    shape: tuple[int, int]
    acquisition: int | None
    instance: int | None
    complete: bool


@dataclass(frozen=True)
class Series:
    """Slices that belong together: one series, orientation, matrix and spacing."""

    slices: tuple[SliceHeader, ...]
    uid: str
    patient: str
    manufacturer: str | None
    description: str
    phase: str | None
    original: bool
    date: str | None
    body_part: str


@dataclass(frozen=True)
class Contents:
    """What a folder holds: series, and why the other files were left out."""

    series: tuple[Series, ...]
    left_out: dict[str, int]
    enhanced: int
    patients: int


@dataclass(frozen=True)
class _Read:
    header: SliceHeader | None
    group: tuple[Any, ...] | None
    reason: str | None
    about: dict[str, str]


def index(folder: Path, role: str) -> Contents:
    """Index every file of a folder and its subfolders. Raises access problems (9xx) and FH-305 for more than 20,000 files."""
    groups: dict[tuple[Any, ...], list[_Read]] = {}
    left_out: Counter[str] = Counter()
    patients: set[str] = set()
    for path in files_of(folder, role):
        read = read_header(path, role)
        if read.header is None or read.group is None:
            left_out[read.reason or "unknown"] += 1
            continue
        patients.add(read.about["patient"])
        groups.setdefault(read.group, []).append(read)
    series = tuple(_series(group, reads) for group, reads in sorted(groups.items(), key=lambda item: repr(item[0])))
    return Contents(series, dict(sorted(left_out.items())), left_out["enhanced multi-frame"], len(patients - {""}))


def files_of(folder: Path, role: str) -> list[Path]:
    """All files below a folder in a fixed order, or the one file; linked folders are not followed, so no circle can be walked."""
    if not folder.is_dir():
        return [folder]
    found: list[Path] = []

    def stop(error: OSError) -> None:
        raise access_problem(error, f"a folder of {role}")

    for parent, _, names in os.walk(folder, onerror=stop):
        found += [Path(parent) / name for name in names if not name.startswith(".")]
        if len(found) > MOST_FILES:
            raise problems.IMPLAUSIBLE_GEOMETRY.problem(f"{role} has more than {MOST_FILES:,} files", where=role)
    return sorted(found)


def read_header(path: Path, role: str) -> _Read:
    """One file's header, or why it is no axial CT slice. Raises an access problem when it may not be opened."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        if not path.is_file():
            path.stat()
            return _left_out("not an ordinary file")
        with path.open("rb") as stream:
            start = stream.read(2048)
            stream.seek(0)
            if start[128:132] != b"DICM" and start[:2] not in (b"\x08\x00", b"\x02\x00"):
                return _left_out("not DICOM")
            if DEFLATED in start:
                return _left_out("deflated transfer syntax")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=TAGS)
                left = path.stat().st_size - stream.tell()
                return _slice(dataset, path, left)
    except OSError as error:
        raise access_problem(error, f"a file of {role}") from None
    except (*MALFORMED, InvalidDicomError):
        return _left_out("damaged header")


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do."""
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _left_out(reason: str) -> _Read:
    return _Read(None, None, reason, {})


def _slice(dataset: Any, path: Path, bytes_left: int) -> _Read:
    """Decide whether a dataset is an axial CT slice and take what is needed from it."""
    meta = getattr(dataset, "file_meta", None)
    sop = str(dataset.get("SOPClassUID") or (meta.get("MediaStorageSOPClassUID") if meta else None) or "")
    modality = str(dataset.get("Modality") or "").upper()
    kinds = [str(part).upper().strip() for part in dataset.get("ImageType") or ()]
    if sop in ENHANCED_CT or int(dataset.get("NumberOfFrames") or 1) > 1:
        return _left_out("enhanced multi-frame")
    if (sop and sop != CT_IMAGE) or modality not in ("CT", "") or not (sop or modality):
        return _left_out("another modality or object")
    if NOT_SLICES & set(kinds):
        return _left_out("localizer, capture, projection or report")
    if kinds[:2] == ["DERIVED", "SECONDARY"]:
        return _left_out("derived image")
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or str(dataset.get("PhotometricInterpretation") or "MONOCHROME2") != "MONOCHROME2":
        return _left_out("colours or inverted grey")
    needed = [dataset.get(tag) for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")]
    if any(value is None or value == "" for value in needed):
        return _left_out("no position, orientation, spacing or size")
    position, orientation, spacing = (np.array([float(number) for number in value]) for value in needed[:3])
    if (
        position.shape != (3,)
        or orientation.shape != (6,)
        or spacing.shape != (2,)
        or not np.isfinite([*position, *orientation, *spacing]).all()
    ):
        return _left_out("no position, orientation, spacing or size")
    shape = (int(needed[3]), int(needed[4]))
    row_axis, column_axis = (axis / max(float(np.linalg.norm(axis)), 1e-9) for axis in (orientation[:3], orientation[3:]))
    syntax = str(meta.get("TransferSyntaxUID") if meta else "") or UNCOMPRESSED[0]
    whole = syntax not in UNCOMPRESSED or bytes_left >= shape[0] * shape[1] * int(dataset.get("BitsAllocated") or 16) // 8
    header = SliceHeader(
        path=path,
        position=position,
        row_axis=row_axis,
        column_axis=column_axis,
        spacing=(float(spacing[0]), float(spacing[1])),
        shape=shape,
        acquisition=_whole(dataset.get("AcquisitionNumber")),
        instance=_whole(dataset.get("InstanceNumber")),
        complete=whole and bytes_left > 0,
    )
    uid = str(dataset.get("SeriesInstanceUID") or "")
    group = (
        uid or f"folder {path.parent}",
        tuple(np.round(orientation, 2)),
        shape,
        tuple(np.round(spacing, 4)),
        "DERIVED" in kinds[:1] and bool(uid),
    )
    return _Read(header, group, None, _about(dataset, uid, kinds))


def _about(dataset: Any, uid: str, kinds: list[str]) -> dict[str, str]:
    texts = {tag: str(dataset.get(tag) or "") for tag in TAGS}
    date = texts["AcquisitionDate"] or texts["SeriesDate"] or texts["StudyDate"]
    return {
        "uid": uid,
        "patient": texts["PatientID"] or texts["PatientName"],
        "manufacturer": texts["Manufacturer"],
        "description": " ".join(part for part in (texts["SeriesDescription"], texts["ProtocolName"]) if part),
        "phase": phase_of(texts) or "",
        "original": "" if kinds[:1] == ["DERIVED"] else "yes",
        "date": date if len(date) == 8 and date.isdigit() else "",
        "body_part": texts["BodyPartExamined"],
    }


def _whole(value: Any) -> int | None:
    return None if value is None or str(value).strip() == "" else int(value)


def _series(group: tuple[Any, ...], reads: list[_Read]) -> Series:
    about = reads[0].about
    names = {read.about["patient"] for read in reads if read.about["patient"]}
    return Series(
        slices=tuple(read.header for read in reads if read.header is not None),
        uid=about["uid"],
        patient=names.pop() if len(names) == 1 else "\\".join(sorted(names)),
        manufacturer=about["manufacturer"] or None,
        description=about["description"],
        phase=about["phase"] or None,
        original=bool(about["original"]),
        date=about["date"] or None,
        body_part=about["body_part"],
    )
