"""Further kinds of trap (kinds of image, phases, days, persons, masks), made up with the rules unread; each as in `traps`.

When first tried these were silent or unnamed: a cone beam, a header that says no agent was given or that the images came 25 s
after the injection, a reconstruction dated weeks later, masks that lie elsewhere or hold no contour, surfaces, an id with blanks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom import dcmread

from tests.client.intake.survey.seventh_traps import at_baseline, number_of_series
from tests.client.intake.survey.traps import BASELINE, FOLLOWUP, MASKS, both, series, trap
from tests.client.intake.test_dicom_masks import circle, new, write_rtstruct
from tests.client.made_scans import write_nifti

CONTOURS = [circle(-20, 0, 30, 20), circle(-20, 0, 30, 25)]
SURFACE = "1.2.840.10008.5.1.4.1.1.66.5"


@trap("right", "b", "f")
def dose_report_protocol_and_scout_beside(folder: Path, key: str) -> None:
    def scout(dataset: Any, k: int) -> None:
        dataset.ImageOrientationPatient, dataset.ImagePositionPatient = [1, 0, 0, 0, 0, -1], [-100.0, 0.0, 100.0]

    both(folder, key)
    single: dict[str, Any] = {"leave_out": tuple(range(1, 24))}
    series(folder / "d", key, BASELINE, name="Dose Report", ImageType=["DERIVED", "SECONDARY", "OTHER"], **single)
    series(folder / "p", key, BASELINE, name="Patient Protocol", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", **single)
    series(folder / "s", key, BASELINE, name="Abdomen portal", change=scout, **single)


@trap("right", "b", "f")
def an_average_and_another_energy_by_their_kind_alone(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "avg", key, BASELINE, name="Abdomen portal 4D AVG", shift=5, ImageType=["DERIVED", "PRIMARY", "AXIAL", "AVERAGE"])
    series(folder / "m", key, BASELINE, shift=60, ImageType=["DERIVED", "PRIMARY", "AXIAL", "VMI"])


@trap("finding", "fit equally")
def low_high_and_mixed_energy(folder: Path, key: str) -> None:
    series(folder / "f", key, FOLLOWUP)
    for number, (voltage, called) in enumerate((("80", "A_80kV"), ("140", "B_Sn140kV"), ("120", "M_0.5"))):
        series(folder / f"b{number}", key, BASELINE, shift=number * 5, KVP=voltage, name=f"DE_Abdomen portal 5.0 {called}")


@trap("finding", "phase is unknown")
def a_perfusion_that_is_not_called_one(folder: Path, key: str) -> None:
    series(folder / "f", key, FOLLOWUP)
    for number in range(5):
        tags = {"TemporalPositionIdentifier": number + 1, "AcquisitionNumber": number + 1, "AcquisitionTime": f"1015{number * 2:02d}"}
        series(folder / "b", key, BASELINE, name="Abdomen 5.0", SeriesInstanceUID="1.77.1", prefix=f"t{number}", shift=number, **tags)


@trap("finding", "fit equally")
def phases_of_breathing(folder: Path, key: str) -> None:
    series(folder / "f", key, FOLLOWUP)
    for number, share in enumerate(("0%", "20%", "50%", "80%")):
        series(folder / f"b{number}", key, BASELINE, name=f"4D Abdomen portal {share} Ex", shift=number)


@trap("finding", "cone-beam")
def only_a_cone_beam(folder: Path, key: str) -> None:
    at_baseline(folder, key, name="CBCT Abdomen portal")


@trap("right", "b", "f")
def a_cone_beam_of_the_intervention_beside(folder: Path, key: str) -> None:
    both(folder, key)
    series(folder / "c", key, BASELINE, name="DynaCT Abdomen portal", shift=20)


@trap("finding", "no contrast agent was given")
def no_agent_and_called_portal(folder: Path, key: str) -> None:
    at_baseline(folder, key, ContrastBolusAgent="NONE")


@trap("finding", "taken 25 s after the injection began")
def called_portal_and_taken_too_early(folder: Path, key: str) -> None:
    at_baseline(folder, key, ContrastBolusStartTime="101435")


@trap("finding", "50 days from the day of its examination")
def a_reconstruction_dated_weeks_later(folder: Path, key: str) -> None:
    def later(dataset: Any, k: int) -> None:
        del dataset.AcquisitionDate
        dataset.SeriesDate = "20240420"

    at_baseline(folder, key, later)


@trap("right", "b", "f")
def an_id_with_blanks_inside(folder: Path, key: str) -> None:
    series(folder / "b", key, BASELINE, PatientID="12 34 56")
    series(folder / "f", key, FOLLOWUP, PatientID="123456")


# --- masks --------------------------------------------------------------------------------------------------------


@trap("finding", "by its size, voxels and place")
def a_mask_that_lies_elsewhere(folder: Path, key: str) -> None:
    def moved(image: Any) -> None:
        affine = image.affine.copy()
        affine[:3, 3] += [60, 40, 30]
        image.set_sform(affine, 1)
        image.set_qform(affine, 1)

    for visit, date in (("b", BASELINE), ("f", FOLLOWUP)):
        series(folder / visit / "ct", key, date)
    write_nifti(folder / "b" / "segmentations" / "liver.nii.gz", MASKS["liver"], change=moved)


@trap("finding", "whole numbers as a mask does")
def a_mask_called_tumour_alone(folder: Path, key: str) -> None:
    both(folder, key)
    write_nifti(folder / "b" / "Tumor.nii.gz", MASKS["liver_tumour"])


@trap("finding", "holds no contour")
def structures_without_a_contour(folder: Path, key: str) -> None:
    both(folder, key)
    (folder / "rs").mkdir()
    write_rtstruct(folder / "rs" / "rs.dcm", {"Liver": []}, number_of_series(folder / "b"))


@trap("finding", "cannot be read")
def a_segmentation_of_surfaces(folder: Path, key: str) -> None:
    both(folder, key)
    (folder / "seg").mkdir()
    dataset = new(SURFACE)
    dataset.Modality = "SEG"
    dataset.save_as(folder / "seg" / "surface.dcm", enforce_file_format=True)


@trap("finding", "2 scans lie in its frame of reference")
def structures_of_a_frame_that_two_scans_share(folder: Path, key: str) -> None:
    both(folder, key, FrameOfReferenceUID="1.6.6")
    (folder / "rs").mkdir()
    write_rtstruct(folder / "rs" / "rs.dcm", {"Liver": CONTOURS}, "")
    dataset = dcmread(folder / "rs" / "rs.dcm")
    dataset.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = "1.6.6"
    dataset.save_as(folder / "rs" / "rs.dcm")
