"""Twenty-five further kinds of trap, made up later with the rules unread; each as in `traps`."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.client.intake.survey.traps import BASELINE, FOLLOWUP, HU, LATER, MASKS, both, series, trap
from tests.client.made_scans import write_nifti, write_series


def of_values(folder: Path, key: str, date: str, hu: Any, **more: Any) -> None:
    """A series with given values."""
    number = str(sum(ord(one) * 7**k for k, one in enumerate(f"{key}{folder.name}")) % 10**12)
    tags = {"SeriesInstanceUID": f"1.4.{number}", "StudyInstanceUID": f"1.5.{date}", "PatientID": f"K{key}"}
    tags |= {"AcquisitionDate": date, "StudyDate": date, "SeriesDescription": "Abdomen portal 5.0", "AcquisitionTime": "101500"}
    write_series(folder, hu, **(tags | more))


@trap("finding", "no chest scan was found for baseline and followup")
def no_chest_at_all(folder: Path, key: str) -> None:
    both(folder, key)


@trap("right", "b", "f")
def chest_beside_abdomen(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "tb", key, BASELINE, name="Thorax Lunge 5.0")
    series(folder / "tf", key, FOLLOWUP, name="Thorax Lunge 5.0")


@trap("finding", "was windowed for viewing")
def windowed_for_viewing(folder: Path, key: str) -> None:
    of_values(folder / "b", key, BASELINE, np.clip(HU, -150, 250).astype(np.int16))
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "soft tissue")
def shifted_by_the_intercept(folder: Path, key: str) -> None:
    of_values(folder / "b", key, BASELINE, HU + 500)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "soft tissue")
def all_zero_slices(folder: Path, key: str) -> None:
    of_values(folder / "b", key, BASELINE, np.full_like(HU, -1024))
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "apart from their neighbours")
def one_slice_without_its_rescale(folder: Path, key: str) -> None:
    spoilt = HU.copy()
    spoilt[12] += 1024
    of_values(folder / "b", key, BASELINE, spoilt)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "is not after the first dose")
def followup_taken_before_the_dose(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE)
    series(folder / "f", key, "20240303", name="Abdomen portal control")


@trap("right", "b", "f")
def dates_of_an_anonymiser_in_one_tag(folder: Path, key: str) -> None:
    both(folder, key, ContentDate="19000101")


@trap("finding", "followup: no abdomen scan")
def both_visits_the_same_series_copied(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE)
    shutil.copytree(folder / "b", folder / "f")


@trap("right", "b", "f")
def followup_of_a_third_visit_later(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "third", key, "20240901", name="Abdomen portal 5.0")


@trap("right", "b", "f")
def arterial_in_protocol_portal_in_name(folder: Path, key: str) -> None:
    both(folder, key, ProtocolName="Liver arterial portal")


@trap("right", "b", "f")
def subtraction(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "s", key, BASELINE, shift=-60, name="Abdomen portal Subtraction")


@trap("right", "b", "f")
def electron_density_of_a_spectral_scanner(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "e", key, BASELINE, name="Abdomen portal Electron Density", RescaleType="EDW")


@trap("right", "b", "f")
def thin_and_thick_of_one_phase(folder: Path, key: str) -> None:
    both(folder, key)
    thin = np.repeat(HU, 2, axis=0)
    of_values(folder / "thin", key, BASELINE, thin, spacing=(2.5, 7.0, 7.0), StudyInstanceUID="1.3.1")


@trap("finding", "fit equally")
def two_equal_reconstructions(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "again", key, BASELINE, shift=3)


@trap("finding", "several patients")
def id_blank_in_half_of_the_slices_other_in_the_rest(folder: Path, key: str) -> None:
    def changed(dataset: Any, k: int) -> None:
        dataset.PatientID = "" if k % 3 == 0 else ("A1" if k % 3 == 1 else "B2")

    series(folder / "b", key, BASELINE, change=changed)
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def id_with_spaces_and_case(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientID=f" k{key.lower()} ")
    series(folder / "f", key, FOLLOWUP, PatientID=f"K{key.upper()}")


@trap("finding", "birth date")
def another_birth_date_within_a_year(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientBirthDate="19500101")
    series(folder / "f", key, FOLLOWUP, PatientBirthDate="19500201")


@trap("finding", "usable CT")
def only_an_mr_examination(folder: Path, key: str) -> None:
    both(folder, key, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")


@trap("finding", "usable CT")
def only_a_note(folder: Path, key: str) -> None:
    folder.mkdir(parents=True)
    (folder / "readme.txt").write_text("sent by courier")


@trap("finding", "not read")
def an_encrypted_zip(folder: Path, key: str) -> None:
    both(folder / "in", key)
    with zipfile.ZipFile(folder / "study.zip", "w") as archive:
        archive.write(next((folder / "in" / "b").iterdir()), "a.dcm")
    raw = bytearray((folder / "study.zip").read_bytes())
    raw[6] |= 1
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    (folder / "study.zip").write_bytes(raw)
    shutil.rmtree(folder / "in")


@trap("finding", "masks fits none")
def masks_of_another_scan(folder: Path, key: str) -> None:
    for visit, values in (("baseline", HU), ("followup", LATER)):
        write_nifti(folder / f"abdomen_{visit}.nii.gz", values)
    write_nifti(folder / "segmentations" / "liver.nii.gz", MASKS["liver"][:20])


@trap("finding", "fits 2 scans")
def masks_that_fit_two_scans(folder: Path, key: str) -> None:
    for visit, values in (("baseline", HU), ("followup", LATER)):
        write_nifti(folder / f"abdomen_{visit}.nii.gz", values)
    write_nifti(folder / "segmentations" / "liver.nii.gz", MASKS["liver"])


@trap("finding", "lacks 2 slices")
def a_slice_missing(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, leave_out=(9, 10))
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "tilted")
def gantry_tilt(folder: Path, key: str) -> None:
    both(folder, key)
    shutil.rmtree(folder / "b")
    series(folder / "b", key, BASELINE, ImageOrientationPatient=[1, 0, 0, 0, 0.9659, 0.2588])
