"""Thirty-eight further kinds of trap, as exports of archives hold them; each as in `traps`.

When first tried, with the rules unread for them, three were silent (lossy compression, a slab of 4 cm, thin slices with gaps)
and one was asked about in a way that could be answered wrongly (pixel sizes rounded differently within a series).
"""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from tests.client.intake.survey.more_traps import of_values
from tests.client.intake.survey.traps import BASELINE, FOLLOWUP, HU, LATER, both, series, trap
from tests.client.made_scans import write_nifti, write_series


def of_both(folder: Path, key: str, change: Any, **more: Any) -> None:
    series(folder / "b", key, BASELINE, change=change, **more)
    series(folder / "f", key, FOLLOWUP, change=change, **more)


@trap("right", "b", "f")
def no_patient_id_anywhere(folder: Path, key: str) -> None:
    def bare(dataset: Any, k: int) -> None:
        del dataset.PatientID, dataset.PatientName

    of_both(folder, key, bare)


@trap("right", "b", "f")
def lying_prone_feet_first(folder: Path, key: str) -> None:
    def turned(dataset: Any, k: int) -> None:
        dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        dataset.ImagePositionPatient = [229.0, 229.0, 500.0 - 5.0 * k]

    of_both(folder, key, turned)


@trap("right", "b", "f")
def every_file_twice_under_another_name(folder: Path, key: str) -> None:
    both(folder, key)
    for visit in ("b", "f"):
        (folder / visit / "copy").mkdir()
        for path in [one for one in (folder / visit).iterdir() if one.is_file()]:
            shutil.copy(path, folder / visit / "copy" / f"z{path.name}")


@trap("right", "b", "f")
def one_instance_uid_for_all_slices(folder: Path, key: str) -> None:
    def same(dataset: Any, k: int) -> None:
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"

    of_both(folder, key, same)


@trap("finding", "lacks 4 slices")
def four_slices_missing_in_the_middle(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, leave_out=(10, 11, 12, 13))
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "mm apart")
def half_of_the_series_with_thin_slices(folder: Path, key: str) -> None:
    def thinner(dataset: Any, k: int) -> None:
        if k >= 12:
            dataset.ImagePositionPatient = [-100.0, -100.0, 60.0 + 2.0 * (k - 12)]

    series(folder / "b", key, BASELINE, change=thinner)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "end before their pixels do")
def files_cut_off_by_a_full_disk(folder: Path, key: str) -> None:
    both(folder, key)
    for path in sorted((folder / "b").iterdir())[5:9]:
        path.write_bytes(path.read_bytes()[:-900])


@trap("finding", "deflated")
def deflated_files(folder: Path, key: str) -> None:
    both(folder, key)
    for path in (folder / "b").iterdir():
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(path)


@trap("right", "b", "f")
def run_length_coded_files(folder: Path, key: str) -> None:
    both(folder, key)
    for visit in ("b", "f"):
        for path in (folder / visit).iterdir():
            dataset = dcmread(path)
            dataset.compress(RLELossless)
            dataset.save_as(path)


@trap("right", "b", "f")
def a_private_block_of_forty_kilobytes(folder: Path, key: str) -> None:
    def private(dataset: Any, k: int) -> None:
        block = dataset.private_block(0x0019, "VENDOR CT 1", create=True)
        block.add_new(0x10, "OB", bytes(40_000))

    of_both(folder, key, private)


@trap("finding", "fit equally")
def two_energies_under_one_number(folder: Path, key: str) -> None:
    for visit, date, hu in (("b", BASELINE, HU), ("f", FOLLOWUP, LATER)):
        for kv, values in (("80", hu), ("140", (hu * 0.98).astype(np.int16))):
            of_values(folder / visit, key, date, values, SeriesInstanceUID=f"1.8.{date}", KVP=kv, prefix=f"e{kv}")


@trap("right", "b", "f")
def only_a_date_and_time_with_a_time_zone(folder: Path, key: str) -> None:
    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):

        def zoned(dataset: Any, k: int, date: str = date) -> None:
            del dataset.AcquisitionDate, dataset.StudyDate, dataset.AcquisitionTime
            dataset.AcquisitionDateTime = f"{date}233000.000000+0100"

        series(folder / visit, key, date, change=zoned)


@trap("finding", "none for this visit")
def dates_of_the_year_1900(folder: Path, key: str) -> None:
    def old(dataset: Any, k: int) -> None:
        dataset.AcquisitionDate = dataset.StudyDate = "19000101"

    of_both(folder, key, old)


@trap("finding", "1 day before")
def a_leap_day(folder: Path, key: str) -> None:
    series(folder / "b", key, "20240229")
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "no date tells the visit")
def a_day_that_does_not_exist(folder: Path, key: str) -> None:
    series(folder / "b", key, "20240230")
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def one_folder_twice_through_a_link(folder: Path, key: str) -> None:
    both(folder, key)
    (folder / "z").symlink_to("b")


@trap("finding", "fit equally")
def two_folders_that_differ_in_case(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "B", key, BASELINE, shift=2)


@trap("right", "DICOM/ST1/SE1", "DICOM/ST2/SE1")
def a_disc_with_dicomdir_and_short_names(folder: Path, key: str) -> None:
    series(folder / "DICOM" / "ST1" / "SE1", key, BASELINE, SeriesInstanceUID="1.9.1", prefix="IMG")
    series(folder / "DICOM" / "ST2" / "SE1", key, FOLLOWUP, SeriesInstanceUID="1.9.2", prefix="IMG")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + bytes(200))
    (folder / "AUTORUN.INF").write_text("[autorun]\nopen=viewer.exe\n")
    (folder / "VIEWER.EXE").write_bytes(b"MZ" + bytes(300))


@trap("right", "b", "f")
def dicom_files_called_like_pictures_and_texts(folder: Path, key: str) -> None:
    both(folder, key)
    for visit, suffix in (("b", ".jpg"), ("f", ".001")):
        for path in list((folder / visit).iterdir()):
            path.rename(path.with_suffix(suffix))


@trap("right", "b", "f")
def the_same_scan_as_dicom_and_as_nifti(folder: Path, key: str) -> None:
    both(folder, key)
    write_nifti(folder / "baseline_abdomen.nii.gz", HU)


@trap("right", "b", "f")
def pixel_sizes_rounded_differently_from_slice_to_slice(folder: Path, key: str) -> None:
    def rounded(dataset: Any, k: int) -> None:
        dataset.PixelSpacing = [7.00004, 7.00004] if k % 2 else [7.00006, 7.00006]

    of_both(folder, key, rounded)


@trap("right", "b", "f")
def a_table_that_sags_by_a_tenth_of_a_millimetre(folder: Path, key: str) -> None:
    def sags(dataset: Any, k: int) -> None:
        dataset.ImagePositionPatient = [-100.0, -100.0 + 0.004 * k, 5.0 * k]

    of_both(folder, key, sags)


@trap("right", "b", "f")
def no_instance_numbers_and_names_out_of_order(folder: Path, key: str) -> None:
    def bare(dataset: Any, k: int) -> None:
        del dataset.InstanceNumber, dataset.AcquisitionNumber

    of_both(folder, key, bare)
    for path in sorted((folder / "b").iterdir()):
        path.rename(path.with_name(f"z{zlib.crc32(path.name.encode())}"))


@trap("finding", "several abdomen scans of this visit fit equally")
def one_series_sent_twice_under_new_numbers(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "again", key, BASELINE)


@trap("finding", "baseline abdomen scan lacks one slice")
def one_slice_of_another_matrix(folder: Path, key: str) -> None:
    def other(dataset: Any, k: int) -> None:
        if k == 9:
            dataset.Rows = dataset.Columns = 24
            dataset.PixelSpacing = [14.0, 14.0]
            dataset.PixelData = dataset.PixelData[: 24 * 24 * 2]

    series(folder / "b", key, BASELINE, change=other)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "compressed with loss")
def lossy_compression(folder: Path, key: str) -> None:
    def lossy(dataset: Any, k: int) -> None:
        dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", "12.5"

    series(folder / "b", key, BASELINE, change=lossy)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "covers")
def a_slab_of_four_centimetres(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, leave_out=(*range(8), *range(16, 24)))
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "every 15 mm")
def thin_slices_with_gaps_between_them(folder: Path, key: str) -> None:
    for visit, date, hu in (("b", BASELINE, HU), ("f", FOLLOWUP, LATER)):
        tags = {"SeriesInstanceUID": f"1.8.1.{date}", "StudyInstanceUID": f"1.5.{date}", "PatientID": f"K{key}", "AcquisitionDate": date}
        tags |= {"StudyDate": date, "SeriesDescription": "Abdomen portal 1.0", "AcquisitionTime": "101500", "SliceThickness": 1.0}
        write_series(folder / visit, hu[::2], (15.0 if visit == "b" else 10.0, 7.0, 7.0), **tags)


@trap("finding", "inverted grey")
def inverted_grey(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PhotometricInterpretation="MONOCHROME1")
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "neither names nor length tell")
def a_pelvis(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, name="Becken portal 5.0")
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "no key of cohort.csv fits")
def a_folder_called_like_the_key_and_more(folder: Path, key: str) -> None:
    both(folder.with_name(f"{key}_CT_2024"), key)


@trap("right", "PATIENT7/b", "PATIENT7/f")
def a_folder_called_like_the_key_in_other_case(folder: Path, key: str) -> None:
    both(folder.with_name(key.upper()), key)


@trap("finding", "no usable CT")
def an_empty_folder(folder: Path, key: str) -> None:
    (folder / "b").mkdir(parents=True)


@trap("finding", "patient id")
def an_id_with_the_hospital_behind_it(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientID=f"K{key}")
    series(folder / "f", key, FOLLOWUP, PatientID=f"X{key}")


@trap("finding", "shows")
def an_even_shift_of_a_hundred(folder: Path, key: str) -> None:
    of_values(folder / "b", key, BASELINE, HU + 100)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "phase is unknown")
def a_phase_in_the_comments_only(folder: Path, key: str) -> None:
    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):
        series(folder / visit / "1", key, date, name="Abdomen 5.0", ImageComments="portal", AcquisitionTime="101500")
        series(folder / visit / "2", key, date, name="Abdomen 5.0", ImageComments="arterial", AcquisitionTime="101400", shift=3)


@trap("finding", "after the first dose")
def baseline_and_followup_exchanged_in_the_headers(folder: Path, key: str) -> None:
    series(folder / "b", key, "20240401")
    series(folder / "f", key, "20240310")


@trap("finding", "others: lies after the first dose")
def a_scan_of_the_future(folder: Path, key: str) -> None:
    series(folder / "b", key, "20990301")
    series(folder / "f", key, FOLLOWUP)
