"""One DICOM file's header: an axial CT slice with what is needed of it, or why it is none. No pixel is read."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword

from client.intake.dicom.header_values import dates_of, free_text_of, number_of, text_of, undotted, whole_of
from client.intake.dicom.later_headers import BUFFER, HeaderMemory, RawElements, elements_of, numbers, text
from client.intake.names.image_kind_and_region import derived_of
from client.intake.names.phase_seconds import clock
from client.intake.whose_scan import NOBODY, Identity, identity_of
from site_config.atomic_files import access_problem

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
SURFACES, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.5", "1.2.840.10008.5.1.4.1.1.66.7"
STRUCTURES = (RTSTRUCT, SEGMENTATION, SURFACES, LABEL_MAP)
PERSON = ("PatientID", "PatientBirthDate", "PatientSex", "PatientName", "PatientAge")
DEFLATED = b"1.2.840.10008.1.2.1.99"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
"""Codings that always lose; JPEG-LS near-lossless and JPEG 2000 say so by the tag."""
NOT_SLICES = {"LOCALIZER", "DOSE", "DOSE_INFO", "SCREEN SAVE", "OVERLAY", "VRT"}
PIXELS = b"\xe0\x7f\x10\x00"
FREE_TEXTS = ("SeriesDescription", "ProtocolName", "StudyDescription")
TAGS = [
    *("SOPClassUID", "Modality", "ImageType", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"),
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge", "SpecificCharacterSet"),
    *("AcquisitionNumber", "InstanceNumber", "TemporalPositionIdentifier", "TemporalPositionIndex", "TriggerTime", "IrradiationEventUID"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "SliceThickness"),
    "GantryDetectorTilt",
    *("BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("Manufacturer", "SeriesDescription", "ProtocolName", "StudyDescription", "BodyPartExamined", "ConvolutionKernel", "KVP"),
    *("ContrastBolusAgent", "ContrastBolusStartTime", "AcquisitionTime", "AcquisitionDateTime", "ContentTime"),
    *("AcquisitionDate", "SeriesDate", "StudyDate", "LossyImageCompression"),
]
VARYING = (
    *("ImagePositionPatient", "InstanceNumber", "AcquisitionNumber", "AcquisitionTime", "AcquisitionDateTime", "ContentTime"),
    *("TriggerTime", "TemporalPositionIdentifier", "TemporalPositionIndex"),
)
MOST_KNOWN = 4096
_CODES = {tag: struct.pack("<HH", number >> 16, number & 0xFFFF) for tag in TAGS if (number := tag_for_keyword(tag)) is not None}
MALFORMED = (EOFError, ValueError, KeyError, AttributeError, TypeError, struct.error, RuntimeError, OverflowError)
"""What pydicom raises over bytes that are no sound DICOM (RuntimeError: a coding it lacks, or nesting without end); a finding."""


@dataclass(frozen=True)
class Units:
    """How stored values become Hounsfield units: slope and intercept (None: not stated), their type, and padding as stored."""

    slope: float | None = None
    intercept: float | None = None
    kind: str = ""
    padding: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plain:
    """Where a file's uncompressed 16-bit little-endian pixels begin, and how they are stored."""

    offset: int
    signed: bool
    bits: int


@dataclass(frozen=True)
class SliceHeader:
    """One CT slice. Positions and axes are LPS millimetres, times seconds of the day; nothing here leaves the site."""

    path: Path
    position: NDArray[np.float64]
    row_axis: NDArray[np.float64]
    column_axis: NDArray[np.float64]
    spacing: tuple[float, float]
    shape: tuple[int, int]
    acquisition: int | None
    instance: int | None
    complete: bool
    taken: float | None = None
    created: float | None = None
    temporal: str = ""
    trigger: str = ""
    event: str = ""
    day: str = ""
    thickness: str = ""
    bolus: str = ""
    taken_text: str = ""
    units: Units = Units()
    plain: Plain | None = None
    lossy: bool = False
    studied: str = ""
    stated_tilt: float = 0.0
    frame: str = ""


@dataclass(frozen=True)
class About:
    """What a slice's header says of its series. Nothing here leaves the site."""

    uid: str = ""
    study: str = ""
    frame: str = ""
    who: Identity = NOBODY
    manufacturer: str = ""
    description: str = ""
    protocol: str = ""
    study_description: str = ""
    derived: str | None = None
    kernel: str = ""
    date: str = ""
    body_part: str = ""
    contrast: str = ""


@dataclass(frozen=True)
class Read:
    """A file's header, or the reason why it is no axial CT slice; `about` is known for some of those too."""

    header: SliceHeader | None
    group: tuple[Any, ...] | None
    reason: str | None
    about: About
    study: str = ""


def reader(role: str) -> Callable[[Path], Read]:
    """A function that reads headers one after the other; what slices of a series have in common is read once."""
    memory: HeaderMemory[Read] = HeaderMemory(frozenset(_CODES.values()), frozenset(_CODES[tag] for tag in VARYING))

    def read(path: Path) -> Read:
        try:
            elements = elements_of(path, memory.wanted, _beginning)
        except (OSError, struct.error):
            elements = None
        if elements is None:
            return read_header(path, role)
        key = memory.key(elements)
        alike = memory.known.get(key)
        quick = None if alike is None else _alike(alike, elements, path)
        if quick is not None:
            return quick
        made = read_header(path, role)
        if made.header is not None and len(memory.known) < MOST_KNOWN:
            memory.known[key] = made
        return made

    return read


def _beginning(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(BUFFER)


def _alike(first: Read, elements: RawElements, path: Path) -> Read | None:
    """The header of a slice whose other elements are those of `first`; None where something is not as it should be."""
    values, header = elements.values, first.header
    try:
        position = np.array(numbers(values.get(_CODES["ImagePositionPatient"])))
        acquisition, instance = (numbers(values.get(_CODES[tag])) for tag in ("AcquisitionNumber", "InstanceNumber"))
        taken = text(values.get(_CODES["AcquisitionTime"])) or text(values.get(_CODES["AcquisitionDateTime"]))[8:]
        created, trigger = text(values.get(_CODES["ContentTime"])), text(values.get(_CODES["TriggerTime"]))
        temporal = text(values.get(_CODES["TemporalPositionIdentifier"])) or text(values.get(_CODES["TemporalPositionIndex"]))
        left = path.stat().st_size - elements.at
    except (ValueError, OSError):
        return None
    if header is None or first.group is None or header.plain is None or position.shape != (3,) or not np.isfinite(position).all():
        return None
    group = first.group if first.about.uid else (f"folder {path.parent}", *first.group[1:])
    made = replace(
        header,
        path=path,
        position=position,
        acquisition=int(acquisition[0]) if acquisition else None,
        instance=int(instance[0]) if instance else None,
        complete=left >= header.shape[0] * header.shape[1] * 2 and left > 0,
        taken=clock(taken.split("+")[0]),
        created=clock(created),
        temporal=temporal,
        trigger=trigger,
        taken_text=taken,
        plain=replace(header.plain, offset=elements.at + 12),
    )
    return Read(made, group, None, first.about, first.study)


def read_header(path: Path, role: str) -> Read:
    """One file's header, or why it is no axial CT slice. Raises an access problem when it may not be opened."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        if not path.is_file():
            path.stat()
            return left_out("not an ordinary file")
        with path.open("rb") as stream:
            start = stream.read(2048)
            stream.seek(0)
            if start[128:132] != b"DICM" and start[:2] not in (b"\x08\x00", b"\x02\x00"):
                return left_out("not DICOM")
            if DEFLATED in start:
                return left_out("deflated transfer syntax")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=TAGS)
                at = stream.tell()
                start = stream.read(8)
                return _slice(dataset, path, at, os.fstat(stream.fileno()).st_size - at, start)
    except OSError as error:
        raise access_problem(error, f"a file of {role}") from None
    except (*MALFORMED, InvalidDicomError):
        return left_out("damaged header")


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do."""
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def left_out(reason: str, study: str = "") -> Read:
    """A file that is no axial CT slice."""
    return Read(None, None, reason, About(), study)


def _kind(dataset: Any) -> tuple[str | None, list[str]]:
    """Why a dataset is no CT slice (None: it is one), and its ImageType."""
    meta = getattr(dataset, "file_meta", None)
    sop = str(dataset.get("SOPClassUID") or (meta.get("MediaStorageSOPClassUID") if meta else None) or "")
    modality = str(dataset.get("Modality") or "").upper()
    kinds = [str(part).upper().strip() for part in dataset.get("ImageType") or ()]
    if sop in ENHANCED_CT or (int(dataset.get("NumberOfFrames") or 1) > 1 and sop not in STRUCTURES):
        return "enhanced multi-frame", kinds
    if sop in STRUCTURES:
        return "structures or segmentation", kinds
    if modality == "PT":
        return "positron emission", kinds
    if (sop and sop != CT_IMAGE) or modality not in ("CT", "") or not (sop or modality):
        return "another modality or object", kinds
    if NOT_SLICES & set(kinds):
        return "localizer, capture, projection or report", kinds
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or str(dataset.get("PhotometricInterpretation") or "MONOCHROME2") != "MONOCHROME2":
        return "colours or inverted grey", kinds
    return None, kinds


def _slice(dataset: Any, path: Path, at: int, bytes_left: int, start: bytes) -> Read:
    """Decide whether a dataset is an axial CT slice and take what is needed from it."""
    reason, kinds = _kind(dataset)
    if reason is not None:
        return left_out(reason, str(dataset.get("StudyInstanceUID") or ""))
    needed = [dataset.get(tag) for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")]
    if any(value is None or value == "" for value in needed):
        return left_out("no position, orientation, spacing or size")
    position, orientation, spacing = (np.array([float(number) for number in value]) for value in needed[:3])
    if (
        position.shape != (3,)
        or orientation.shape != (6,)
        or spacing.shape != (2,)
        or not np.isfinite([*position, *orientation, *spacing]).all()
    ):
        return left_out("no position, orientation, spacing or size")
    shape = (int(needed[3]), int(needed[4]))
    row_axis, column_axis = (axis / max(float(np.linalg.norm(axis)), 1e-9) for axis in (orientation[:3], orientation[3:]))
    meta = getattr(dataset, "file_meta", None)
    syntax = str(meta.get("TransferSyntaxUID") if meta else "") or UNCOMPRESSED[0]
    whole = syntax not in UNCOMPRESSED or bytes_left >= shape[0] * shape[1] * int(dataset.get("BitsAllocated") or 16) // 8
    taken = text_of(dataset, "AcquisitionTime") or text_of(dataset, "AcquisitionDateTime")[8:]
    about = _about(dataset, kinds)
    header = SliceHeader(
        path=path,
        position=position,
        row_axis=row_axis,
        column_axis=column_axis,
        spacing=(float(spacing[0]), float(spacing[1])),
        shape=shape,
        acquisition=whole_of(dataset.get("AcquisitionNumber")),
        instance=whole_of(dataset.get("InstanceNumber")),
        complete=whole and bytes_left > 0,
        taken=clock(taken.split("+")[0]),
        created=clock(text_of(dataset, "ContentTime")),
        temporal=text_of(dataset, "TemporalPositionIdentifier") or text_of(dataset, "TemporalPositionIndex"),
        trigger=text_of(dataset, "TriggerTime"),
        event=text_of(dataset, "IrradiationEventUID"),
        day=about.date,
        thickness=text_of(dataset, "SliceThickness"),
        bolus=text_of(dataset, "ContrastBolusStartTime"),
        taken_text=taken,
        units=_units(dataset),
        plain=_plain(dataset, syntax, at, start),
        lossy=text_of(dataset, "LossyImageCompression") == "01" or syntax in LOSSY,
        studied=dates_of(dataset)[1],
        stated_tilt=number_of(dataset.get("GantryDetectorTilt")) or 0.0,
        frame=about.frame,
    )
    group = (
        about.uid or f"folder {path.parent}",
        tuple(np.round(orientation, 2)),
        shape,
        tuple(np.round(spacing, 4)),
        about.derived or "",
        about.kernel,
        number_of(dataset.get("KVP")) or text_of(dataset, "KVP"),
    )
    return Read(header, group, None, about, about.study)


def _plain(dataset: Any, syntax: str, at: int, start: bytes) -> Plain | None:
    """Whether the pixels can be taken from the file as they lie; `start` are the pixel element's first eight bytes."""
    bits = int(dataset.get("BitsStored") or 16)
    ordinary = int(dataset.get("BitsAllocated") or 16) == 16 and int(dataset.get("HighBit", bits - 1) or 0) == bits - 1
    if syntax not in UNCOMPRESSED[:2] or not ordinary or start[:4] != PIXELS:
        return None
    explicit = syntax == UNCOMPRESSED[1]
    if explicit != (start[4:6] in (b"OW", b"OB")):
        return None
    return Plain(at + (12 if explicit else 8), int(dataset.get("PixelRepresentation") or 0) == 1, bits)


def _units(dataset: Any) -> Units:
    slope, intercept = (number_of(dataset.get(tag)) for tag in ("RescaleSlope", "RescaleIntercept"))
    low, high = (number_of(dataset.get(tag)) for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if int(dataset.get("PixelRepresentation") or 0) == 1:  # written unsigned into signed images by some scanners
        low, high = (value - 65536 if value is not None and value > 32767 else value for value in (low, high))
    padding = None if low is None else (min(low, low if high is None else high), max(low, low if high is None else high))
    return Units(slope, intercept, text_of(dataset, "RescaleType").upper(), padding)


def _about(dataset: Any, kinds: list[str]) -> About:
    texts = {tag: free_text_of(dataset, tag) for tag in FREE_TEXTS}
    date = dates_of(dataset)[0]
    person = [undotted(text_of(dataset, tag)) if tag == "PatientBirthDate" else text_of(dataset, tag) for tag in PERSON]
    return About(
        uid=text_of(dataset, "SeriesInstanceUID"),
        study=text_of(dataset, "StudyInstanceUID"),
        frame=text_of(dataset, "FrameOfReferenceUID"),
        who=identity_of(person[0], person[1], person[2], person[3], person[4], date),
        manufacturer=text_of(dataset, "Manufacturer"),
        description=texts["SeriesDescription"],
        protocol=texts["ProtocolName"],
        study_description=texts["StudyDescription"],
        derived=derived_of(kinds, texts["SeriesDescription"]),
        kernel="\\".join(text_of(dataset, "ConvolutionKernel").split("\\")),
        date=date,
        body_part=text_of(dataset, "BodyPartExamined"),
        contrast=text_of(dataset, "ContrastBolusAgent"),
    )
