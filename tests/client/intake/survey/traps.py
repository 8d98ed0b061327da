"""Forty kinds of trap as folders: each writes one patient's images and says what a hospital must be told.

`expects` is (verdict, words): `right` names the folders that must be chosen for baseline and follow-up, `finding` a word of
the question or remark that must name the matter, `refused` a problem code.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.client.made_scans import body, write_nifti, write_series

BASELINE, FOLLOWUP = "20240301", "20240503"
HU, MASKS = body((24, 48, 48), seed=3)
LATER, _ = body((24, 48, 48), seed=4)


@dataclass(frozen=True)
class Trap:
    """One kind of trap: its name, what makes the folder, and what is expected."""

    name: str
    make: Callable[[Path, str], None]
    verdict: str
    words: tuple[str, ...]


TRAPS: list[Trap] = []
Make = Callable[[Path, str], None]


def trap(verdict: str, *words: str) -> Callable[[Make], Make]:
    """Register a trap."""

    def keep(make: Make) -> Make:
        TRAPS.append(Trap(make.__name__, make, verdict, words))
        return make

    return keep


def series(folder: Path, key: str, date: str, name: str = "Abdomen portal 5.0", shift: int = 0, **more: Any) -> Path:
    """An abdomen series of a patient; every folder is a series of its own."""
    place = f"{key}.{folder.parent.name}.{folder.name}"
    number = str(sum(ord(one) * 7**k for k, one in enumerate(place)) % 10**12)
    values = (LATER if date == FOLLOWUP else HU) + shift
    options = {
        "SeriesInstanceUID": f"1.2.{number}",
        "StudyInstanceUID": f"1.3.{zlib.crc32(f'{key} {date}'.encode())}",
        "PatientID": f"K{key}",
        "AcquisitionDate": date,
        "StudyDate": date,
        "SeriesDescription": name,
        "AcquisitionTime": "101500",
    }
    return write_series(folder, values, **(options | more))


def both(folder: Path, key: str, **more: Any) -> None:
    """The plain pair of visits."""
    series(folder / "b", key, BASELINE, **more)
    series(folder / "f", key, FOLLOWUP, **more)


@trap("right", "b", "f")
def plain_pair(folder: Path, key: str) -> None:
    both(folder, key)


@trap("right", "b", "f")
def scan_after_the_first_dose(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "x", key, "20240320", name="Abdomen portal after TACE")


@trap("finding", "lies after the first dose")
def only_a_scan_after_the_first_dose(folder: Path, key: str) -> None:
    series(folder / "x", key, "20240310")
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "2 days before")
def day_differs_from_the_table(folder: Path, key: str) -> None:
    series(folder / "b", key, "20240228")
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def sharp_kernel_of_better_thickness(folder: Path, key: str) -> None:
    both(folder, key, ConvolutionKernel="B30f")
    series(folder / "bx", key, BASELINE, shift=9, ConvolutionKernel="B70s", name="Abdomen portal bone")
    series(folder / "fx", key, FOLLOWUP, shift=9, ConvolutionKernel="B70s", name="Abdomen portal bone")


@trap("right", "b", "f")
def iodine_map(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "i", key, BASELINE, shift=-40, name="Abdomen portal Iodine map", ImageType=["DERIVED", "PRIMARY", "AXIAL", "IODINE"])


@trap("right", "b", "f")
def monoenergetic_called_original(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "m", key, BASELINE, shift=90, name="Abdomen portal MonoPlus 40 keV")


@trap("right", "b", "f")
def thick_projection(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "m", key, BASELINE, shift=30, name="Abdomen portal MIP 8.0", ImageType=["DERIVED", "SECONDARY", "AXIAL", "MIP"])


@trap("right", "b", "f")
def virtual_native(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "v", key, BASELINE, shift=-30, name="Abdomen portal VNC")


@trap("finding", "another quantity or energy")
def only_maps(folder: Path, key: str) -> None:
    both(folder, key, name="Abdomen Iodine map portal")


@trap("finding", "only reformatted")
def only_reformats(folder: Path, key: str) -> None:
    both(folder, key, ImageType=["DERIVED", "SECONDARY", "REFORMATTED"])


@trap("finding", "differ in patient id")
def strangers_series(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "f", key, FOLLOWUP, PatientID="SOMEBODY")


@trap("finding", "birth date")
def another_birth_date(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientBirthDate="19500101")
    series(folder / "f", key, FOLLOWUP, PatientBirthDate="19610203")


@trap("finding", "differ in sex")
def another_sex(folder: Path, key: str) -> None:
    both(folder, key, PatientSex="F")


@trap("finding", "several patients")
def two_persons_in_one_series(folder: Path, key: str) -> None:
    def mixed(dataset: Any, k: int) -> None:
        dataset.PatientID = "SOMEBODY" if k > 10 else "ME"

    series(folder / "b", key, BASELINE, change=mixed)
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def the_same_id_with_leading_zeros(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientID=f"007{ord(key[-1])}{len(key)}")
    series(folder / "f", key, FOLLOWUP, PatientID=f"7{ord(key[-1])}{len(key)}")


def _pair_in_one(folder: Path, key: str, first: dict[str, Any], second: dict[str, Any], offset: float = 0.0) -> None:
    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):
        uid = f"1.9.{len(key)}.{ord(key[-1])}.{date}"

        def moved(dataset: Any, k: int) -> None:
            x, y, z = dataset.ImagePositionPatient
            dataset.ImagePositionPatient = [x, y, float(z) + offset]
            dataset.InstanceNumber = 100 + k

        series(folder / visit, key, date, name="Abdomen 2 phases", SeriesInstanceUID=uid, prefix="a", **first)
        series(folder / visit, key, date, name="Abdomen 2 phases", shift=40, SeriesInstanceUID=uid, prefix="z", change=moved, **second)


@trap("finding", "phase is unknown")
def two_phases_by_acquisition_at_the_same_places(folder: Path, key: str) -> None:
    _pair_in_one(folder, key, {"AcquisitionNumber": 1}, {"AcquisitionNumber": 2})


@trap("finding", "phase is unknown")
def two_phases_by_acquisition_between_each_other(folder: Path, key: str) -> None:
    _pair_in_one(folder, key, {"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}, 2.5)


@trap("finding", "phase is unknown")
def two_phases_by_time_only(folder: Path, key: str) -> None:
    _pair_in_one(folder, key, {"AcquisitionTime": "101500"}, {"AcquisitionTime": "101540"}, 2.5)


@trap("finding", "phase is unknown")
def two_phases_by_temporal_position(folder: Path, key: str) -> None:
    _pair_in_one(folder, key, {"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}, 2.5)


@trap("finding", "phase is unknown")
def two_phases_by_instance_numbers_only(folder: Path, key: str) -> None:
    _pair_in_one(folder, key, {}, {}, 2.5)


@trap("finding", "alternate slice by slice")
def two_phases_that_no_header_tells_apart(folder: Path, key: str) -> None:
    def shuffled(dataset: Any, k: int) -> None:
        z = dataset.ImagePositionPatient[2]
        dataset.InstanceNumber = round(float(z) * 10) + 1

    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):
        uid = f"1.8.{len(key)}.{ord(key[-1])}.{date}"

        def moved(dataset: Any, k: int) -> None:
            x, y, z = dataset.ImagePositionPatient
            dataset.ImagePositionPatient = [x, y, float(z) + 2.5]
            shuffled(dataset, k)

        series(folder / visit, key, date, SeriesInstanceUID=uid, prefix="a", change=shuffled)
        series(folder / visit, key, date, shift=40, SeriesInstanceUID=uid, prefix="z", change=moved)


@trap("right", "b", "f")
def two_phases_told_apart_by_injection_time(folder: Path, key: str) -> None:
    first = {"AcquisitionNumber": 1, "ContrastBolusStartTime": "101430", "AcquisitionTime": "101500"}
    second = {"AcquisitionNumber": 2, "ContrastBolusStartTime": "101430", "AcquisitionTime": "101540"}
    _pair_in_one(folder, key, first, second, 2.5)


@trap("right", "b", "f")
def low_dose_beside_pet_on_another_day(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "pet", key, "20240302", name="CT WB 5.0 low dose Abdomen Thorax", shift=-30)


@trap("finding", "low-dose")
def only_low_dose(folder: Path, key: str) -> None:
    both(folder, key, name="CT low dose Abdomen 5.0")


@trap("finding", "not venous")
def venous_scan_of_another_day(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, name="Abdomen nativ 5.0")
    series(folder / "x", key, "20240228", name="Abdomen portal 5.0")
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "states no phase")
def unknown_phase_alone(folder: Path, key: str) -> None:
    both(folder, key, name="Abdomen 5.0")


@trap("finding", "phase is unknown")
def unknown_phase_beside_arterial(folder: Path, key: str) -> None:
    both(folder, key, name="Abdomen 5.0")
    series(folder / "a", key, BASELINE, name="Abdomen arterial 5.0", AcquisitionTime="101400")


@trap("finding", "different phases")
def no_venous_phase(folder: Path, key: str) -> None:
    series(folder / "n", key, BASELINE, name="Abdomen nativ 5.0")
    series(folder / "a", key, BASELINE, name="Abdomen arteriell 5.0")
    series(folder / "f", key, FOLLOWUP)


@trap("right", "w", "fw")
def polish_phases(folder: Path, key: str) -> None:
    series(folder / "t", key, BASELINE, name="Jama brzuszna faza tetnicza", shift=-20)
    series(folder / "w", key, BASELINE, name="Jama brzuszna faza wrotna")
    series(folder / "fw", key, FOLLOWUP, name="Jama brzuszna faza zylna")


@trap("right", "d", "f")
def delay_in_seconds(folder: Path, key: str) -> None:
    series(folder / "d", key, BASELINE, name="Abdomen delay 70s")
    series(folder / "x", key, BASELINE, name="Abdomen 30s", shift=-20)
    series(folder / "f", key, FOLLOWUP)


@trap("right", "study.zip", "study.zip")
def a_zip_archive(folder: Path, key: str) -> None:
    both(folder / "in", key)
    with zipfile.ZipFile(folder / "study.zip", "w") as archive:
        for path in sorted((folder / "in").rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    shutil.rmtree(folder / "in")


@trap("finding", "archive")
def an_archive_of_another_kind(folder: Path, key: str) -> None:
    folder.mkdir(parents=True)
    (folder / "study.7z").write_bytes(b"7z\xbc\xaf'\x1c" + bytes(500))


@trap("finding", "no folder of this patient")
def no_folder(folder: Path, key: str) -> None:
    return None


@trap("finding", "leads nowhere")
def a_dead_link(folder: Path, key: str) -> None:
    both(folder, key)
    shutil.rmtree(folder / "b")
    (folder / "b").symlink_to("../../nowhere")


@trap("finding", "enhanced")
def enhanced_object(folder: Path, key: str) -> None:
    both(folder, key, SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1")


@trap("finding", "NRRD")
def another_format(folder: Path, key: str) -> None:
    folder.mkdir(parents=True)
    (folder / "ct.nrrd").write_bytes(b"NRRD0004")


@trap("finding", "not axial")
def only_coronal(folder: Path, key: str) -> None:
    def coronal(dataset: Any, k: int) -> None:
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [-100.0, 5.0 * k, 100.0]

    both(folder, key, change=coronal)


@trap("finding", "do not say how values")
def rescale_missing_in_some_slices(folder: Path, key: str) -> None:
    def silent(dataset: Any, k: int) -> None:
        if k % 5 == 0:
            del dataset.RescaleIntercept, dataset.RescaleSlope

    both(folder, key, change=silent)


@trap("finding", "another quantity")
def rescale_to_another_quantity(folder: Path, key: str) -> None:
    both(folder, key, RescaleType="Z_EFF")


@trap("right", "b", "f")
def localizer_capture_and_monitoring(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "topo", key, BASELINE, name="Topogram", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])

    def still(dataset: Any, k: int) -> None:
        dataset.ImagePositionPatient = [-100.0, -100.0, 50.0]

    series(folder / "mon", key, BASELINE, name="Monitoring", change=still)


@trap("right", "门静脉", "f")
def a_folder_name_in_another_encoding(folder: Path, key: str) -> None:
    both(folder, key)
    (folder / "b").rename(folder / os.fsdecode("门静脉".encode("gbk")))


@trap("finding", "no date tells")
def nifti_without_any_date(folder: Path, key: str) -> None:
    write_nifti(folder / "abdomen_one.nii.gz", HU)


@trap("right", "abdomen_baseline.nii.gz", "abdomen_followup.nii.gz")
def nifti_with_totalsegmentator_beside(folder: Path, key: str) -> None:
    for visit, values in (("baseline", HU), ("followup", LATER)):
        write_nifti(folder / f"abdomen_{visit}.nii.gz", values)
    for name in ("liver", "spleen"):
        write_nifti(folder / "segmentations" / f"{name}.nii.gz", MASKS["liver"])
    (folder / "._abdomen.nii.gz").write_bytes(b"\x00\x05\x16\x07")


@trap("right", "b", "f")
def compressed_region_words_in_other_languages(folder: Path, key: str) -> None:
    both(folder, key, name="FOIE TPS PORTAL")
    series(folder / "t", key, BASELINE, name="Thorax 5.0")
