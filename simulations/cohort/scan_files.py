"""Phantom scans as a hospital would hold them: NIfTI files, or DICOM folders with a manufacturer's tags.

Faults on request concern the geometry: `missing` slices are left out, `tilt_degrees` tilts the image planes in the tags
(the pixels stay those of the upright scan, so a reader that ignores the tags gets a wrong volume, as with real tilt).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from simulations.cohort.phantom_ct import PhantomScan

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

EPOCH: Final = date(2020, 1, 6)
INTERCEPT: Final = -1024


@dataclass(frozen=True)
class GeometryFault:
    """What is wrong with a series on request: the numbers of slices left out, and the gantry's tilt."""

    missing: tuple[int, ...] = ()
    tilt_degrees: float = 0.0


def write_nifti(path: Path, voxels: NDArray[Any], spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> None:
    """A gzipped NIfTI of an LPS volume (z, y, x); spacing (z, y, x), origin (x, y, z), millimetres."""
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing([float(v) for v in reversed(spacing)])
    image.SetOrigin([float(v) for v in origin])
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written plainly: a cohort that broke off half-way has no truth.json and is made again.
    sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=1)


def write_masks(folder: Path, stem: str, scan: PhantomScan, labels: Mapping[str, tuple[int, ...]]) -> dict[str, Path]:
    """One NIfTI mask a target (0 or 1); returns target → path."""
    written: dict[str, Path] = {}
    for target, values in labels.items():
        path = folder / f"{stem}_{target}.nii.gz"
        write_nifti(path, np.isin(scan.labels, values).astype(np.uint8), scan.spacing, scan.origin)
        written[target] = path
    return written


def write_dicom(folder: Path, scan: PhantomScan, patient: str, day: int, fault: GeometryFault | None = None) -> str:
    """A folder of CT image files, one a slice; returns the SeriesInstanceUID, which is a function of the arguments."""
    from pydicom.uid import generate_uid

    fault = fault or GeometryFault()
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [patient, scan.visit, scan.region]
    study = generate_uid(entropy_srcs=["fedhcc-phantom-study", patient, scan.visit])
    series = generate_uid(entropy_srcs=["fedhcc-phantom-series", *seeds])
    for number in range(scan.hu.shape[0]):
        if number in fault.missing:
            continue
        instance = generate_uid(entropy_srcs=["fedhcc-phantom-image", *seeds, str(number)])
        data = _slice(scan, number, instance, fault.tilt_degrees)
        data.PatientID = f"PHANTOM-{patient}"
        data.PatientName = f"Phantom^{patient}"
        data.StudyInstanceUID, data.SeriesInstanceUID = study, series
        data.FrameOfReferenceUID = generate_uid(entropy_srcs=["fedhcc-phantom-frame", *seeds])
        data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = f"{EPOCH + timedelta(days=day):%Y%m%d}"
        data.save_as(folder / f"IM{number:04d}", enforce_file_format=True)
    return str(series)


def _slice(scan: PhantomScan, number: int, instance: str, tilt_degrees: float) -> FileDataset:
    """One slice as a CT Image Storage object, explicit little endian, without what concerns patient and series."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, instance
    data.Modality, data.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Manufacturer = scan.manufacturer
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = "100000" if scan.region == "abdomen" else "101000"
    data.SeriesNumber = 2 if scan.region == "abdomen" else 3
    data.AcquisitionNumber, data.InstanceNumber = 1, number + 1
    data.SeriesDescription = "Abdomen portal venous" if scan.region == "abdomen" else "Chest"
    data.BodyPartExamined = scan.region.upper()
    data.ContrastBolusAgent = "iodinated"
    data.KVP, data.GantryDetectorTilt, data.PatientPosition = 120, tilt_degrees, "HFS"
    _geometry(data, scan, number, math.radians(tilt_degrees))
    stored = (scan.hu[number].astype(np.int32) - INTERCEPT).astype(np.uint16)
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = INTERCEPT, 1, "HU"
    data.PixelData = stored.tobytes()
    return data


def _geometry(data: FileDataset, scan: PhantomScan, number: int, tilt: float) -> None:
    depth, row, column = scan.spacing
    x, y, z = scan.origin
    data.ImagePositionPatient = [round(v, 4) for v in (x, y, z + depth * number)]
    data.ImageOrientationPatient = [1, 0, 0, 0, round(math.cos(tilt), 8), round(math.sin(tilt), 8)]
    data.PixelSpacing = [round(row, 5), round(column, 5)]
    data.SliceThickness = depth
    data.SpacingBetweenSlices = depth
