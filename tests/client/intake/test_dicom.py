"""DICOM traps: every real file set with a fault gives its finding and no wrong volume (bar 2); generated ones for the rest."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.imaging.volume import Volume
from client.intake.dicom.read_dicom import offer
from client.intake.names.phase_from_name import phase_in, phase_of
from client.intake.names.scanner_makers import closed_set
from client.intake.read_scan import read_scan
from site_config.problems.base import Problem
from site_config.tables.cohort_csv import Scan
from tests.client.made_scans import body, write_series


def scan_of(path: Path, region: Any = "abdomen", phase: str | None = None, uid: str | None = None) -> Scan:
    return Scan("P1", "baseline", 0.0, None, region, phase, path, {}, uid, None, 2)


def outcome(path: Path, **options: Any) -> tuple[Volume | None, list[str], str]:
    """The volume, if any, the codes in order, and all texts."""
    try:
        volume, findings = read_scan(scan_of(path, **options), "the scan")
    except Problem as problem:
        every = [problem, *problem.others]
        return None, [one.code for one in every], " ".join(one.what for one in every)
    return volume, [finding.code for finding in findings], " ".join(finding.what for finding in findings)


# --- real files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "codes", "words"),
    [
        ("dicom_faults/gantry_tilt", ["FH-308"], "14.0 degrees"),
        ("dicom_faults/missing_slice", ["FH-327", "FH-311"], "lacks one slice, at 33.1 mm"),  # its pixels were made noise
        ("dicom_faults/same_position", ["FH-310"], "4 files of the scan lie at 1 position"),
        ("dicom_singles", ["FH-338"], "patients"),
        ("dicom_singles/dicomdirtests", ["FH-338"], "2 patients"),
    ],
)
def test_real_fault_sets_give_their_finding_and_no_volume(shared_data: Path, folder: str, codes: list[str], words: str) -> None:
    volume, found, text = outcome(shared_data / "ct" / folder)
    assert volume is None
    assert found == codes
    assert words in text


@pytest.mark.parametrize(
    ("files", "codes"),
    [
        (["CT_small.dcm"], ["FH-307"]),
        (["eCT_Supplemental.dcm"], ["FH-314"]),
        (["rtstruct.dcm"], ["FH-316"]),
        (["693_J2KR.dcm", "693_UNCI.dcm"], ["FH-307", "FH-307"]),
        (["dicomdirtests/98892001_CT2N_6293", "dicomdirtests/98892001_CT2N_6924"], ["FH-316"]),
        (["dicomdirtests/77654033_CT2_17106", "dicomdirtests/77654033_CT2_17136", "dicomdirtests/77654033_CT2_17166"], ["FH-309"]),
        ([f"dicomdirtests/98892001_CT5N_{n}" for n in (2062, 2392, 2693, 3023, 3353)], []),
    ],
)
def test_real_single_files(shared_data: Path, tmp_path: Path, files: list[str], codes: list[str]) -> None:
    for file in files:
        shutil.copy(shared_data / "ct" / "dicom_singles" / file, tmp_path)
    volume, found, _ = outcome(tmp_path)
    assert found == codes
    assert (volume is None) == bool(codes)
    if volume is not None:
        assert volume.shape == (5, 16, 16) and volume.slice_mm == pytest.approx(2.5)


def test_a_single_file_as_path_is_told_by_what_it_is(shared_data: Path) -> None:
    singles = shared_data / "ct" / "dicom_singles"
    assert outcome(singles / "eCT_Supplemental.dcm")[1] == ["FH-314"]
    assert outcome(singles / "CT_small.dcm")[1] == ["FH-307"]


def test_the_real_series_is_read_where_it_lies(shared_data: Path) -> None:
    import SimpleITK as sitk

    folder = shared_data / "ct" / "ts" / "example_ct_dicom"
    volume, codes, _ = outcome(folder)
    assert volume is not None and codes == []
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    reference = sitk.DICOMOrient(sitk.ReadImage(files), "LPS")
    np.testing.assert_array_equal(volume.hu, np.clip(sitk.GetArrayFromImage(reference), -1024, 3071))
    np.testing.assert_allclose(volume.origin_mm, reference.GetOrigin(), atol=1e-3)
    assert (volume.slice_mm, volume.manufacturer, volume.phase) == (2.0, "SIEMENS", "portal")


# --- generated series ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hu() -> np.ndarray[Any, np.dtype[np.int16]]:
    return body((20, 48, 48))[0]


def test_a_clean_series_comes_back_as_it_was_written(tmp_path: Path, hu: Any) -> None:
    volume, codes, _ = outcome(write_series(tmp_path / "s", hu))
    assert volume is not None and codes == []
    np.testing.assert_array_equal(volume.hu, hu)
    assert volume.slice_mm == 5.0 and volume.spacing_mm == (7.0, 7.0)


def test_feet_first_and_flipped_slices_are_turned_to_lps(tmp_path: Path, hu: Any) -> None:
    def turn(dataset: Any, k: int) -> None:
        dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        dataset.ImagePositionPatient = [-100.0 + 47 * 7, -100.0 + 47 * 7, float(k * 5)]
        dataset.PixelData = (hu[k][::-1, ::-1].astype(np.int32) + 1024).astype("<u2").tobytes()

    volume, _, _ = outcome(write_series(tmp_path / "s", hu, change=turn))
    assert volume is not None
    np.testing.assert_array_equal(volume.hu, hu)
    np.testing.assert_allclose(volume.origin_mm, [-100, -100, 0])


def test_one_missing_slice_is_named_and_interpolated_at_its_place(tmp_path: Path, hu: Any) -> None:
    volume, codes, text = outcome(write_series(tmp_path / "s", hu, leave_out=(7,)))
    assert volume is not None and codes == ["FH-311"] and "35.0 mm" in text
    assert "slice_interpolated" in volume.flags and volume.z_mm[7] == 40.0


@pytest.mark.parametrize("gone", [(7, 8), (4, 12), (3, 4, 5)])
def test_several_missing_slices_are_refused(tmp_path: Path, hu: Any, gone: tuple[int, ...]) -> None:
    volume, codes, text = outcome(write_series(tmp_path / "s", hu, leave_out=gone))
    assert volume is None and codes == ["FH-309"] and f"lacks {len(gone)} slices" in text


@pytest.mark.parametrize("degrees", [3.0, 12.5, 25.0])
def test_gantry_tilt_is_refused_with_its_angle(tmp_path: Path, hu: Any, degrees: float) -> None:
    angle = np.radians(degrees)

    def tilt(dataset: Any, k: int) -> None:
        dataset.ImageOrientationPatient = [1, 0, 0, 0, round(float(np.cos(angle)), 8), round(float(np.sin(angle)), 8)]

    volume, codes, text = outcome(write_series(tmp_path / "s", hu, change=tilt))
    assert volume is None and codes == ["FH-308"] and f"{degrees:.1f} degrees" in text


def test_coronal_and_sagittal_series_are_refused(tmp_path: Path, hu: Any) -> None:
    def coronal(dataset: Any, k: int) -> None:
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [0.0, float(5 * k), 0.0]

    assert outcome(write_series(tmp_path / "s", hu, change=coronal))[1] == ["FH-319"]


def test_copies_of_a_slice_are_used_once_and_told(tmp_path: Path, hu: Any) -> None:
    folder = write_series(tmp_path / "s", hu)
    shutil.copy(folder / "slice004", folder / "copy_of_4")
    volume, codes, _ = outcome(folder)
    assert volume is not None and codes == ["FH-312"] and volume.shape == hu.shape
    np.testing.assert_array_equal(volume.hu, hu)


def test_two_phases_in_one_series_are_told_apart_by_acquisition_and_left_to_a_person(tmp_path: Path, hu: Any) -> None:
    folder = write_series(tmp_path / "s", hu, SeriesInstanceUID="1.2.3.4", AcquisitionNumber=1, prefix="a")
    write_series(folder, hu + 30, SeriesInstanceUID="1.2.3.4", AcquisitionNumber=2, prefix="b")
    assert outcome(folder)[1] == ["FH-317"]
    assert len(offer(folder, "x").candidates) == 2


def test_different_slices_at_one_position_without_acquisitions_are_refused(tmp_path: Path, hu: Any) -> None:
    folder = write_series(tmp_path / "s", hu, SeriesInstanceUID="1.2.3.4", prefix="a")
    write_series(folder, hu + 30, SeriesInstanceUID="1.2.3.4", prefix="b")
    assert outcome(folder)[1] == ["FH-310"]


def test_contiguous_acquisitions_are_one_volume(tmp_path: Path, hu: Any) -> None:
    def halves(dataset: Any, k: int) -> None:
        dataset.AcquisitionNumber = 1 if k < 10 else 2

    volume, codes, _ = outcome(write_series(tmp_path / "s", hu, change=halves))
    assert volume is not None and codes == [] and volume.shape == hu.shape


def test_the_portal_venous_series_is_chosen_and_the_table_wins(tmp_path: Path, hu: Any) -> None:
    write_series(tmp_path / "s", hu, SeriesInstanceUID="1.1", SeriesDescription="Leber arteriell", prefix="a")
    write_series(tmp_path / "s", hu + 9, SeriesInstanceUID="1.2", SeriesDescription="Leber portalvenös", prefix="b")
    write_series(tmp_path / "s", hu + 18, SeriesInstanceUID="1.3", SeriesDescription="Leber nativ", prefix="c")
    volume, _, _ = outcome(tmp_path / "s")
    assert volume is not None and volume.phase == "portal"
    volume, _, _ = outcome(tmp_path / "s", phase="arterial")
    assert volume is not None and volume.phase == "arterial"
    volume, _, _ = outcome(tmp_path / "s", uid="1.3")
    assert volume is not None and volume.phase == "native"


def test_equals_are_never_chosen_between_silently(tmp_path: Path, hu: Any) -> None:
    write_series(tmp_path / "s", hu, SeriesInstanceUID="1.1", SeriesDescription="portal B30", prefix="a")
    write_series(tmp_path / "s", hu, SeriesInstanceUID="1.2", SeriesDescription="portal B31", prefix="b")
    volume, codes, _ = outcome(tmp_path / "s")
    assert volume is None and codes == ["FH-317"]
    write_series(tmp_path / "t", hu, SeriesInstanceUID="1.1", SeriesDescription="portal B30", prefix="a")
    write_series(tmp_path / "t", hu + 9, SeriesInstanceUID="1.2", SeriesDescription="portal B70", prefix="b")
    volume, codes, _ = outcome(tmp_path / "t")
    assert volume is not None and volume.source.series_uid == "1.1"  # the soft kernel


def test_one_garbage_file_and_other_objects_never_cost_the_rest(tmp_path: Path, hu: Any) -> None:
    folder = write_series(tmp_path / "s", hu)
    (folder / "notes.txt").write_text("hello")
    (folder / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    write_series(folder, hu[:1], SeriesInstanceUID="9.1", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], prefix="scout")
    write_series(folder, hu[:1], SeriesInstanceUID="9.2", Modality="SR", prefix="report")
    write_series(folder, hu[:2], SeriesInstanceUID="9.3", ImageType=["DERIVED", "SECONDARY", "REFORMATTED"], prefix="mpr")
    volume, codes, text = outcome(folder)
    assert volume is not None and volume.shape == hu.shape and codes == ["FH-313"]
    assert "localizer" in text and "not DICOM" in text and "another modality" in text and "derived" in text


def test_missing_tags_that_real_archives_lack_do_no_harm(tmp_path: Path, hu: Any) -> None:
    def bare(dataset: Any, k: int) -> None:
        dataset.SeriesInstanceUID = ""
        del dataset.Manufacturer, dataset.Modality, dataset.AcquisitionNumber, dataset.SeriesDescription

    volume, codes, _ = outcome(write_series(tmp_path / "s", hu, change=bare))
    assert volume is not None and codes == [] and closed_set(volume.manufacturer) == "unknown"


def test_padding_below_air_is_clamped(tmp_path: Path, hu: Any) -> None:
    def pad(dataset: Any, k: int) -> None:
        values = hu[k].astype(np.int16).copy()
        values[:4] = -3995 + 1024
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = (np.where(values < -2000, values, values + 1024)).astype("<i2").tobytes()

    volume, _, _ = outcome(write_series(tmp_path / "s", hu, change=pad))
    assert volume is not None and volume.hu.min() == -1024


def test_files_of_two_patients_in_one_folder_stop_before_a_volume(tmp_path: Path, hu: Any) -> None:
    write_series(tmp_path / "s", hu, PatientID="A", prefix="a")
    write_series(tmp_path / "s", hu, PatientID="B", SeriesInstanceUID="1.9", prefix="b")
    assert outcome(tmp_path / "s")[1] == ["FH-338"]


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("Abd portal venous 3.0", "portal"),
        ("Abdomen ven. 5mm", "portal"),
        ("LIVER_PV_2.5", "portal"),
        ("Phase artérielle", "arterial"),
        ("spät 5 min", "delayed"),
        ("ABD W/O CONTRAST", "native"),
        ("sans injection", "native"),
        ("腹部静脉期", "portal"),
        ("arterial + portal", None),
        ("Heart parenchyma", None),
    ],
)
def test_phase_words(text: str, phase: str | None) -> None:
    assert phase_in(text) == phase


def test_phase_from_injection_times() -> None:
    assert phase_of({"ContrastBolusStartTime": "101500", "AcquisitionTime": "101610.5"}) == "portal"
    assert phase_of({"ContrastBolusStartTime": "1015", "AcquisitionTime": "101610"}) is None


def test_manufacturers_become_a_closed_set() -> None:
    names = ["SIEMENS", "GE MEDICAL SYSTEMS", "Philips Medical Systems", "TOSHIBA_MEC", "UIH", "", None, "Acme"]
    assert [closed_set(name) for name in names] == ["siemens", "ge", "philips", "canon", "united imaging", "unknown", "unknown", "other"]
