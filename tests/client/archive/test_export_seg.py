"""DICOM SEG for the archive: written by highdicom, checked by dciodvfy, read back by our own reader of masks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import generate_uid

from client.commands import data
from client.imaging.slices import grid_of, nearest_planes
from client.intake.masks.dicom_masks import described
from client.intake.masks.read_mask import read_any_mask
from client.intake.read_scan import read_scan
from client.segmentation.segmenter import Segmenter
from site_config.problems.base import Exit
from site_config.site_yaml import Segmentation, SiteConfig, Target
from site_config.tables.cohort_csv import Scan, load_scans
from tests.client.made_scans import a_study, body, write_nifti, write_series, write_site
from tests.client.nnunet_folder import write_model
from tests.support import app_of, run_cli

APP = app_of(data.register)
MEANINGS = {"liver": ("10200004", "123037004"), "liver tumour": ("52988006", "49755003")}
STUDY_UID, FRAME_UID = generate_uid(), generate_uid()


def turned(dataset: Any, k: int) -> None:
    """A slice stored from left to right and from the back to the front, its columns along the body's depth."""
    stored = dataset.pixel_array[::-1, ::-1].T
    dataset.Rows, dataset.Columns = stored.shape
    dataset.PixelSpacing = dataset.PixelSpacing[::-1]
    right, down = 7.0 * (48 - 1), 7.0 * (48 - 1)
    dataset.ImagePositionPatient = [right, down, float(k * 2)]
    dataset.ImageOrientationPatient = [0, -1, 0, -1, 0, 0]
    dataset.PixelData = np.ascontiguousarray(stored).tobytes()


def placed(change: Any) -> Any:
    """Slices whose first voxel lies at the origin, as that of the NIfTI masks; then what `change` spoils."""

    def both(dataset: Any, k: int) -> None:
        dataset.ImagePositionPatient = [0.0, 0.0, float(k * 2)]
        if change is not None:
            change(dataset, k)

    return both


def write_patient(home: Path, study: Any, targets: dict[str, Target], models: Any = None, change: Any = None) -> tuple[SiteConfig, Scan]:
    """A home with one patient: an abdomen series of 2-mm slices, named in Latin-1, with masks drawn as NIfTI."""
    import yaml

    base = write_site(home, patients=1, scans=lambda *_: False)
    hu, masks = body((60, 48, 48))
    tags = {"PatientName": "Müller^Änne", "SpecificCharacterSet": "ISO_IR 100", "PatientBirthDate": "19600101", "PatientSex": "F"}
    tags |= {"StudyInstanceUID": STUDY_UID, "FrameOfReferenceUID": FRAME_UID, "SeriesInstanceUID": generate_uid(), "StudyDate": "20240301"}
    tags |= {"AcquisitionDate": "20240301", "StudyTime": "101500", "KVP": 120, "StudyID": "7", "AccessionNumber": "A7"}
    tags |= {"ReferringPhysicianName": "", "PositionReferenceIndicator": ""}
    write_series(home / "images" / "P000" / "ct", hu, (2.0, 7.0, 7.0), placed(change), **tags)
    for name in ("liver", "liver_tumour"):
        write_nifti(home / "images" / "P000" / f"{name}.nii.gz", masks[name], (2.0, 7.0, 7.0))
    drawn = "P000/liver.nii.gz,P000/liver_tumour.nii.gz"
    row = f"P000,baseline,-3,abdomen,portal,P000/ct,{drawn},,,Siemens"
    (home / "scans.csv").write_text((home / "scans.csv").read_text() + row + "\n")
    site = base.model_copy(update={"segmentation": Segmentation(targets=targets, models=models or {})})
    (home / "site.yaml").write_text(yaml.safe_dump(site.model_dump(mode="json", exclude_defaults=True)))
    (home / "study.yaml").write_text(yaml.safe_dump(study.model_dump(mode="json", exclude_defaults=True)))
    (scan,) = load_scans(home / "scans.csv", home / "images", study, strict=False)
    return site, scan


def expected(site: SiteConfig, scan: Scan, study: Any, models: Any = None) -> tuple[Any, Any, Any]:
    """The volume, the planes of the grid, and the masks the study's slices were chosen by."""
    volume, _ = read_scan(scan, "r")
    grid = grid_of(volume.z_mm, study.imaging.spacing_mm)
    found = Segmenter(site.segmentation, study, models).organs(scan, volume, grid, study.organs[:1], "r")["liver"]
    return volume, nearest_planes(grid), found


def read_back(path: Path, volume: Any, target: str, planes: NDArray[np.intp]) -> Any:
    return read_any_mask(path, volume, target, (), (), "m", planes)


def dciodvfy(path: Path) -> list[str]:
    """Errors that the validator of Debian's dicom3tools finds."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.fail("no dciodvfy on this machine: install the Debian package dicom3tools")
    said = subprocess.run([program, "-new", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert "Segmentation" in said.stdout + said.stderr, "the validator did not recognise the object"
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("change", [None, turned])
def test_drawn_masks_become_segments_that_our_reader_and_dciodvfy_accept(tmp_path: Path, change: Any) -> None:
    study = a_study()
    site, scan = write_patient(tmp_path, study, {name: Target(masks=True) for name in ("liver", "liver_tumour")}, change=change)
    out = tmp_path / "out"
    ran = run_cli(APP, "data", "export-seg", out, "--drawn", "--home", tmp_path, "--study", tmp_path / "study.yaml", "--json")
    assert ran.status == 0, ran.err
    ((file,),) = (one["files"] for one in ran.data["patients"])
    path = Path(file["file"])
    volume, planes, masks = expected(site, scan, study)
    assert np.array_equal(read_back(path, volume, "liver", planes), masks.organ) and masks.organ.any()
    assert np.array_equal(read_back(path, volume, "liver_tumour", planes), masks.tumour) and masks.tumour.any()
    assert dciodvfy(path) == []

    held = pydicom.dcmread(path)
    source = pydicom.dcmread(next((tmp_path / "images" / "P000" / "ct").iterdir()))
    for tag in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "FrameOfReferenceUID", "AccessionNumber"):
        assert str(held[tag].value) == str(source[tag].value), tag
    said = described(path)
    assert said is not None and said.series == {str(source.SeriesInstanceUID)} and said.names == ("liver", "liver tumour")
    for segment in held.SegmentSequence:
        codes = (segment.SegmentedPropertyTypeCodeSequence[0].CodeValue, segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue)
        assert codes == MEANINGS[segment.SegmentLabel] and segment.SegmentAlgorithmType == "MANUAL"
    assert held.SegmentSequence[1].AnatomicRegionSequence[0].CodeValue == "10200004"
    text = str(held).lower()
    assert "not for diagnosis" in text and not any(word in text for word in ("score", "risk", "survival", "probability", "hazard"))
    again = run_cli(APP, "data", "export-seg", out, "--drawn", "--home", tmp_path, "--study", tmp_path / "study.yaml")
    assert again.status == Exit.FINDINGS and "exists already" in again.err


def test_a_models_segments_name_the_model_and_nothing_drawn_is_exported_unasked(tmp_path: Path) -> None:
    from client.segmentation.declared_models import SiteModels

    study = a_study(rule="paper")  # marks of random weights do not survive careful cleaning
    model = write_model(tmp_path / "models" / "tiny")
    targets = {"liver": Target(model="tiny", labels=(1, 2)), "liver_tumour": Target(model="tiny", labels=(2,)), "lung": Target(masks=True)}
    site, scan = write_patient(tmp_path, study, targets, {"tiny": model})
    (tmp_path / "scans.csv").write_text((tmp_path / "scans.csv").read_text().replace("P000/liver.nii.gz,P000/liver_tumour.nii.gz", ","))
    scan = Scan(**{**vars(scan), "masks": {}})
    ran = run_cli(APP, "data", "export-seg", tmp_path / "out", "--home", tmp_path, "--study", tmp_path / "study.yaml", "--json")
    volume, planes, masks = expected(site, scan, study, SiteModels(site))
    assert masks.organ.any(), "the random model marks nothing: another seed is needed"
    assert ran.status == 0, ran.err
    (path,) = (Path(file["file"]) for one in ran.data["patients"] for file in one["files"])
    assert np.array_equal(read_back(path, volume, "liver", planes), masks.organ)
    assert dciodvfy(path) == []
    segment = pydicom.dcmread(path).SegmentSequence[0]
    assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "tiny")
    version = segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion
    assert version == f"sha256 {SiteModels(site).digest('tiny')[:40]}"


def test_what_cannot_be_linked_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    def no_frame(dataset: Any, k: int) -> None:
        del dataset.FrameOfReferenceUID

    study = a_study()
    write_patient(tmp_path, study, {name: Target(masks=True) for name in ("liver", "liver_tumour")}, change=no_frame)
    arguments = ("data", "export-seg", tmp_path / "out", "--drawn", "--home", tmp_path, "--study", tmp_path / "study.yaml")
    ran = run_cli(APP, *arguments)
    assert ran.status == Exit.FINDINGS and "FH-349" in ran.err and "FrameOfReferenceUID" in ran.err
    rows = (tmp_path / "scans.csv").read_text()
    write_nifti(tmp_path / "images" / "P000" / "ct.nii.gz", body((60, 48, 48))[0], (2.0, 7.0, 7.0))
    (tmp_path / "scans.csv").write_text(rows.replace("P000/ct,", "P000/ct.nii.gz,"))
    nifti = run_cli(APP, *arguments)
    assert nifti.status == Exit.FINDINGS and "no DICOM series" in nifti.err
    assert not list((tmp_path / "out").rglob("*.dcm"))
    assert run_cli(APP, *arguments, "--patient", "P999").status == Exit.CONTENT
