"""Twenty-three further kinds of trap, each silent or wrongly named when it was first tried; each as in `traps`."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread

from tests.client.intake.survey.more_traps import of_values
from tests.client.intake.survey.traps import BASELINE, FOLLOWUP, HU, LATER, MASKS, both, series, trap
from tests.client.intake.test_dicom_masks import circle, write_rtstruct
from tests.client.made_scans import write_nifti, write_series

ENHANCED = "1.2.840.10008.5.1.4.1.1.2.1"


@trap("right", "m", "m")
def both_visits_in_one_series(folder: Path, key: str) -> None:
    def numbered(dataset: Any, k: int) -> None:
        dataset.InstanceNumber = 100 + k

    series(folder / "m", key, BASELINE, SeriesInstanceUID="1.7.1", prefix="a")
    series(folder / "m", key, FOLLOWUP, SeriesInstanceUID="1.7.1", prefix="z", shift=30, change=numbered)


@trap("right", "b", "f")
def one_scan_over_midnight(folder: Path, key: str) -> None:
    def late(dataset: Any, k: int) -> None:
        dataset.AcquisitionTime = "000001" if k >= 12 else "235959"
        dataset.AcquisitionDate = "20240302" if k >= 12 else BASELINE

    series(folder / "b", key, BASELINE, change=late)
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def two_thicknesses_under_one_number(folder: Path, key: str) -> None:
    for visit, date, values in (("b", BASELINE, HU), ("f", FOLLOWUP, LATER)):
        series(folder / visit, key, date, SeriesInstanceUID=f"1.7.{date}", prefix="a")
        tags = {"PatientID": f"K{key}", "AcquisitionDate": date, "StudyDate": date, "AcquisitionTime": "101500"}
        thin = (np.repeat(values, 2, axis=0) + 5).astype(np.int16)
        write_series(folder / visit, thin, (2.5, 7.0, 7.0), SeriesInstanceUID=f"1.7.{date}", prefix="z", **tags)


@trap("finding", "differ in patient name")
def another_name_where_nothing_else_is_stated(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientID="", PatientName="Mueller^Hans")
    series(folder / "f", key, FOLLOWUP, PatientID="", PatientName="Schmidt^Eva")


@trap("right", "b", "f")
def another_name_under_one_id(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientName="Mueller^Eva")
    series(folder / "f", key, FOLLOWUP, PatientName="Schmidt^Eva")


@trap("finding", "differ in age")
def another_age_where_birth_dates_were_removed(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientAge="063Y")
    series(folder / "f", key, FOLLOWUP, PatientAge="041Y")


@trap("finding", "cohort.csv differ in age")
def an_age_that_is_not_the_tables(folder: Path, key: str) -> None:
    both(folder, key, PatientAge="035Y")


@trap("finding", "no volume differ from the scans beside them in patient id")
def a_strangers_pair_of_slices(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "b", key, BASELINE, PatientID="ZZZ", SeriesInstanceUID="1.99", leave_out=tuple(range(2, 24)), prefix="q")


@trap("finding", "same slices as the followup scan of the same patient")
def the_baseline_again_under_another_date(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE)
    of_values(folder / "f", key, FOLLOWUP, HU)


@trap("finding", "24 enhanced multi-frame")
def enhanced_followup_beside_a_plain_baseline(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE)
    series(folder / "f", key, FOLLOWUP, SOPClassUID=ENHANCED)


@trap("finding", "24 another modality")
def followup_by_magnetic_resonance(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE)
    series(folder / "f", key, FOLLOWUP, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")


@trap("finding", "no position, orientation")
def baseline_without_positions(folder: Path, key: str) -> None:
    def bare(dataset: Any, k: int) -> None:
        del dataset.ImagePositionPatient

    series(folder / "b", key, BASELINE, change=bare)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "holds 1 archive or image of another format")
def an_archive_in_an_archive(folder: Path, key: str) -> None:
    both(folder / "in", key)
    shutil.make_archive(str(folder / "in"), "zip", folder / "in")
    shutil.rmtree(folder / "in")
    with zipfile.ZipFile(folder / "study.zip", "w") as archive:
        archive.write(folder / "in.zip", "in.zip")
    (folder / "in.zip").unlink()


@trap("finding", "holds 1 archive or image of another format")
def a_nifti_in_an_archive(folder: Path, key: str) -> None:
    write_nifti(folder / "abdomen_baseline.nii.gz", HU)
    with zipfile.ZipFile(folder / "study.zip", "w") as archive:
        archive.write(folder / "abdomen_baseline.nii.gz", "abdomen_baseline.nii.gz")
    (folder / "abdomen_baseline.nii.gz").unlink()


@trap("finding", "more files or bytes than an examination")
def a_zip_bomb(folder: Path, key: str) -> None:
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.dcm", bytes(5_000_000))


@trap("right", "b", "f")
def dicom_files_called_ima_and_img(folder: Path, key: str) -> None:
    both(folder, key)
    for visit, suffix in (("b", ".IMA"), ("f", ".img")):
        for path in list((folder / visit).iterdir()):
            path.rename(path.with_suffix(suffix))


@trap("finding", "baseline abdomen scan lacks one slice")
def an_empty_file_among_the_slices(folder: Path, key: str) -> None:
    both(folder, key)
    sorted((folder / "b").iterdir())[5].write_bytes(b"")


@trap("right", "b/ct", "f/ct")
def organ_masks_beside_each_of_two_scans_of_one_size(folder: Path, key: str) -> None:
    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):
        series(folder / visit / "ct", key, date)
        write_nifti(folder / visit / "segmentations" / "liver.nii.gz", MASKS["liver"])


@trap("finding", "called like a mask, with no target's name")
def one_file_of_many_labels(folder: Path, key: str) -> None:
    both(folder, key)
    write_nifti(folder / "b_totalseg.nii.gz", MASKS["liver"])


def _drawn(folder: Path, key: str, names: tuple[str, ...], files: int = 1, elsewhere: bool = False) -> None:
    both(folder, key)
    uid = "9.9.9" if elsewhere else str(dcmread(next((folder / "b").iterdir()), stop_before_pixels=True).SeriesInstanceUID)
    for number in range(files):
        (folder / f"rs{number}").mkdir()
        contours = {name: [circle(-20, 0, 30, 20), circle(-20, 0, 30, 25)] for name in names}
        write_rtstruct(folder / f"rs{number}" / "rs.dcm", contours, uid)


@trap("finding", "does not say by its names")
def structures_without_telling_names(folder: Path, key: str) -> None:
    _drawn(folder, key, ("ROI1", "PTV liver"))


@trap("finding", "one of 2 that hold the liver")
def two_structure_sets_of_one_scan(folder: Path, key: str) -> None:
    _drawn(folder, key, ("Liver",), files=2)


@trap("finding", "a series that is not here")
def structures_of_a_series_that_is_not_here(folder: Path, key: str) -> None:
    _drawn(folder, key, ("Liver",), elsewhere=True)


@trap("finding", "does not say by its names")
def two_structures_called_liver(folder: Path, key: str) -> None:
    _drawn(folder, key, ("Liver", "Liver old"))
