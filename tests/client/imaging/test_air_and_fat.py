"""An even shift of all values is told by air and by fat; real scans, cut-outs of them, noise and made ones raise no alarm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from client.imaging.air_and_fat import shifted
from client.imaging.hounsfield import check_hounsfield
from client.intake.read_nifti import read_ct
from client.intake.read_scan import read_scan
from simulations.cohort.phantom_ct import SCANNERS, PhantomOptions, draw_anatomy, render
from site_config.problems.base import Problem
from site_config.tables.cohort_csv import Scan
from tests.client.made_scans import body

REAL = ("example_ct", "example_ct_sm", "aorta_ct_cropped", "pulmonary_ct_cropped", "example_ct_dicom")
SHIFTS = (-100, -80, 80, 100, 150)
Values = NDArray[np.int16]


def moved(hu: Values, by: float, times: float = 1.0) -> Values:
    return np.clip(np.rint(hu * times + by), -1024, 3071).astype(np.int16)


def of_real(data: Path, name: str) -> Values:
    folder = data / "ct" / "ts"
    if name.endswith("dicom"):
        return read_scan(Scan("P1", "baseline", None, None, "abdomen", None, folder / name, {}, None, None, 0), "a scan")[0].hu
    return read_ct(folder / f"{name}.nii.gz").hu


def refused(hu: Values) -> bool:
    try:
        check_hounsfield(hu, "a scan")
    except Problem as problem:
        return problem.code == "FH-327"
    return False


@pytest.mark.parametrize("name", REAL)
def test_real_scans_pass_and_their_shifted_copies_do_not(shared_data: Path, name: str) -> None:
    hu = of_real(shared_data, name)
    assert not refused(hu)
    assert [by for by in SHIFTS if not refused(moved(hu, by))] == []
    assert refused(moved(hu, 0, 0.9)) == (name not in ("aorta_ct_cropped", "pulmonary_ct_cropped"))  # no air is left around these


@pytest.mark.parametrize("name", REAL)
def test_noise_cuts_and_clipped_air_of_real_scans_raise_no_alarm(shared_data: Path, name: str) -> None:
    hu, rng = of_real(shared_data, name), np.random.default_rng(0)
    _, y, x = hu.shape
    assert shifted(moved(hu + rng.normal(0, 40, hu.shape), 0)) is None
    assert shifted(hu[:, y // 4 : 3 * y // 4, x // 4 : 3 * x // 4]) is None
    assert shifted(hu[:, : y // 2, x // 3 :]) is None
    assert shifted(np.where(hu < -900, -1024, hu).astype(np.int16)) is None


def test_made_scans_pass_and_their_shifted_copies_do_not() -> None:
    made = body()[0]
    assert shifted(made) is None
    assert all(refused(moved(made, by)) for by in SHIFTS)


def test_a_phantom_passes_and_its_shifted_copies_do_not() -> None:
    hu = render(draw_anatomy(7, 20.0, 1.2, 0.0), "baseline", "abdomen", PhantomOptions(matrix=96), SCANNERS["SIEMENS"], 7).hu
    assert shifted(hu) is None
    assert all(refused(moved(hu, by)) for by in SHIFTS)


def test_padding_around_a_round_field_is_no_air() -> None:
    hu = body((24, 96, 96))[0]
    y, x = np.ogrid[-1:1:96j, -1:1:96j]
    ring = np.broadcast_to(y**2 + x**2 > 0.98, hu.shape)
    assert shifted(np.where(ring, -1024, hu).astype(np.int16)) is None
    assert shifted(np.where(ring, -1024, moved(hu, 100)).astype(np.int16)) is not None
