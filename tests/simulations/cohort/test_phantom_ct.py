"""Phantom CT: plausible organs, lesions of the declared size, scanners that differ, files that readers accept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulations.cohort.phantom_ct import (
    LIVER,
    LIVER_TUMOUR,
    LUNG,
    LUNG_TUMOUR,
    SCANNERS,
    PhantomOptions,
    PhantomScan,
    draw_anatomy,
    render,
)
from simulations.cohort.scan_files import GeometryFault, write_dicom, write_nifti

SIEMENS = SCANNERS["SIEMENS"]


def phantom(visit: str = "baseline", region: str = "abdomen", seed: int = 3, growth: float = 2.0, **options: float) -> PhantomScan:
    anatomy = draw_anatomy(seed, 60.0, growth, 6.0)
    return render(anatomy, visit, region, PhantomOptions(**options), SIEMENS, seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_organs_have_plausible_volumes_and_hounsfield_units(seed: int):
    abdomen, chest = phantom(seed=seed), phantom(region="chest", seed=seed)
    assert 900 < abdomen.millilitres(LIVER) < 2200
    assert 2200 < chest.millilitres(LUNG) < 5500
    assert 85 < abdomen.hu[abdomen.labels == LIVER].mean() < 130
    assert -900 < chest.hu[chest.labels == LUNG].mean() < -700
    assert abdomen.hu[:, 0, 0].mean() == pytest.approx(-1000, abs=30)
    assert abdomen.hu.max() > 150


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_organs_are_whole_within_their_own_scan_and_cut_in_the_other(seed: int):
    abdomen, chest = phantom(seed=seed), phantom(region="chest", seed=seed)
    assert not np.isin(abdomen.labels[[0, -1]], (LIVER, LIVER_TUMOUR)).any()
    assert not (chest.labels[0] == LUNG).any()
    assert abdomen.millilitres(LUNG) < chest.millilitres(LUNG)
    assert (abdomen.labels[-1] == LUNG).any()


def test_lesions_have_the_declared_volume_and_grow_by_the_declared_ratio():
    before, after = phantom(), phantom("followup")
    assert before.millilitres(LIVER_TUMOUR) == pytest.approx(60, rel=0.25)
    assert after.millilitres(LIVER_TUMOUR) / before.millilitres(LIVER_TUMOUR) == pytest.approx(2.0, rel=0.3)
    assert phantom(region="chest").millilitres(LUNG_TUMOUR) == pytest.approx(6, rel=0.5)


def test_contrast_turns_lesions_up_and_off():
    def depth(contrast: float) -> float:
        scan = phantom(lesion_contrast=contrast)
        return float(scan.hu[scan.labels == LIVER].mean() - scan.hu[scan.labels == LIVER_TUMOUR].mean())

    assert depth(2.5) > 2 * depth(1.0) > 20
    assert phantom(lesion_contrast=0.0).millilitres(LIVER_TUMOUR) == 0


def test_the_same_seed_gives_the_same_voxels_and_the_visits_differ():
    assert np.array_equal(phantom().hu, phantom().hu)
    assert not np.array_equal(phantom().hu, phantom("followup").hu)


def test_scanners_differ_and_without_shift_they_do_not():
    anatomy = draw_anatomy(1, 40.0, 1.0, 0.0)

    def noise(maker: str, shift: float) -> float:
        scan = render(anatomy, "baseline", "abdomen", PhantomOptions(scanner_shift=shift), SCANNERS[maker], 1)  # type: ignore[index]
        return float(scan.hu[:, :8, :8].std())

    assert noise("Philips", 1.0) > 1.2 * noise("GE MEDICAL SYSTEMS", 1.0)
    assert noise("Philips", 0.0) == pytest.approx(noise("GE MEDICAL SYSTEMS", 0.0), rel=1e-6)
    assert render(anatomy, "baseline", "abdomen", PhantomOptions(), SCANNERS["TOSHIBA"], 1).spacing[0] == pytest.approx(6.0)


def test_a_nifti_file_has_the_geometry_of_the_phantom(tmp_path: Path):
    import SimpleITK as sitk

    scan = phantom(matrix=48)
    write_nifti(tmp_path / "a.nii.gz", scan.hu, scan.spacing, scan.origin)
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(image), scan.hu)
    assert image.GetSpacing() == pytest.approx(scan.spacing[::-1], rel=1e-6)
    assert image.GetOrigin() == pytest.approx(scan.origin, rel=1e-6)


def test_a_dicom_folder_reads_back_and_its_tags_are_complete(tmp_path: Path):
    import pydicom
    import SimpleITK as sitk

    scan = phantom(matrix=32, slice_mm=12.0)
    uid = write_dicom(tmp_path / "s", scan, "01-001", -5)
    files = sorted((tmp_path / "s").iterdir())
    assert len(files) == scan.hu.shape[0]
    first = pydicom.dcmread(files[0])
    assert first.SeriesInstanceUID == uid == write_dicom(tmp_path / "again", scan, "01-001", -5)
    assert (first.Modality, first.Manufacturer, first.StudyDate) == ("CT", "SIEMENS", "20200101")
    volume = sitk.GetArrayFromImage(sitk.ReadImage([str(file) for file in files]))
    assert np.array_equal(volume, scan.hu)


def test_tilt_and_gaps_are_in_the_tags(tmp_path: Path):
    import pydicom

    scan = phantom(matrix=32, slice_mm=12.0)
    write_dicom(tmp_path / "s", scan, "01-001", 0, GeometryFault(missing=(3, 4), tilt_degrees=12.0))
    files = sorted((tmp_path / "s").iterdir())
    assert len(files) == scan.hu.shape[0] - 2
    orientation = pydicom.dcmread(files[0]).ImageOrientationPatient
    assert np.degrees(np.arctan2(orientation[5], orientation[4])) == pytest.approx(12.0, abs=1e-4)
