"""A native scan that is called venous is told by its vessels; real scans, phantoms and pictures without vessels raise no alarm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from client.imaging.contrast_seen import Seen, evenly, with_liver, without_mask
from client.intake.phase_beside import phase_beside
from client.intake.read_nifti import read_ct, read_mask
from client.intake.read_scan import read_scan
from simulations.cohort.phantom_ct import LIVER, LIVER_TUMOUR, SCANNERS, PhantomOptions, draw_anatomy, render
from site_config.tables.cohort_csv import Scan
from tests.client.made_scans import body

MM = 3.0
AORTA, LIVER_LABEL = 52, 5  # of TotalSegmentator, the independent witness


def trunk(liver: float, vessel: float, noise: float = 10.0) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """A body without fat, with a liver, its portal branches, aorta and spine: (z, y, x) every 5 mm, pixels of 3 mm."""
    z, y, x = np.meshgrid(np.arange(-75, 75, 5.0), *[np.arange(-180, 180, MM)] * 2, indexing="ij")
    hu = np.full(z.shape, -1000.0)
    hu[(x / 160) ** 2 + (y / 110) ** 2 < 1] = 20
    organ = ((x + 70) / 70) ** 2 + (y / 75) ** 2 + (z / 70) ** 2 < 1
    hu[organ] = liver
    hu[organ & (((y + 20 + 0.3 * x) ** 2 + (z - 5) ** 2) < 64)] = vessel
    hu[(x / 18) ** 2 + ((y - 75) / 20) ** 2 < 1] = 180
    hu[(((x / 18) ** 2 + ((y - 75) / 20) ** 2) < 1) & (((x / 15) ** 2 + ((y - 75) / 17) ** 2) > 1)] = 600
    hu[((x - 12) ** 2 + (y - 42) ** 2) < 144] = vessel
    hu += np.random.default_rng(3).normal(0, noise, hu.shape)
    return np.rint(hu).astype(np.int16), organ


def by_liver(hu: NDArray[np.int16], liver: NDArray[np.bool_], spacing: tuple[float, float] = (MM, MM), tumour: object = None) -> Seen:
    held = np.flatnonzero(liver.any(axis=(1, 2)))
    shown = evenly(int(held[0]), int(held[-1]))
    inside = np.zeros_like(liver) if tumour is None else np.asarray(tumour)
    return with_liver(hu, shown, (liver[shown], inside[shown]), spacing)


@pytest.mark.parametrize(
    ("liver", "vessel", "seen"),
    [
        (58.0, 42.0, False),  # native
        (58.0, 34.0, False),  # native, anaemia
        (30.0, 42.0, False),  # native, fatty liver: vessels are brighter than the liver
        (108.0, 165.0, True),  # venous
        (60.0, 140.0, True),  # venous, fatty liver
        (70.0, 320.0, True),  # arterial
    ],
)
def test_vessels_tell(liver: float, vessel: float, seen: Seen) -> None:
    told = by_liver(*trunk(liver, vessel))
    assert told is seen or (seen is True and told is None)
    assert (told is False) == (seen is False)


def test_a_picture_without_vessels_proves_nothing() -> None:
    hu, masks = body((24, 48, 48))
    assert by_liver(hu, masks["liver"].astype(bool), (7.0, 7.0)) is None
    hu, organ = trunk(60.0, 20.0)
    hu[organ] = 60
    assert by_liver(hu, organ) is None and without_mask(hu, evenly(0, 29), (MM, MM)) is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_phantoms_are_venous(seed: int) -> None:
    scan = render(
        draw_anatomy(seed, 20.0, 1.2, 0.0), "baseline", "abdomen", PhantomOptions(matrix=96), SCANNERS["GE MEDICAL SYSTEMS"], seed
    )
    liver, tumour = np.isin(scan.labels, (LIVER, LIVER_TUMOUR)), scan.labels == LIVER_TUMOUR
    assert by_liver(scan.hu, liver, scan.spacing[1:], tumour) is True
    assert phase_beside("portal", True, "a scan") == []


@pytest.mark.parametrize(
    ("name", "seen"), [("example_ct", False), ("example_ct_sm", False), ("aorta_ct_cropped", None), ("pulmonary_ct_cropped", None)]
)
def test_real_scans_without_a_mask(shared_data: Path, name: str, seen: Seen) -> None:
    volume = read_ct(shared_data / "ct" / "ts" / f"{name}.nii.gz")
    assert without_mask(volume.hu, evenly(0, len(volume.hu) - 1), volume.spacing_mm) is seen


def test_real_scans_with_masks_agree_with_their_aorta(shared_data: Path) -> None:
    """Of the two real scans with a segmented liver one is native and one venous; the aorta says which."""
    folder = shared_data / "ct" / "ts"
    row = Scan("P1", "baseline", None, None, "abdomen", None, folder / "example_ct_dicom", {}, None, None, 0)
    for volume, masks, least, most, seen in (
        (read_ct(folder / "example_ct_sm.nii.gz"), "example_seg.nii.gz", 30, 60, False),
        (read_scan(row, "a scan")[0], "example_seg_dicom.nii.gz", 100, 200, True),
    ):
        aorta, liver = (read_mask(folder / masks, volume, (label,)) for label in (AORTA, LIVER_LABEL))
        assert least < np.median(volume.hu[aorta]) < most
        assert by_liver(volume.hu, liver, volume.spacing_mm) is seen
        assert [problem.code for problem in phase_beside("portal", seen, "a scan")] == ([] if seen else ["FH-374"])
