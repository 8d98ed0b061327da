"""Further kinds of trap (fields of view, ends that are missing, values from slice to slice, names in archives); each as in `traps`.

When first tried these were silent or refused without need: a scan that covers too little was named by `scan` alone and not by
`check` and `prepare`, and an archive whose names are not the UTF-8 they are said to be was not read.
"""

from __future__ import annotations

import gzip
import shutil
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRBigEndian

from tests.client.intake.survey.seventh_traps import at_baseline, stored
from tests.client.intake.survey.traps import BASELINE, FOLLOWUP, HU, LATER, MASKS, both, series, trap
from tests.client.made_scans import write_nifti, write_series


@trap("finding", "fit equally")
def two_fields_of_view(folder: Path, key: str) -> None:
    both(folder, key)
    small = np.repeat(np.repeat(HU[:, 12:36, 12:36], 2, axis=1), 2, axis=2)
    tags = {"SeriesInstanceUID": "1.2.8", "StudyInstanceUID": dcmread(next((folder / "b").iterdir())).StudyInstanceUID}
    tags |= {"PatientID": f"K{key}", "AcquisitionDate": BASELINE, "StudyDate": BASELINE, "SeriesDescription": "Abdomen portal 5.0 FOV"}
    write_series(folder / "small", small, (5.0, 3.5, 3.5), AcquisitionTime="101500", **tags)


@trap("right", "b", "f")
def a_localiser_of_many_axial_images(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "l", key, BASELINE, name="Abdomen Scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], shift=9)


@trap("right", "b", "f")
def instance_numbers_that_repeat(folder: Path, key: str) -> None:
    def repeated(dataset: Any, k: int) -> None:
        dataset.InstanceNumber = k % 6 + 1

    both(folder, key, change=repeated)


@trap("finding", "covers 55 mm")
def a_gantry_that_tilts_within_a_series(folder: Path, key: str) -> None:
    def tilted(dataset: Any, k: int) -> None:
        if k > 11:
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 0.97437, 0.22495]

    at_baseline(folder, key, tilted)


@trap("right", "b", "f")
def slices_from_above_downwards(folder: Path, key: str) -> None:
    def turned(dataset: Any, k: int) -> None:
        dataset.InstanceNumber = 24 - k

    both(folder, key, change=turned)


@trap("right", "b", "f")
def feet_first_and_supine(folder: Path, key: str) -> None:
    both(folder, key, PatientPosition="FFS")


@trap("right", "b", "f")
def a_slope_for_every_slice(folder: Path, key: str) -> None:
    def scaled(dataset: Any, k: int) -> None:
        slope = 1 + k % 3
        dataset.PixelData = np.rint(stored(dataset) / slope).astype("<u2").tobytes()
        dataset.RescaleSlope = slope

    both(folder, key, change=scaled)


@trap("finding", "tissue stands")
def an_intercept_that_changes_within_a_series(folder: Path, key: str) -> None:
    def moved(dataset: Any, k: int) -> None:
        dataset.RescaleIntercept = -1024 if k < 12 else 0

    at_baseline(folder, key, moved)


@trap("finding", "another modality or object")
def only_captures_of_the_screen(folder: Path, key: str) -> None:
    both(folder, key, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])


@trap("finding", "which region")
def only_the_ct_of_a_pet(folder: Path, key: str) -> None:
    both(folder, key, name="CTAC 5.0 Abdomen Thorax")


@trap("finding", "low-dose")
def a_portal_scan_of_a_pet(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "pt", key, BASELINE, name="PET WB AC", Modality="PT", shift=100, SOPClassUID="1.2.840.10008.5.1.4.1.1.128")


@trap("finding", "which region")
def only_a_heart(folder: Path, key: str) -> None:
    at_baseline(folder, key, name="Coronary CTA 0.6 BestDiast 75%")


@trap("right", "b", "f")
def only_a_series_date(folder: Path, key: str) -> None:
    def bare(dataset: Any, k: int) -> None:
        dataset.SeriesDate = dataset.AcquisitionDate
        del dataset.AcquisitionDate, dataset.StudyDate

    both(folder, key, change=bare)


@trap("finding", "date")
def a_date_in_the_comments_only(folder: Path, key: str) -> None:
    def bare(dataset: Any, k: int) -> None:
        del dataset.AcquisitionDate, dataset.StudyDate
        dataset.PatientComments = "CT vom 01.03.2024"

    at_baseline(folder, key, bare)


@trap("finding", "fit equally")
def one_scan_anonymised_twice(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "c", key, BASELINE, PatientID="ANON22", StudyInstanceUID="1.2.99", FrameOfReferenceUID="1.2.98")


@trap("right", "abdomen_baseline.nii.gz", "abdomen_followup.nii.gz")
def a_nifti_with_slope_and_intercept(folder: Path, key: str) -> None:
    for visit, values in (("baseline", HU), ("followup", LATER)):

        def scaled(image: Any) -> None:
            image.header.set_slope_inter(1.0, -1024.0)

        path = write_nifti(folder / f"abdomen_{visit}.nii.gz", values + 1024)
        image = nibabel.load(path)
        raw = np.asarray(image.dataobj).astype(np.int16)
        made = nibabel.Nifti1Image(raw, image.affine, image.header)
        made.header.set_slope_inter(1.0, -1024.0)
        data = bytearray(made.to_bytes())
        data[112:120] = np.array([1.0, -1024.0], "<f4").tobytes()
        (folder / f"abdomen_{visit}.nii.gz").write_bytes(gzip.compress(bytes(data)))


@trap("right", "abdomen_baseline.nii.gz", "abdomen_followup.nii.gz")
def a_nifti_with_a_fourth_dimension_of_one(folder: Path, key: str) -> None:
    for visit, values in (("baseline", HU), ("followup", LATER)):
        path = write_nifti(folder / f"abdomen_{visit}.nii.gz", values)
        image = nibabel.load(path)
        data = np.asarray(image.dataobj)[..., None]
        nibabel.save(nibabel.Nifti1Image(data, image.affine), path)


@trap("finding", "covers 75 mm")
def slices_missing_at_the_ends(folder: Path, key: str) -> None:
    at_baseline(folder, key, leave_out=(0, 1, 2, 3, 20, 21, 22, 23))


@trap("right", "study.zip", "study.zip")
def a_zip_with_broken_names(folder: Path, key: str) -> None:
    both(folder / "in", key)
    with zipfile.ZipFile(folder / "study.zip", "w") as archive:
        for path in sorted((folder / "in").rglob("*")):
            if path.is_file():
                archive.writestr(f"Untersuchung_X/{path.parent.name}/{path.name}", path.read_bytes())
    shutil.rmtree(folder / "in")
    data = (folder / "study.zip").read_bytes().replace(b"Untersuchung_X", b"Untersuchung\xe4\xff")
    flagged = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = flagged.find(mark)
        while at >= 0:
            flagged[at + place + 1] |= 0x08
            at = flagged.find(mark, at + 4)
    (folder / "study.zip").write_bytes(bytes(flagged))


@trap("right", "b", "f")
def slices_that_overlap(folder: Path, key: str) -> None:
    both(folder, key, SliceThickness=10.0)


@trap("finding", "spacing or size")
def only_the_detectors_pixel_sizes(folder: Path, key: str) -> None:
    def moved(dataset: Any, k: int) -> None:
        dataset.ImagerPixelSpacing = dataset.PixelSpacing
        del dataset.PixelSpacing

    at_baseline(folder, key, moved)


@trap("right", "b", "f")
def pictures_and_notes_of_the_system_beside(folder: Path, key: str) -> None:
    both(folder, key)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "preview.jpg", "README.txt", "autorun.inf", "viewer.exe"):
        (folder / "b" / name).write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))


@trap("finding", "another kind than zip")
def every_slice_packed_by_itself(folder: Path, key: str) -> None:
    both(folder, key)
    for path in sorted((folder / "b").iterdir()):
        path.with_suffix(".dcm.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


@trap("right", "b", "f")
def the_other_byte_order(folder: Path, key: str) -> None:
    both(folder, key)
    for path in sorted((folder / "b").iterdir()):
        old = dcmread(path)
        made = FileDataset(str(path), {}, file_meta=old.file_meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=False)
        for element in old:
            if element.keyword != "PixelData":
                setattr(made, element.keyword, element.value)
        made.PixelData = stored(old).astype(">u2").tobytes()
        made.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        made.save_as(path, enforce_file_format=True)


@trap("right", "b", "f")
def signed_values_without_an_intercept(folder: Path, key: str) -> None:
    def signed(dataset: Any, k: int) -> None:
        dataset.PixelData = (stored(dataset) - 1024).astype("<i2").tobytes()
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0

    both(folder, key, change=signed)


@trap("right", "b", "f")
def one_study_number_for_both_visits(folder: Path, key: str) -> None:
    both(folder, key, StudyInstanceUID="1.2.3.4")


@trap("right", "b", "f")
def a_whole_trunk_in_one_series(folder: Path, key: str) -> None:
    both(folder, key, name="Thorax-Abdomen portal", spacing=(18.0, 7.0, 7.0))


@trap("finding", "phase")
def a_name_of_two_phases(folder: Path, key: str) -> None:
    both(folder, key, name="Abdomen art+ven 5.0")


@trap("finding", "native")
def called_native_with_an_agent(folder: Path, key: str) -> None:
    both(folder, key, name="Abdomen nativ 5.0", ContrastBolusAgent="Ultravist 370", ContrastBolusVolume=100)


@trap("right", "b", "f")
def ages_in_months(folder: Path, key: str) -> None:
    both(folder, key, PatientAge="720M")


@trap("right", "b", "f")
def another_sex_than_two(folder: Path, key: str) -> None:
    both(folder, key, PatientSex="O")


@trap("finding", "one position")
def a_slice_taken_again_with_other_values(folder: Path, key: str) -> None:
    at_baseline(folder, key)
    path = sorted((folder / "b").iterdir())[10]
    dataset = dcmread(path)
    dataset.PixelData = (stored(dataset) + 200).astype("<u2").tobytes()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    dataset.InstanceNumber = 99
    dataset.save_as(path.with_name("again"))


# --- masks --------------------------------------------------------------------------------------------------------


def _with_mask(folder: Path, key: str, mask: Any, change: Any = None, name: str = "liver") -> None:
    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):
        series(folder / visit / "ct", key, date)

    def placed(image: Any) -> None:
        affine = image.affine.copy()
        affine[:3, 3] = [100.0, 100.0, 0.0]  # where the slices of the series lie
        image.set_sform(affine, 1)
        image.set_qform(affine, 1)
        if change is not None:
            change(image)

    write_nifti(folder / "b" / "segmentations" / f"{name}.nii.gz", mask, change=placed)


@trap("right", "b/ct", "f/ct")
def a_mask_of_floating_labels(folder: Path, key: str) -> None:
    _with_mask(folder, key, MASKS["liver"].astype(np.float32))


@trap("right", "b/ct", "f/ct")
def a_mask_of_255(folder: Path, key: str) -> None:
    _with_mask(folder, key, MASKS["liver"] * 255)


@trap("finding", "by its size, voxels and place")
def a_mask_off_by_half_a_voxel(folder: Path, key: str) -> None:
    def moved(image: Any) -> None:
        affine = image.affine.copy()
        affine[:3, 3] += [3.5, 3.5, 2.5]
        image.set_sform(affine, 1)
        image.set_qform(affine, 1)

    _with_mask(folder, key, MASKS["liver"], moved)
