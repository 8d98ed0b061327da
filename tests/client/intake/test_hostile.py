"""Hostile inputs: a numbered problem each, access apart from content, nothing of the patient in it, others unaffected (bar 7)."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from client.cohort.prepared_cohort import load_patients, prepare
from client.intake import read_nifti
from client.intake.read_nifti import read_ct, read_mask
from client.intake.read_scan import read_scan
from site_config.problems import all_kinds
from site_config.problems.base import Exit, Problem
from site_config.tables.cohort_csv import Scan
from tests.client.intake.hostile import HOSTILE, HU, MASKS
from tests.client.made_scans import a_study, write_nifti, write_series, write_site

SECRET_NAME = "Mueller-Hans"


def read(path: Path) -> Problem:
    scan = Scan(SECRET_NAME, "baseline", 0.0, None, "abdomen", None, path, {}, None, None, 2)
    with pytest.raises(Problem) as caught:
        read_scan(scan, "the baseline abdomen scan")
    return caught.value


def test_there_are_at_least_thirty() -> None:
    assert len(HOSTILE) >= 30


@pytest.mark.parametrize("name", HOSTILE)
def test_each_hostile_scan_is_a_numbered_problem(tmp_path: Path, name: str) -> None:
    code, make = HOSTILE[name]
    problem = read(make(tmp_path / SECRET_NAME))
    assert problem.code == code
    assert problem.kind.exit == (Exit.ACCESS if code.startswith("FH-9") else Exit.CONTENT)
    words = f"{problem.what} {problem.why} {problem.fix} {problem.where}"
    assert SECRET_NAME not in words and str(tmp_path) not in words


def test_unreadable_files_are_a_matter_of_access_in_both_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series = write_series(tmp_path / "series", HU)
    single = write_nifti(tmp_path / "scan.nii.gz", HU)
    ordinary = Path.open

    def forbid(self: Path, *args: Any, **options: Any) -> Any:
        if self.name in ("slice003", "scan.nii.gz"):
            raise PermissionError(errno.EACCES, "denied", str(self))
        return ordinary(self, *args, **options)

    monkeypatch.setattr(Path, "open", forbid)
    for path in (series, single):
        problem = read(path)
        assert problem.code == "FH-911" and problem.kind.exit == Exit.ACCESS
        assert "permission" in problem.fix.lower() and "delete" not in problem.fix.lower()


@pytest.mark.parametrize("name", ["mask of another size", "mask elsewhere", "probability map", "negative mask", "nan mask"])
def test_masks_that_are_none(tmp_path: Path, name: str) -> None:
    volume = read_ct(write_nifti(tmp_path / "scan.nii.gz", HU))
    mask = MASKS["liver"]
    spoiled: dict[str, tuple[str, Any]] = {
        "mask of another size": ("FH-320", lambda: write_nifti(tmp_path / "m.nii.gz", mask[:, :-1])),
        "mask elsewhere": ("FH-320", lambda: write_nifti(tmp_path / "m.nii.gz", mask, (5.0, 7.2, 7.0))),
        "probability map": ("FH-321", lambda: write_nifti(tmp_path / "m.nii.gz", mask.astype(np.float32) * 0.7)),
        "negative mask": ("FH-321", lambda: write_nifti(tmp_path / "m.nii.gz", -mask.astype(np.int16))),
        "nan mask": ("FH-321", lambda: write_nifti(tmp_path / "m.nii.gz", np.where(mask, np.nan, 0).astype(np.float32))),
    }
    code, write = spoiled[name]
    with pytest.raises(Problem) as caught:
        read_mask(write(), volume)
    assert caught.value.code == code


@pytest.mark.parametrize("flips", ["", "x", "y", "z", "xyz"])
def test_nifti_in_any_orientation_is_the_same_volume_and_its_mask_follows(tmp_path: Path, flips: str) -> None:
    import nibabel

    straight = nibabel.load(write_nifti(tmp_path / "a.nii.gz", HU, (5.0, 7.0, 7.0)))
    turned = straight
    for axis in flips:
        steps = [[0, 1], [1, 1], [2, 1]]
        steps["xyz".index(axis)][1] = -1
        turned = turned.as_reoriented(steps)
    turned = turned.as_reoriented([[2, 1], [0, 1], [1, 1]]) if flips == "xyz" else turned
    nibabel.save(turned, tmp_path / "b.nii.gz")
    one, other = read_ct(tmp_path / "a.nii.gz"), read_ct(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(one.hu, other.hu)
    np.testing.assert_allclose(one.origin_mm, other.origin_mm, atol=1e-4)
    mask = read_mask(write_nifti(tmp_path / "m.nii.gz", MASKS["liver"], (5.0, 7.0, 7.0)), other)
    np.testing.assert_array_equal(mask, MASKS["liver"] > 0)


@pytest.mark.parametrize("flips", ["LPS", "RAS", "PIR"])
def test_masks_of_every_kind_of_number_are_one_and_are_read_slice_by_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flips: str
) -> None:
    """A mask of 64-bit fractions of 600 slices took 8 seconds and 1.3 GB."""
    volume = read_ct(write_nifti(tmp_path / "ct.nii.gz", HU))
    want = MASKS["liver"].astype(bool)
    if flips != "PIR":  # a file whose slices do not lie one after the other is read whole
        monkeypatch.setattr(read_nifti, "_data", lambda *_: pytest.fail("the file was read whole"))
    for kind in ("u1", "i1", "<i2", ">i2", "<i4", "<f4", ">f4", "<f8"):
        path = tmp_path / "mask.nii.gz"
        plain = nibabel.load(write_nifti(path, MASKS["liver"]))
        turned = plain.as_reoriented(ornt_transform(io_orientation(plain.affine), axcodes2ornt(flips)))
        header = nibabel.Nifti1Header(endianness=">" if kind.startswith(">") else "<")
        header.set_data_dtype(np.dtype(kind))
        header.set_xyzt_units("mm")
        nibabel.save(nibabel.Nifti1Image(np.asarray(turned.dataobj).astype(kind), turned.affine, header), path)
        assert np.array_equal(read_mask(path, volume), want), kind


def test_units_are_heeded(tmp_path: Path) -> None:
    def metres(image: Any) -> None:
        affine = image.affine @ np.diag([1e-3, 1e-3, 1e-3, 1])
        affine[:3, 3] *= 1e-3
        image.header.set_xyzt_units("meter")
        for form in (image.set_sform, image.set_qform):
            form(affine, 1)

    volume = read_ct(write_nifti(tmp_path / "a.nii.gz", HU, (5.0, 7.0, 7.0), metres))
    assert volume.slice_mm == pytest.approx(5.0) and volume.spacing_mm == pytest.approx((7.0, 7.0))


def test_all_of_them_beside_healthy_patients_leave_those_untouched(tmp_path: Path) -> None:
    alone = write_site(tmp_path / "alone", patients=1)
    prepare(alone, a_study())
    site = write_site(tmp_path / "site", patients=1)
    shutil.copy(alone.state / "secret", _folder(site.state) / "secret")
    cohort, scans = (site.home / "cohort.csv").read_text(), (site.home / "scans.csv").read_text()
    expected: dict[str, str] = {}
    for number, (name, (code, make)) in enumerate(HOSTILE.items()):
        key = f"H{number:03d}"
        if name in ("symlink loop", "nothing there"):
            key_path = f"{key}/gone.nii.gz"
        else:
            key_path = str(make(site.home / "images" / key).relative_to(site.home / "images"))
        cohort += f"{key},60,M,0,-3,60,300,0,1,0,1,0,0,1,,PD\n"
        scans += f"{key},baseline,-3,abdomen,portal,{key_path},,,,,\n"
        expected[key] = code
    (site.home / "cohort.csv").write_text(cohort)
    (site.home / "scans.csv").write_text(scans)
    summary = prepare(site, a_study())
    assert summary.patients == 1 + len(HOSTILE) and summary.with_images == 1
    met = {finding.code for _, finding in summary.findings}
    assert met >= set(expected.values()) and met <= {kind.label for kind in all_kinds()}
    assert summary.to_retry == sum(code.startswith("FH-9") for code in expected.values())
    mine, theirs = (load_patients(one, a_study(), "id", "development") for one in (alone, site))
    place = theirs.keys.index(mine.keys[0])
    np.testing.assert_array_equal(mine.images.load(0), theirs.images.load(place))  # type: ignore[union-attr]


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def test_a_claimed_size_is_refused_before_memory_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_nifti, "_data", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(Problem):
        read_ct(HOSTILE["nifti2 header claiming 70000"][1](tmp_path))
