"""Nineteen further kinds of trap, as folders of several exports, converters and file systems make them; each as in `traps`.

When first tried one was silent at `data scan` (masks of the right size on another grid, which `data prepare` refused), and
one was asked about without need (dates with dots, as the standard's predecessor wrote them).
"""

from __future__ import annotations

import shutil
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.client.intake.survey.traps import BASELINE, FOLLOWUP, HU, LATER, MASKS, both, series, trap
from tests.client.made_scans import write_nifti

LYING = "Läsion Müller"


@trap("finding", "fit equally")
def two_studies_on_one_day(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "evening", key, BASELINE, shift=4, StudyInstanceUID="1.3.77", AcquisitionTime="191500")


@trap("finding", "tilted")
def a_tilted_gantry_and_two_phases_in_one_series(folder: Path, key: str) -> None:
    tilted = [1, 0, 0, 0, 0.9659, 0.2588]
    for number, time, shift in (("1", "101430", 0), ("2", "101540", 30)):
        tags = {"SeriesInstanceUID": "1.9.77", "AcquisitionNumber": number, "AcquisitionTime": time, "prefix": f"p{number}"}
        series(folder / "b", key, BASELINE, name="Abdomen 5.0", shift=shift, ImageOrientationPatient=tilted, **tags)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "phase is unknown")
def two_phases_in_one_series_without_instance_numbers(folder: Path, key: str) -> None:
    def bare(dataset: Any, k: int) -> None:
        del dataset.InstanceNumber

    for number, time, shift in (("1", "101430", 0), ("2", "101540", 30)):
        tags = {"SeriesInstanceUID": "1.9.78", "AcquisitionNumber": number, "AcquisitionTime": time, "prefix": f"p{number}"}
        series(folder / "b", key, BASELINE, name="Abdomen 5.0", shift=shift, change=bare, **tags)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "contradict each other")
def a_nifti_whose_sform_and_qform_disagree(folder: Path, key: str) -> None:
    def turned(image: Any) -> None:
        affine = image.affine.copy()
        affine[0] *= -1
        image.set_qform(affine, 1)

    write_nifti(folder / "abdomen_baseline.nii.gz", HU, change=turned)
    write_nifti(folder / "abdomen_followup.nii.gz", LATER)


@trap("finding", "masks fits none")
def masks_drawn_on_a_crop(folder: Path, key: str) -> None:
    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):
        series(folder / visit / "ct", key, date)
    write_nifti(folder / "b" / "segmentations" / "liver.nii.gz", MASKS["liver"][4:20, 6:42, 6:42])


@trap("finding", "NRRD")
def a_mask_and_a_scan_of_slicer(folder: Path, key: str) -> None:
    both(folder, key)
    shutil.rmtree(folder / "b")
    (folder / "b").mkdir()
    head = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 48 48 24\nencoding: raw\n\n"
    (folder / "b" / "baseline.nrrd").write_bytes(head + HU.tobytes())
    (folder / "b" / "baseline.seg.nrrd").write_bytes(head + MASKS["liver"].tobytes())


@trap("finding", "holds 2 archive")
def a_zip_in_a_zip_beside_a_zip(folder: Path, key: str) -> None:
    both(folder / "in", key)
    for visit in ("b", "f"):
        shutil.make_archive(str(folder / visit), "zip", folder / "in" / visit)
    shutil.rmtree(folder / "in")
    with zipfile.ZipFile(folder / "study.zip", "w") as archive:
        for visit in ("b", "f"):
            archive.write(folder / f"{visit}.zip", f"{visit}.zip")
            (folder / f"{visit}.zip").unlink()


@trap("right", "b", "f")
def links_in_a_loop(folder: Path, key: str) -> None:
    both(folder, key)
    (folder / "b" / "up").symlink_to("..", target_is_directory=True)
    (folder / "f" / "self").symlink_to("self")


@trap("right", unicodedata.normalize("NFC", f"{LYING}/b"), unicodedata.normalize("NFC", f"{LYING}/f"))
def folder_names_as_a_mac_writes_them(folder: Path, key: str) -> None:
    both(folder / unicodedata.normalize("NFD", LYING), key)


@trap("finding", "fit equally")
def one_folder_name_in_two_normal_forms(folder: Path, key: str) -> None:
    both(folder, key)
    for form, shift in (("NFC", 3), ("NFD", 6)):
        series(folder / unicodedata.normalize(form, "später"), key, BASELINE, shift=shift)


@trap("right", "b", "f")
def numbers_with_spaces_and_plus_signs(folder: Path, key: str) -> None:
    def padded(dataset: Any, k: int) -> None:
        dataset.ImagePositionPatient = ["+100.0 ", " -100", f"{5.0 * k:+.3e}"]
        dataset.RescaleIntercept = "-1.024E+3" if str(dataset.RescaleIntercept).startswith("-1024") else dataset.RescaleIntercept

    series(folder / "b", key, BASELINE, change=padded)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "has 4 dimensions")
def two_scans_in_one_nifti_of_four_dimensions(folder: Path, key: str) -> None:
    import nibabel

    folder.mkdir(parents=True)
    affine = np.diag([-7.0, -7.0, 5.0, 1.0])
    values = np.stack([HU, LATER], axis=-1).transpose(2, 1, 0, 3)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values), affine), folder / "abdomen.nii.gz")


@trap("finding", "24 damaged header")
def pixel_sizes_with_decimal_commas(folder: Path, key: str) -> None:
    both(folder, key)
    for path in (folder / "b").iterdir():
        path.write_bytes(path.read_bytes().replace(b"7.0\\7.0", b"7,0\\7,0"))


@trap("right", "b", "f")
def dates_with_dots_as_before_1993(folder: Path, key: str) -> None:
    def dotted(dataset: Any, k: int) -> None:
        dataset.AcquisitionDate = dataset.StudyDate = "2024.03.01"

    series(folder / "b", key, BASELINE, change=dotted)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "no date tells the visit")
def dates_with_the_day_first(folder: Path, key: str) -> None:
    def turned(dataset: Any, k: int) -> None:
        dataset.AcquisitionDate = dataset.StudyDate = "01032024"

    series(folder / "b", key, BASELINE, change=turned)
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def a_thickness_of_zero(folder: Path, key: str) -> None:
    both(folder, key, SliceThickness=0)


@trap("finding", "without their rescale intercept")
def a_nifti_of_stored_values_without_its_offset(folder: Path, key: str) -> None:
    write_nifti(folder / "abdomen_baseline.nii.gz", (HU.astype(np.int32) + 1024).astype(np.uint16))
    write_nifti(folder / "abdomen_followup.nii.gz", LATER)


@trap("finding", "patient id")
def headers_that_name_another_key_of_the_table(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientID="Patient8")
    series(folder / "f", key, FOLLOWUP, PatientID=key)


@trap("finding", "masks fits none")
def masks_of_the_right_size_on_another_grid(folder: Path, key: str) -> None:
    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):
        series(folder / visit / "ct", key, date)
    write_nifti(folder / "b" / "segmentations" / "liver.nii.gz", MASKS["liver"], (2.5, 3.5, 3.5))
