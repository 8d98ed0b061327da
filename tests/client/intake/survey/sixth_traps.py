"""Twelve further kinds of trap, made up by somebody who had not written the rules; each as in `traps`.

When first tried seven were silent: a stated gantry tilt beside upright positions, an examination's date far from its images',
values of an eight-bit export, pixel sizes ten times too large or small, a scan longer than a person; and a pipe in the folder
was waited for without end.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tests.client.intake.survey.more_traps import of_values
from tests.client.intake.survey.traps import BASELINE, FOLLOWUP, HU, LATER, both, series, trap
from tests.client.made_scans import write_nifti


@trap("finding", "tilted by 15 degrees")
def a_tilt_in_the_tag_alone(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, GantryDetectorTilt=-15.0)
    series(folder / "f", key, FOLLOWUP, GantryDetectorTilt=0)


@trap("finding", "50 days from the day of its examination")
def an_examination_dated_after_its_images(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, StudyDate="20240420")
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def a_study_date_that_is_no_date(folder: Path, key: str) -> None:
    both(folder, key, StudyDate="")


@trap("finding", "exported with eight bits")
def eight_bits_over_the_whole_range(folder: Path, key: str) -> None:
    def squeezed(dataset: Any, k: int) -> None:
        stored = np.frombuffer(dataset.PixelData, "<u2")
        dataset.PixelData = np.clip(stored / 8, 0, 255).astype(np.uint8).tobytes()
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 8

    series(folder / "b", key, BASELINE, change=squeezed)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "34 mm of the body from side to side")
def pixel_sizes_ten_times_too_small(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PixelSpacing=[0.7, 0.7])
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "slices of 1080 × 1080 mm")
def pixel_sizes_of_another_unit_in_a_nifti(folder: Path, key: str) -> None:
    large = np.repeat(np.repeat(HU, 3, axis=1), 3, axis=2)
    write_nifti(folder / "abdomen_baseline.nii.gz", large, (5.0, 7.5, 7.5))
    write_nifti(folder / "abdomen_followup.nii.gz", LATER)


@trap("finding", "a length of 2760 mm")
def a_scan_longer_than_a_person(folder: Path, key: str) -> None:
    of_values(folder / "b", key, BASELINE, np.repeat(HU, 10, axis=0)[:139], spacing=(20.0, 7.0, 7.0))
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def a_pipe_among_the_slices(folder: Path, key: str) -> None:
    both(folder, key)
    os.mkfifo(folder / "b" / "pipe")
    os.mkfifo(folder / "pipe.nii.gz")


@trap("finding", "rescale slope no scanner uses")
def a_slope_that_is_no_number(folder: Path, key: str) -> None:
    from pydicom.dataelem import DataElement

    def lost(dataset: Any, k: int) -> None:
        dataset[0x00281053] = DataElement(0x00281053, "LO", "nan")

    series(folder / "b", key, BASELINE, change=lost)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "above 700")
def signed_values_read_as_unsigned(folder: Path, key: str) -> None:
    def misread(dataset: Any, k: int) -> None:
        stored = np.frombuffer(dataset.PixelData, "<u2").astype(np.int32) - 1024
        dataset.PixelData, dataset.RescaleIntercept = stored.astype("<i2").tobytes(), 0

    series(folder / "b", key, BASELINE, change=misread)
    series(folder / "f", key, FOLLOWUP)


@trap("finding", "24 another modality or object")
def pictures_in_colour(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", PhotometricInterpretation="RGB", SamplesPerPixel=3)
    series(folder / "f", key, FOLLOWUP)


@trap("right", "b", "f")
def names_in_greek_and_arabic(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, SpecificCharacterSet=["", "ISO 2022 IR 126"], PatientName="Διονυσιος")
    series(folder / "f", key, FOLLOWUP, SpecificCharacterSet="ISO_IR 127", PatientName="قباني^لنزار")
