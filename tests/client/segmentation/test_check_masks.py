"""Masks as other programs spoil them: `check` says on day one what `data prepare` will refuse, and nothing of a sound one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sequence import Sequence

from client.cohort.check_scans import peek
from client.cohort.one_patient import prepare_patient
from client.segmentation.segmenter import Segmenter
from site_config.site_yaml import Segmentation, Target
from site_config.study.plan_and_lock import two_organs
from site_config.tables.scans_csv import ImagesFolder, parse_scans
from site_config.tables.table_values import Patient
from tests.client.intake.test_dicom_masks import circle, new, one, write_rtstruct
from tests.client.made_scans import a_study, body, write_series

HU, MASKS = body((40, 64, 64), seed=5)
LIVER = MASKS["liver"]
SERIES = "1.55.1"
KEY = "Patient7"
ROW = Patient(KEY, 60.0, True, True, 300.0, {}, None, 60.0, -3.0, 2, date(2024, 3, 4), None, 0.0)
REFUSALS = {"FH-301", "FH-302", "FH-303", "FH-320", "FH-321", "FH-323", "FH-365"}
CIRCLES = [circle(50, 80, 60, 5.0 * k) for k in range(6, 20)]
Spoil = Callable[[Path], None]


def nifti(values: Any, scale: tuple[float, float, float] = (1, 1, 1), shift: float = 0.0) -> Spoil:
    """A mask (z, y, x) on the scan's grid; its axes (x, y, z) may be scaled and its origin shifted."""

    def write(path: Path) -> None:
        import nibabel

        affine = np.diag([-6.0, -6.0, 5.0, 1.0]) @ np.diag([*scale, 1.0])
        affine[:3, 3] = [100 + shift, 100, 0]
        image = nibabel.Nifti1Image(np.ascontiguousarray(np.moveaxis(values, (0, 1, 2), (2, 1, 0))), affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path.with_suffix(".nii.gz"))

    return write


def structures(contours: dict[str, Any], series: str = SERIES, kind: str = "CLOSED_PLANAR") -> Spoil:
    def write(path: Path) -> None:
        dataset = dcmread(write_rtstruct(path.with_suffix(".dcm"), contours, series))
        for roi in dataset.ROIContourSequence:
            for contour in roi.ContourSequence:
                contour.ContourGeometricType = kind
        dataset.save_as(path.with_suffix(".dcm"))

    return write


def frames(kind: str, change: Callable[[Any], None] = lambda _: None, value: int = 255) -> Spoil:
    """A DICOM segmentation of one frame for every slice that shows the liver: fractional, or a label map."""

    def write(path: Path) -> None:
        held = np.flatnonzero(LIVER.any(axis=(1, 2)))
        dataset = new("1.2.840.10008.5.1.4.1.1.66.7" if kind == "LABELMAP" else "1.2.840.10008.5.1.4.1.1.66.4")
        dataset.Modality, dataset.SegmentationType, dataset.MaximumFractionalValue = "SEG", kind, 255
        dataset.ReferencedSeriesSequence = Sequence([one(SeriesInstanceUID=SERIES)])
        dataset.SegmentSequence = Sequence([one(SegmentNumber=1, SegmentLabel="Liver"), one(SegmentNumber=2, SegmentLabel="Spleen")])
        dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 64, 64, len(held)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = (LIVER[held] * value).astype(np.uint8).tobytes()
        measures, orientation = one(PixelSpacing=[6.0, 6.0]), one(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        shared = one(PixelMeasuresSequence=Sequence([measures]), PlaneOrientationSequence=Sequence([orientation]))
        dataset.SharedFunctionalGroupsSequence = Sequence([shared])
        groups = [one(PlanePositionSequence=Sequence([one(ImagePositionPatient=[-100.0, -100.0, 5.0 * k])])) for k in held]
        for group in groups if kind != "LABELMAP" else ():
            group.SegmentIdentificationSequence = Sequence([one(ReferencedSegmentNumber=1)])
        dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
        change(dataset)
        dataset.save_as(path.with_suffix(".dcm"), enforce_file_format=True)

    return write


def finer(dataset: Any) -> None:
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [3.0, 3.0]


def fewer_places(dataset: Any) -> None:
    dataset.PerFrameFunctionalGroupsSequence = Sequence(list(dataset.PerFrameFunctionalGroupsSequence)[:-2])


def without_pixels(dataset: Any) -> None:
    del dataset.PixelData


def cut_off(path: Path) -> None:
    nifti(LIVER)(path)
    file = path.with_suffix(".nii.gz")
    file.write_bytes(file.read_bytes()[:-200])


CASES: dict[str, tuple[Spoil, str]] = {
    "whole numbers": (nifti(LIVER), ""),
    "whole numbers as floats": (nifti(LIVER.astype(np.float32)), ""),
    "values of 255": (nifti(LIVER * 255), ""),
    "nothing marked": (nifti(np.zeros_like(LIVER)), "FH-323"),
    "shares": (nifti(LIVER.astype(np.float32) * 0.5), "FH-321"),
    "no numbers": (nifti(np.where(LIVER, np.nan, 0).astype(np.float32)), "FH-321"),
    "negative": (nifti(-LIVER.astype(np.int16)), "FH-321"),
    "several labels": (nifti(LIVER + MASKS["liver_tumour"]), "FH-321"),
    "the scan itself": (nifti(HU), "FH-321"),
    "finer slices": (nifti(np.repeat(LIVER, 2, axis=0), (1, 1, 0.5)), "FH-320"),
    "another axis' direction": (nifti(LIVER, (-1, 1, 1)), "FH-320"),
    "shifted by 3 cm": (nifti(LIVER, shift=30), "FH-320"),
    "cut off": (cut_off, "FH-302"),
    "contours": (structures({"Liver": CIRCLES}), ""),
    "contours of another series": (structures({"Liver": CIRCLES}, "9.9"), "FH-320"),
    "contours of another organ": (structures({"Spleen": CIRCLES}), "FH-365"),
    "contours far away": (structures({"Liver": [circle(900, 80, 60, 5.0 * k) for k in range(6, 20)]}), "FH-323"),
    "no contours": (structures({"Liver": []}), "FH-323"),
    "points": (structures({"Liver": CIRCLES}, kind="POINT"), "FH-323"),
    "fractions": (frames("FRACTIONAL"), ""),
    "weak fractions": (frames("FRACTIONAL", value=100), "FH-323"),
    "a label map": (frames("LABELMAP", value=1), ""),
    "a label map of another organ": (frames("LABELMAP", value=2), "FH-323"),
    "frames of finer pixels": (frames("FRACTIONAL", finer), "FH-320"),
    "frames without places": (frames("FRACTIONAL", fewer_places), "FH-321"),
    "no pixels": (frames("FRACTIONAL", without_pixels), "FH-321"),
}


@pytest.mark.parametrize("name", CASES)
def test_check_says_of_masks_what_prepare_refuses(name: str, tmp_path: Path) -> None:
    spoil, code = CASES[name]
    tags: dict[str, Any] = {"SeriesInstanceUID": SERIES, "PatientID": KEY, "AcquisitionDate": "20240301", "StudyDate": "20240301"}
    write_series(tmp_path / KEY / "b", HU, (5.0, 6.0, 6.0), SeriesDescription="Abdomen portal", **tags)
    spoil(tmp_path / "mask")
    mask = next(one.name for one in tmp_path.iterdir() if one.is_file())
    text = f"patient,visit,date,region,phase,path,mask_liver\n{KEY},baseline,2024-03-01,abdomen,portal,{KEY}/b,{mask}\n"
    scans = parse_scans(text.encode(), ImagesFolder(tmp_path, tmp_path.resolve()), two_organs(), date(2026, 1, 1))
    targets = {target: Target(masks=True) for organ in two_organs() for target in organ.targets}
    checked = {problem.code for problem in peek((ROW,), scans, None, tmp_path, None, targets)} & REFUSALS
    segmenter = Segmenter(Segmentation(targets=targets), a_study(), None)  # type: ignore[arg-type]
    made = prepare_patient(scans, a_study(), segmenter, None, tmp_path)
    assert checked == {problem.code for problem in made.findings} & REFUSALS == ({code} if code else set())
    assert ("liver" in made.organs["baseline"]) == (not code)


def test_a_mask_that_site_yaml_does_not_take_is_not_looked_at(tmp_path: Path) -> None:
    write_series(tmp_path / KEY / "b", HU, (5.0, 6.0, 6.0), SeriesDescription="Abdomen portal", AcquisitionDate="20240301")
    nifti(np.zeros_like(LIVER))(tmp_path / "mask")
    text = f"patient,visit,date,region,phase,path,mask_liver\n{KEY},baseline,2024-03-01,abdomen,portal,{KEY}/b,mask.nii.gz\n"
    scans = parse_scans(text.encode(), ImagesFolder(tmp_path, tmp_path.resolve()), two_organs(), date(2026, 1, 1))
    modelled = {"liver": Target(model="any", labels=(1,))}
    assert not {problem.code for problem in peek((ROW,), scans, None, tmp_path, None, modelled)} & REFUSALS
