"""Structure sets and segmentations as masks: pydicom writes them, an independent polygon test is the oracle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from client.imaging.volume import Source, Volume
from client.intake.masks.dicom_masks import described, filled, read_dicom_mask
from client.intake.masks.read_mask import read_any_mask
from client.intake.masks.target_from_name import target_of
from site_config.problems.base import Problem
from tests.client.made_scans import write_nifti

SERIES = "1.2.3.77"
SHAPE = (12, 40, 44)
ORIGIN = np.array([-80.0, -60.0, 10.0])
STEP = (5.0, 3.0, 2.5)


def volume(series: str = SERIES) -> Volume:
    hu = np.zeros(SHAPE, dtype=np.int16)
    return Volume(hu, np.arange(SHAPE[0]) * STEP[0], STEP[1:], ORIGIN, np.eye(3), source=Source(series_uid=series))


def new(sop: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, sop, generate_uid()
    dataset = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop, meta.MediaStorageSOPInstanceUID
    return dataset


def one(**values: Any) -> Dataset:
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def circle(x: float, y: float, radius: float, z: float, points: int = 60) -> list[float]:
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return [float(f"{n:.4f}") for a in angles for n in (x + radius * np.cos(a), y + radius * np.sin(a), z)]


def write_rtstruct(path: Path, contours: dict[str, list[list[float]]], series: str = SERIES) -> Path:
    dataset = new("1.2.840.10008.5.1.4.1.1.481.3")
    dataset.Modality = "RTSTRUCT"
    referenced = one(RTReferencedSeriesSequence=Sequence([one(SeriesInstanceUID=series)]))
    dataset.ReferencedFrameOfReferenceSequence = Sequence([one(RTReferencedStudySequence=Sequence([referenced]))])
    dataset.StructureSetROISequence = Sequence([one(ROINumber=k, ROIName=name) for k, name in enumerate(contours, start=1)])
    dataset.ROIContourSequence = Sequence(
        [
            one(
                ReferencedROINumber=k,
                ContourSequence=Sequence([one(ContourGeometricType="CLOSED_PLANAR", ContourData=points) for points in drawn]),
            )
            for k, drawn in enumerate(contours.values(), start=1)
        ]
    )
    dataset.save_as(path, enforce_file_format=True)
    return path


def expected(x: float, y: float, radius: float) -> Any:
    """The same circle by matplotlib's point test, (y, x)."""
    rows, columns = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[2]), indexing="ij")
    points = np.stack([ORIGIN[0] + columns * STEP[2], ORIGIN[1] + rows * STEP[1]], axis=-1).reshape(-1, 2)
    polygon = np.array(circle(x, y, radius, 0)).reshape(-1, 3)[:, :2]
    return Polygon(polygon).contains_points(points).reshape(SHAPE[1:])


def test_contours_become_the_pixels_whose_centres_lie_inside(tmp_path: Path) -> None:
    drawn = {"Liver": [circle(-20, 0, 35, 10 + 5 * k) for k in range(2, 8)], "GTV_HCC": [circle(-10, 5, 12, 25), circle(-10, 5, 12, 30)]}
    path = write_rtstruct(tmp_path / "rs.dcm", drawn)
    liver = read_dicom_mask(path, volume(), "liver", (), "m")
    assert [bool(plane.any()) for plane in liver] == [2 <= k < 8 for k in range(12)]
    assert (liver[3] != expected(-20, 0, 35)).sum() <= 2
    tumour = read_any_mask(path, volume(), "liver_tumour", (), (), "m")
    assert tumour[3].any() and tumour[4].any() and tumour.sum() == tumour[3:5].sum()


def test_a_contour_within_another_is_a_hole(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"Liver": [circle(-20, 0, 35, 20), circle(-20, 0, 10, 20)]})
    mask = read_dicom_mask(path, volume(), "liver", (), "m")
    assert (mask[2] != (expected(-20, 0, 35) & ~expected(-20, 0, 10))).sum() <= 4


def ring(x: float, y: float, outer: float, inner: float, z: float) -> list[float]:
    """One contour with a slit to its hole, as programs without holes write it."""
    around, hole = (np.array(circle(x, y, radius, z)).reshape(-1, 3) for radius in (outer, inner))
    joined = np.concatenate([around, around[:1], hole[::-1][-1:], hole[::-1], around[:1]])
    return [float(number) for number in joined.ravel()]


OUTER, HOLE, ISLAND = circle(-20, 0, 30, 20), circle(-20, 0, 18, 20), circle(-20, 0, 8, 20)
BESIDE = circle(-5, 0, 25, 20)


@pytest.mark.parametrize(
    ("drawn", "is_marked"),
    [
        ({"Liver": [OUTER, OUTER]}, lambda of: of(-20, 30)),
        ({"Liver": [OUTER, HOLE, HOLE]}, lambda of: of(-20, 30) & ~of(-20, 18)),
        ({"Liver": [ISLAND, HOLE, OUTER]}, lambda of: of(-20, 30) & ~of(-20, 18) | of(-20, 8)),
        ({"Liver": [ring(-20, 0, 30, 18, 20)]}, lambda of: of(-20, 30) & ~of(-20, 18)),
        ({"Liver": [OUTER, BESIDE]}, lambda of: of(-20, 30) | of(-5, 25)),
        ({"Liver": [circle(-20, 0, 26, 18), OUTER, circle(-20, 0, 34, 22)]}, lambda of: of(-20, 30)),
    ],
)
def test_contours_of_one_slice_neither_cancel_nor_fill_each_other(tmp_path: Path, drawn: Any, is_marked: Any) -> None:
    """A contour exported twice, or drawn on thinner slices than the scan's, left an empty mask without a word."""
    mask = read_dicom_mask(write_rtstruct(tmp_path / "rs", drawn), volume(), "liver", (), "a mask")
    assert (mask[2] != is_marked(lambda x, radius: expected(x, 0, radius))).sum() <= 4 and mask.any(axis=(1, 2)).sum() == 1


def test_structures_that_overlap_are_joined(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs", {"one": [OUTER], "two": [BESIDE]})
    mask = read_dicom_mask(path, volume(), "liver", ("one", "two"), "a mask")
    assert (mask[2] != (expected(-20, 0, 30) | expected(-5, 0, 25))).sum() <= 4


def test_contours_on_every_second_slice_are_joined(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"Leber": [circle(-20, 0, 30, 10 + 10 * k) for k in range(1, 5)]})
    mask = read_dicom_mask(path, volume(), "liver", (), "m")
    assert all(mask[k].any() for k in range(2, 9))


@pytest.mark.parametrize(
    ("contours", "series", "structures", "code"),
    [
        ({"Liver": [circle(-20, 0, 30, 20)]}, "9.9", (), "FH-320"),
        ({"Milz": [circle(-20, 0, 30, 20)]}, SERIES, (), "FH-365"),
        ({"Liver": [circle(-20, 0, 30, 20)], "Liver old": [circle(-20, 0, 20, 20)]}, SERIES, (), "FH-365"),
        ({"Liver": [circle(-20, 0, 30, 20)]}, SERIES, ("Hepar",), "FH-365"),
        ({"Liver": [circle(-20, 0, 30, 500), circle(-20, 0, 30, 505)]}, SERIES, (), "FH-320"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, contours: Any, series: str, structures: tuple[str, ...], code: str) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", contours, series)
    with pytest.raises(Problem) as caught:
        read_dicom_mask(path, volume(), "liver", structures, "m")
    assert caught.value.code == code


@pytest.mark.parametrize(("frame", "refused"), [("1.9.1", False), ("1.9.2", True), ("", False)])
def test_structures_that_name_no_series_are_of_the_scans_frame_of_reference(tmp_path: Path, frame: str, refused: bool) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"Liver": [circle(-20, 0, 30, 20)]}, "")
    dataset = dcmread(path)
    dataset.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = frame
    dataset.save_as(path)
    seg = dcmread(write_seg(tmp_path / "seg.dcm", {"Liver": np.ones((1, *SHAPE[1:]), dtype=bool)}))
    seg.FrameOfReferenceUID = frame
    del seg.ReferencedSeriesSequence
    seg.save_as(tmp_path / "seg.dcm")
    scan = replace(volume(), source=Source(series_uid=SERIES, frame_uid="1.9.1"))
    for file in (path, tmp_path / "seg.dcm"):
        if refused:
            with pytest.raises(Problem) as caught:
                read_dicom_mask(file, scan, "liver", (), "m")
            assert caught.value.code == "FH-320"
        else:
            assert read_dicom_mask(file, scan, "liver", (), "m").any()


def test_a_file_of_several_labels_must_say_which_are_meant(tmp_path: Path) -> None:
    values = np.zeros(SHAPE, dtype=np.int16)
    values[2:5, 5:20, 5:20], values[5:8, 5:20, 5:20] = 5, 300
    spot = replace(volume(), origin_mm=np.zeros(3))
    path = write_nifti(tmp_path / "seg.nii.gz", values, STEP)
    with pytest.raises(Problem) as caught:
        read_any_mask(path, spot, "liver", (), (), "m")
    assert caught.value.code == "FH-321" and "5 and 300" in caught.value.what
    assert read_any_mask(path, spot, "liver", (300,), (), "m").sum() == 3 * 15 * 15
    assert read_any_mask(path, spot, "liver", (5, 300), (), "m").sum() == 6 * 15 * 15
    write_nifti(tmp_path / "one.nii.gz", np.where(values == 300, 255, 0).astype(np.uint8), STEP)
    assert read_any_mask(tmp_path / "one.nii.gz", spot, "liver", (), (), "m").sum() == 3 * 15 * 15


def test_a_named_structure_wins(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"Liver": [circle(-20, 0, 30, 20)], "Liver old": [circle(-20, 0, 20, 20)]})
    small = read_dicom_mask(path, volume(), "liver", ("liver old",), "m")
    assert 0 < small.sum() < read_dicom_mask(path, volume(), "liver", ("Liver",), "m").sum()
    said = described(path)
    assert said is not None and said.names == ("Liver", "Liver old") and said.series == {SERIES}


def write_seg(path: Path, masks: dict[str, Any], flip: bool = False, fractional: bool = False) -> Path:
    """A DICOM SEG; `flip` writes its rows from the back to the front, as some writers do."""
    dataset = new("1.2.840.10008.5.1.4.1.1.66.4")
    dataset.Modality, dataset.SegmentationType = "SEG", "FRACTIONAL" if fractional else "BINARY"
    dataset.ReferencedSeriesSequence = Sequence([one(SeriesInstanceUID=SERIES)])
    dataset.SegmentSequence = Sequence([one(SegmentNumber=k, SegmentLabel=name) for k, name in enumerate(masks, start=1)])
    orientation = [1, 0, 0, 0, -1, 0] if flip else [1, 0, 0, 0, 1, 0]
    dataset.SharedFunctionalGroupsSequence = Sequence(
        [
            one(
                PlaneOrientationSequence=Sequence([one(ImageOrientationPatient=orientation)]),
                PixelMeasuresSequence=Sequence([one(PixelSpacing=[STEP[1], STEP[2]])]),
            )
        ]
    )
    frames, groups = [], []
    for number, mask in enumerate(masks.values(), start=1):
        for k in np.flatnonzero(mask.any(axis=(1, 2))):
            frames.append(mask[k][::-1] if flip else mask[k])
            y = ORIGIN[1] + (STEP[1] * (SHAPE[1] - 1) if flip else 0)
            position = [float(ORIGIN[0]), float(y), float(ORIGIN[2] + STEP[0] * k)]
            groups.append(
                one(
                    PlanePositionSequence=Sequence([one(ImagePositionPatient=position)]),
                    SegmentIdentificationSequence=Sequence([one(ReferencedSegmentNumber=number)]),
                )
            )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    stack = np.stack(frames)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = SHAPE[1], SHAPE[2], len(stack)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 8 if fractional else 1
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    if fractional:
        dataset.MaximumFractionalValue = 200
        dataset.PixelData = (stack * np.uint8(180)).astype(np.uint8).tobytes()
    else:
        dataset.PixelData = np.packbits(stack.ravel(), bitorder="little").tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("fractional", [False, True])
def test_segments_lie_where_their_frames_say(tmp_path: Path, flip: bool, fractional: bool) -> None:
    rng = np.random.default_rng(1)
    liver, tumour = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    liver[3:9, 5:30, 6:35] = rng.random((6, 25, 29)) > 0.4
    tumour[4:6, 10:15, 10:20] = True
    path = write_seg(tmp_path / "seg.dcm", {"Liver": liver, "HCC lesion": tumour}, flip, fractional)
    assert np.array_equal(read_any_mask(path, volume(), "liver", (), (), "m"), liver)
    assert np.array_equal(read_any_mask(path, volume(), "liver_tumour", (), (), "m"), tumour)


def test_a_segmentation_between_the_slices_is_refused(tmp_path: Path) -> None:
    liver = np.zeros(SHAPE, bool)
    liver[3:5, 5:9, 5:9] = True
    path = write_seg(tmp_path / "seg.dcm", {"Liver": liver})
    moved = volume()
    moved = Volume(moved.hu, moved.z_mm, moved.spacing_mm, ORIGIN + np.array([0.0, 0.0, 2.0]), moved.axes, source=moved.source)
    with pytest.raises(Problem) as caught:
        read_dicom_mask(path, moved, "liver", (), "m")
    assert caught.value.code == "FH-320"


def test_a_folder_of_totalsegmentator_is_one_mask_a_target(tmp_path: Path) -> None:
    left, right = np.zeros((8, 16, 16), np.uint8), np.zeros((8, 16, 16), np.uint8)
    left[2:5, 2:6, 2:6], right[2:5, 2:6, 9:13] = 1, 1
    write_nifti(tmp_path / "lung_upper_lobe_left.nii.gz", left)
    write_nifti(tmp_path / "lung_lower_lobe_right.nii.gz", right)
    write_nifti(tmp_path / "liver.nii.gz", left)
    scan = Volume(np.zeros((8, 16, 16), np.int16), np.arange(8) * 5.0, (7.0, 7.0), np.zeros(3), np.eye(3))
    lung = read_any_mask(tmp_path, scan, "lung", (), (), "m")
    assert np.array_equal(lung, (left | right).astype(bool))
    with pytest.raises(Problem) as caught:
        read_any_mask(tmp_path, scan, "liver_tumour", (), (), "m")
    assert caught.value.code == "FH-322"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *(
            ("Leber", "liver"),
            ("LIVER", "liver"),
            ("Foie", "liver"),
            ("肝臓", "liver"),
            ("Liver tumor 1", "liver_tumour"),
            ("HCC", "liver_tumour"),
        ),
        *(("Lunge links", "lung"), ("Lung nodule", "lung_tumour"), ("Liver-GTV", None), ("Spleen", None), ("PRV Liver", None)),
    ],
)
def test_names_that_people_give(name: str, target: str | None) -> None:
    assert target_of(name) == target


def test_a_polygon_off_the_image_is_cut() -> None:
    mask = filled(np.array([[-5.0, -5.0], [3.2, -5.0], [3.2, 3.2], [-5.0, 3.2]]), (6, 6))
    assert mask.sum() == 16 and mask[:4, :4].all()
