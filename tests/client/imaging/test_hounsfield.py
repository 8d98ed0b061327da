"""Values that are no Hounsfield units are refused, whatever padding or a single slice pretends; real and made scans pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from client.imaging.hounsfield import check_hounsfield, is_flat, organ_value
from client.intake.dicom.dicom_header import Units
from client.intake.dicom.stored_values import check_rescale, rescaled
from client.intake.read_nifti import read_ct
from site_config.problems.base import Problem
from tests.client.made_scans import body, write_nifti

Change = Callable[[NDArray[np.int32]], NDArray[np.int32]]
HU = body((24, 48, 48))[0].astype(np.int32)


def _no_intercept_with_padding(hu: NDArray[np.int32]) -> NDArray[np.int32]:
    shifted = hu + 1024
    shifted[:, :6, :6] = -2000
    return shifted


def _windowed_but_one_slice(hu: NDArray[np.int32]) -> NDArray[np.int32]:
    windowed = np.clip(hu, -160, 240)
    windowed[3] = hu[3]
    return windowed


def _one_slice_without_intercept(hu: NDArray[np.int32]) -> NDArray[np.int32]:
    shifted = hu.copy()
    shifted[10] += 1024
    return shifted


@pytest.mark.parametrize(
    "change",
    [
        lambda hu: hu + 1024,
        _no_intercept_with_padding,
        lambda hu: np.clip(hu, -160, 240),
        _windowed_but_one_slice,
        _one_slice_without_intercept,
        lambda hu: hu // 2,
        lambda hu: (np.clip(hu, -160, 240) + 160) * 255 // 400,
        lambda hu: hu // 1000,
        lambda hu: hu * 0 + 40,
        lambda hu: hu - 1024,
    ],
    ids=[
        "no intercept",
        "no intercept, padded",
        "windowed",
        "windowed but one",
        "one without",
        "half slope",
        "8 bit",
        "unit scale",
        "flat",
        "twice",
    ],
)
def test_what_is_no_hounsfield_unit_is_refused(change: Change) -> None:
    with pytest.raises(Problem) as caught:
        check_hounsfield(np.clip(change(HU), -1024, 3071).astype(np.int16), "a scan")
    assert caught.value.code == "FH-327"


@pytest.mark.parametrize(
    "change",
    [lambda hu: hu, lambda hu: np.where(hu < -900, -3000, hu), lambda hu: np.clip(hu, -1024, 1000), lambda hu: hu[:, 10:38, 10:38]],
    ids=["plain", "air clamped", "bone clipped", "cropped"],
)
def test_honest_volumes_pass(change: Change) -> None:
    check_hounsfield(np.clip(change(HU), -1024, 3071).astype(np.int16), "a scan")


@pytest.mark.parametrize("name", ["example_ct", "example_ct_sm", "aorta_ct_cropped", "pulmonary_ct_cropped"])
def test_real_scans_pass(shared_data: Path, name: str) -> None:
    read_ct(shared_data / "ct" / "ts" / f"{name}.nii.gz")


def test_padding_is_read_and_a_tissue_value_is_no_padding_unless_the_corners_hold_it() -> None:
    stored = np.full((8, 8), 1064, dtype=np.uint16)
    stored[0, 0] = 63536
    units = Units(1.0, -1024.0, "HU", (63536.0, 63536.0))
    assert rescaled(stored, units)[0, 0] == -1024 and rescaled(stored, units)[4, 4] == 40
    inside = np.full((8, 8), 1064, dtype=np.uint16)
    assert (rescaled(inside, Units(1.0, -1024.0, "", (1064.0, 1064.0)))[4, 4]) == -1024  # the corners hold it
    inside[0, 0] = 0
    assert rescaled(inside, Units(1.0, -1024.0, "", (1064.0, 1064.0)))[4, 4] == 40


def test_a_padding_range_is_read() -> None:
    stored = np.array([[-2000, -1990, 0, 40]], dtype=np.int16)
    assert rescaled(stored, Units(1.0, 0.0, "HU", (-2000.0, -1980.0))).tolist() == [[-1024, -1024, 0, 40]]


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ([Units(1.0, -1024.0)] * 3 + [Units()], "FH-366"),
        ([Units(1.0, -1024.0, "US")] * 2 + [Units(None, None, "US")], "FH-366"),
        ([Units(1.0, 0.0, "Z_EFF")] * 3, "FH-366"),
        ([Units(1e6, 0.0)] * 3, "FH-366"),
    ],
)
def test_rescale_that_is_not_stated_everywhere(units: list[Units], code: str) -> None:
    with pytest.raises(Problem) as caught:
        check_rescale(units, "a scan")
    assert caught.value.code == code


def test_a_form_in_other_units_than_the_pixel_sizes_is_refused(tmp_path: Path) -> None:
    def unit_scale(image: Any) -> None:
        image.header.set_zooms((7.0, 7.0, 5.0))
        image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)
        image.header["sform_code"], image.header["qform_code"] = 1, 0

    import nibabel

    path = write_nifti(tmp_path / "ct.nii.gz", body()[0])
    image = nibabel.load(path)
    data, header = np.asarray(image.dataobj), image.header
    made = nibabel.Nifti1Image(data, None, header)
    unit_scale(made)
    nibabel.save(made, tmp_path / "unit.nii")
    with pytest.raises(Problem) as caught:
        read_ct(tmp_path / "unit.nii")
    assert caught.value.code == "FH-304"


def test_organs_have_an_organs_values() -> None:
    hu, masks = body((24, 48, 48))
    assert organ_value(hu, masks["liver"].astype(bool), "liver") is None
    assert organ_value(hu, masks["lung"].astype(bool), "liver") is not None
    assert organ_value(hu, masks["lung"].astype(bool), "lung") is None and is_flat(np.full((9, 9), 40, np.int16))
