"""Masks are read slice by slice; whatever way the file lies, the same mask comes out."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from client.imaging.plane_stream import plane_bytes
from client.intake.read_nifti import read_ct, read_mask
from site_config.problems.base import Problem
from tests.client.made_scans import body, write_nifti


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAI", "PSL", "SAR", "ILP"])
def test_every_orientation_gives_the_same_mask(codes: str, suffix: str, tmp_path: Path) -> None:
    hu, masks = body()
    volume = read_ct(write_nifti(tmp_path / "ct.nii.gz", hu))
    plain = nibabel.load(write_nifti(tmp_path / "liver.nii.gz", masks["liver"]))
    turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(plain.affine), nibabel.orientations.axcodes2ornt(tuple(codes)))
    turned = plain.as_reoriented(turn)
    turned.set_sform(turned.affine, 1)
    turned.set_qform(turned.affine, 1)
    path = tmp_path / f"turned{suffix}"
    nibabel.save(turned, path)
    assert np.array_equal(read_mask(path, volume), masks["liver"] > 0)
    planes = np.array([3, 3, 11, 20])
    assert np.array_equal(read_mask(path, volume, planes=planes), masks["liver"][planes] > 0)


def test_members_of_a_gzip_file_follow_each_other(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40
    path = tmp_path / "m.gz"
    path.write_bytes(gzip.compress(data[:3000]) + gzip.compress(data[3000:]))
    assert b"".join(plane_bytes(path, 40, 1000, 10, "a mask")) == data[40:10040]


@pytest.mark.parametrize("damage", ["short", "flipped"])
def test_a_damaged_file_is_found(damage: str, tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 255, 200_000, dtype=np.uint8).tobytes()
    raw = bytearray(gzip.compress(data))
    if damage == "short":
        raw = raw[:-4000]
    else:
        raw[-6] ^= 0xFF  # the check sum
    path = tmp_path / "m.gz"
    path.write_bytes(raw)
    with pytest.raises(Problem) as caught:
        list(plane_bytes(path, 0, 1000, 200, "a mask"))
    assert caught.value.code == "FH-302"
