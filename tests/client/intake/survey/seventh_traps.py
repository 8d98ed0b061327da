"""Further kinds of trap (files, archives, positions, values), as exports, discs and transfers make them; each as in `traps`.

When first tried these were silent, unnamed, or refused without need: pixels that are not square, two frames of reference, slices
that show nothing, every second slice deleted, archives with whole paths or under a name that says nothing, pages of an error
instead of images, a quantity spelt out, one tube voltage written in two ways, a number that is none, folder names with wide
spaces or a line's end, all patients below one folder, and one series number in two folders.
"""

from __future__ import annotations

import shutil
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless, generate_uid

from tests.client.intake.survey.more_traps import of_values
from tests.client.intake.survey.traps import BASELINE, FOLLOWUP, HU, LATER, both, series, trap
from tests.client.intake.test_dicom_masks import one
from tests.client.made_scans import write_nifti

Change = Callable[[Any, int], None]


def at_baseline(folder: Path, key: str, change: Change | None = None, **more: Any) -> None:
    """A spoilt baseline and a plain follow-up."""
    series(folder / "b", key, BASELINE, change=change, **more)
    series(folder / "f", key, FOLLOWUP)


def number_of_series(folder: Path) -> str:
    return str(dcmread(next(one for one in folder.iterdir() if one.is_file()), stop_before_pixels=True).SeriesInstanceUID)


def stored(dataset: Any) -> Any:
    return np.frombuffer(dataset.PixelData, "<u2").astype(np.int32)


# --- files --------------------------------------------------------------------------------------------------------


@trap("right", "b", "f")
def three_transfer_syntaxes_in_one_series(folder: Path, key: str) -> None:
    both(folder, key)
    for number, path in enumerate(sorted((folder / "b").iterdir())):
        dataset = dcmread(path)
        if number % 3 == 0:
            dataset.compress(RLELossless)
            dataset.save_as(path)
        elif number % 3 == 1:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            dataset.save_as(path, implicit_vr=True, little_endian=True)


@trap("right", "b", "f")
def files_without_preamble_and_meta_header(folder: Path, key: str) -> None:
    both(folder, key)
    for path in sorted((folder / "b").iterdir()):
        dataset = dcmread(path)
        with path.open("wb") as stream:
            bare = DicomFileLike(stream)
            bare.is_little_endian, bare.is_implicit_VR = True, True
            write_dataset(bare, dataset)


@trap("finding", "24 neither DICOM nor anything else that is known")
def pages_of_an_error_instead_of_images(folder: Path, key: str) -> None:
    both(folder, key)
    for path in list((folder / "b").iterdir()):
        path.unlink()
        path.with_suffix(".dcm").write_text("<html>404 not found</html>" * 20)


@trap("finding", "24 of 24 files of a folder end before their pixels do")
def headers_whose_pixels_stayed_in_the_archive(folder: Path, key: str) -> None:
    both(folder, key)
    for path in (folder / "b").iterdir():
        dataset = dcmread(path)
        del dataset.PixelData
        dataset.save_as(path)


@trap("finding", "cannot be decoded")
def a_coding_newer_than_the_decoder(folder: Path, key: str) -> None:
    both(folder, key)
    for path in (folder / "b").iterdir():
        dataset = dcmread(path)
        dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(300)])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
        dataset.save_as(path)


@trap("finding", "cannot be decoded")
def a_transfer_syntax_that_is_not_the_files(folder: Path, key: str) -> None:
    both(folder, key)
    for path in (folder / "b").iterdir():
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"))


@trap("right", "Patient7", "Patient7")
def a_folder_for_every_slice(folder: Path, key: str) -> None:
    both(folder, key)
    for visit in ("b", "f"):
        for number, path in enumerate(sorted((folder / visit).iterdir())):
            (folder / visit / f"d{number}").mkdir()
            path.rename(folder / visit / f"d{number}" / "IM")


@trap("right", '=cmd, "portal"; b_2', "f")
def a_folder_name_with_a_line_end_and_quotes(folder: Path, key: str) -> None:
    both(folder, key)
    (folder / "b").rename(folder / '=cmd, "portal"; b\n2')


@trap("right", "山田 太郎", "f ")
def folder_names_with_a_wide_space_and_one_at_the_end(folder: Path, key: str) -> None:
    both(folder, key)
    (folder / "b").rename(folder / "山田\u3000太郎")
    (folder / "f").rename(folder / "f ")


@trap("right", "Export 2024/Patient7/b", "Export 2024/Patient7/f")
def all_patients_below_a_folder_of_the_export(folder: Path, key: str) -> None:
    both(folder.parent / "Export 2024" / key, key)


# --- archives -----------------------------------------------------------------------------------------------------


def _zipped(folder: Path, named: Callable[[str], str], archive: str = "study.zip") -> None:
    """Put what lies in `in` into an archive under names made from its paths."""
    with warnings.catch_warnings(), zipfile.ZipFile(folder / archive, "w") as packed:
        warnings.simplefilter("ignore")
        for path in sorted((folder / "in").rglob("*")):
            if path.is_file():
                packed.writestr(zipfile.ZipInfo(named(path.relative_to(folder / "in").as_posix())), path.read_bytes())
    shutil.rmtree(folder / "in")


@trap("right", "study.zip", "study.zip")
def a_zip_with_whole_paths(folder: Path, key: str) -> None:
    both(folder / "in", key)
    _zipped(folder, lambda path: f"/data/export/{path}")


@trap("right", "study.zip", "study.zip")
def a_zip_with_paths_of_a_windows_drive(folder: Path, key: str) -> None:
    both(folder / "in", key)
    _zipped(folder, lambda path: "C:\\PACS\\" + path.replace("/", "\\"))


@trap("right", "study.zip", "study.zip")
def a_zip_with_paths_upwards(folder: Path, key: str) -> None:
    both(folder / "in", key)
    _zipped(folder, lambda path: f"../../export/{path}")


@trap("right", "study.zip", "study.zip")
def a_zip_in_which_all_files_have_one_name(folder: Path, key: str) -> None:
    both(folder / "in", key)
    _zipped(folder, lambda _: "IM0001")


@trap("right", "1.2.840.113619.2.55", "1.2.840.113619.2.55")
def a_zip_called_like_a_series_number(folder: Path, key: str) -> None:
    both(folder / "in", key)
    _zipped(folder, str, "1.2.840.113619.2.55")


@trap("finding", "1 file of another kind than zip")
def an_archive_of_another_kind_without_suffix(folder: Path, key: str) -> None:
    both(folder / "in", key)
    with tarfile.open(folder / "export", "w") as archive:
        archive.add(folder / "in", ".")
    shutil.rmtree(folder / "in")


@trap("finding", "differ in patient id")
def two_persons_in_one_zip(folder: Path, key: str) -> None:
    series(folder / "in" / "b", key, BASELINE)
    series(folder / "in" / "f", key, FOLLOWUP, PatientID="OTHER9")
    _zipped(folder, str)


@trap("finding", "no key of cohort.csv fits")
def one_zip_of_all_patients(folder: Path, key: str) -> None:
    series(folder.parent / "in" / "b", "x", BASELINE, PatientID=key)
    series(folder.parent / "in" / "f", "x", FOLLOWUP, PatientID=key)
    series(folder.parent / "in" / "o", "x", BASELINE, PatientID="Patient99", shift=9)
    _zipped(folder.parent, str, "export.zip")


# --- positions ----------------------------------------------------------------------------------------------------


@trap("right", "b", "f")
def axial_and_coronal_under_one_number(folder: Path, key: str) -> None:
    def coronal(dataset: Any, k: int) -> None:
        dataset.ImageOrientationPatient, dataset.InstanceNumber = [1, 0, 0, 0, 0, -1], 100 + k
        dataset.ImagePositionPatient = [-100.0, 5.0 * k, 100.0]

    both(folder, key)
    series(folder / "b", key, BASELINE, change=coronal, SeriesInstanceUID=number_of_series(folder / "b"), prefix="z")


@trap("right", "b", "f")
def numbers_and_distances_against_the_positions(folder: Path, key: str) -> None:
    def against(dataset: Any, k: int) -> None:
        dataset.InstanceNumber, dataset.SliceLocation, dataset.SpacingBetweenSlices = 24 - k, 2.5 * k, -10

    at_baseline(folder, key, against)


@trap("finding", "lie at one position")
def every_slice_at_one_position(folder: Path, key: str) -> None:
    def still(dataset: Any, k: int) -> None:
        dataset.ImagePositionPatient, dataset.SliceLocation = [-100.0, -100.0, 50.0], 5.0 * k

    at_baseline(folder, key, still)


@trap("finding", "3.5 × 7 mm, not square ones")
def pixels_that_are_not_square(folder: Path, key: str) -> None:
    at_baseline(folder, key, PixelSpacing=[7.0, 3.5])


@trap("finding", "2 frames of reference")
def a_patient_laid_anew_within_a_series(folder: Path, key: str) -> None:
    def laid(dataset: Any, k: int) -> None:
        dataset.FrameOfReferenceUID = "1.5.1" if k < 12 else "1.5.2"

    at_baseline(folder, key, laid)


@trap("right", "b", "f")
def a_frame_of_reference_for_every_slice(folder: Path, key: str) -> None:
    def own(dataset: Any, k: int) -> None:
        dataset.FrameOfReferenceUID = f"1.5.{k + 1}"

    at_baseline(folder, key, own)


@trap("finding", "slices of 5 mm every 10 mm")
def every_second_slice_deleted(folder: Path, key: str) -> None:
    at_baseline(folder, key, leave_out=tuple(range(1, 24, 2)))


@trap("finding", "3 slices between others show nothing at all")
def place_holders_among_the_slices(folder: Path, key: str) -> None:
    values = HU.copy()
    values[10:13] = -1024
    of_values(folder / "b", key, BASELINE, values)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "fit equally")
def one_scan_split_over_two_series(folder: Path, key: str) -> None:
    series(folder / "b1", key, BASELINE, leave_out=tuple(range(12, 24)))
    series(folder / "b2", key, BASELINE, leave_out=tuple(range(12)))
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "fit equally")
def two_breath_holds_that_overlap(folder: Path, key: str) -> None:
    def second(dataset: Any, k: int) -> None:
        dataset.AcquisitionNumber, dataset.AcquisitionTime, dataset.InstanceNumber = 2, "101530", 50 + k

    series(folder / "b", key, BASELINE, SeriesInstanceUID="1.78.1", prefix="a", leave_out=tuple(range(14, 24)))
    series(folder / "b", key, BASELINE, SeriesInstanceUID="1.78.1", prefix="z", leave_out=tuple(range(10)), change=second, shift=2)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "0.02 mm")
def a_series_sent_again_with_rounded_positions(folder: Path, key: str) -> None:
    def rounded(dataset: Any, k: int) -> None:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient, dataset.SOPInstanceUID = [x, y, float(z) + 0.02], generate_uid()

    both(folder, key)
    series(folder / "b", key, BASELINE, change=rounded, SeriesInstanceUID=number_of_series(folder / "b"), prefix="z")


@trap("right", "b", "f")
def one_series_number_in_two_folders(folder: Path, key: str) -> None:
    both(folder, key, SeriesInstanceUID="1.2.9.9")


@trap("right", "b", "f")
def a_tube_voltage_written_in_two_ways(folder: Path, key: str) -> None:
    def written(dataset: Any, k: int) -> None:
        dataset.KVP = "120" if k % 2 else "120.0"

    at_baseline(folder, key, written)


@trap("right", "b", "f")
def an_acquisition_number_that_is_none(folder: Path, key: str) -> None:
    from pydicom.dataelem import DataElement

    def lettered(dataset: Any, k: int) -> None:
        dataset[0x00200012] = DataElement(0x00200012, "LO", "A1")

    at_baseline(folder, key, lettered)


# --- values -------------------------------------------------------------------------------------------------------


@trap("right", "b", "f")
def a_quantity_spelt_out(folder: Path, key: str) -> None:
    both(folder, key, RescaleType="Hounsfield Units")


@trap("right", "b", "f")
def twelve_bits_without_their_sign(folder: Path, key: str) -> None:
    def cut(dataset: Any, k: int) -> None:
        dataset.PixelData = ((stored(dataset) - 1024) & 0xFFF).astype("<u2").tobytes()
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation, dataset.RescaleIntercept = 12, 11, 1, 0

    at_baseline(folder, key, cut)


@trap("right", "b", "f")
def overlays_above_the_stored_bits(folder: Path, key: str) -> None:
    def drawn(dataset: Any, k: int) -> None:
        values = stored(dataset)
        values[::7] |= 0x8000
        dataset.PixelData = values.astype("<u2").tobytes()
        dataset.BitsStored, dataset.HighBit = 12, 11

    at_baseline(folder, key, drawn)


@trap("finding", "soft tissue")
def fewer_stored_bits_than_the_values_need(folder: Path, key: str) -> None:
    at_baseline(folder, key, BitsStored=10, HighBit=9)


@trap("finding", "soft tissue")
def an_intercept_counted_twice(folder: Path, key: str) -> None:
    def twice(dataset: Any, k: int) -> None:
        dataset.PixelData, dataset.PixelRepresentation = (stored(dataset) - 1024).astype("<i2").tobytes(), 1

    at_baseline(folder, key, twice)


@trap("finding", "above 700")
def a_table_of_values_instead_of_a_rescale(folder: Path, key: str) -> None:
    def tabled(dataset: Any, k: int) -> None:
        del dataset.RescaleSlope, dataset.RescaleIntercept
        dataset.ModalityLUTSequence = [one(LUTDescriptor=[4096, 0, 16], ModalityLUTType="HU")]

    at_baseline(folder, key, tabled)


@trap("finding", "ranges from")
def a_nifti_whose_air_was_made_nought(folder: Path, key: str) -> None:
    values = HU.copy()
    values[values < -500] = 0
    write_nifti(folder / "abdomen_baseline.nii.gz", values)
    write_nifti(folder / "abdomen_followup.nii.gz", LATER)


@trap("right", "abdomen_baseline.nii.gz", "abdomen_followup.nii.gz")
def a_nifti_in_metres(folder: Path, key: str) -> None:
    def metres(image: Any) -> None:
        affine = image.affine.copy()
        affine[:3] /= 1000
        image.set_sform(affine, 1)
        image.set_qform(affine, 1)
        image.header.set_xyzt_units("meter")

    write_nifti(folder / "abdomen_baseline.nii.gz", HU, change=metres)
    write_nifti(folder / "abdomen_followup.nii.gz", LATER)


@trap("finding", "and its name says otherwise")
def a_packed_nifti_called_like_an_unpacked_one(folder: Path, key: str) -> None:
    write_nifti(folder / "abdomen_baseline.nii.gz", HU).rename(folder / "abdomen_baseline.nii")
    write_nifti(folder / "abdomen_followup.nii.gz", LATER)
