"""Tumours that a radiologist drew at the liver's edge and beyond: all is kept, and `rule: paper` takes an independent route's slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from client.cohort.one_scan import OrganView
from client.intake.trial_scan import MaskFile, case_to_slices
from tests.client.made_scans import a_study, write_nifti

MM, SLICE = 4.0, 2.5
Z, Y, X = np.meshgrid(np.arange(-110, 125, SLICE), *[np.arange(-176, 176, MM)] * 2, indexing="ij")
LIVER = ((X + 60) / 75) ** 2 + ((Y + 5) / 75) ** 2 + ((Z - 40) / 60) ** 2 < 1
TUMOURS = {
    "inside": (-60, -5, 40, 20),
    "at the surface": (-60, -20, -20, 30),
    "exophytic": (-60, -30, -30, 40),
    "exophytic, large": (-60, -30, -40, 50),
    "pedunculated, 12 mm off": (-60, -30, -63, 30),
}


def body() -> NDArray[np.int16]:
    hu = np.full(X.shape, -1000.0)
    hu[(X / 160) ** 2 + (Y / 110) ** 2 < 1] = 20
    hu[LIVER] = 105
    return np.rint(hu + np.random.default_rng(1).normal(0, 8, hu.shape)).astype(np.int16)


def by_hand(organ: NDArray[np.bool_], tumour: NDArray[np.bool_]) -> list[float]:
    """The paper's three slices, in mm from the first one: most tumour, then most organ, then nearest to the organ's middle."""
    rows = []
    for k in range(int((len(Z) - 1) * SLICE / 5.0 + 1e-6) + 1):
        source = min(range(len(Z)), key=lambda n: (abs(n * SLICE - k * 5.0), -n))
        rows.append((5.0 * k, int(tumour[source].sum()), int((organ[source] | tumour[source]).sum())))
    middle = sum(z * area for z, _, area in rows) / sum(area for _, _, area in rows)
    held = [row for row in rows if row[2] > 0]
    return [row[0] for row in sorted(held, key=lambda row: (-row[1], -row[2], abs(row[0] - middle), row[0]))[:3]]


@pytest.mark.parametrize("left_out", [True, False], ids=["liver without tumour", "liver with tumour"])
@pytest.mark.parametrize("name", TUMOURS)
def test_what_a_person_drew_is_kept_and_paper_is_the_paper(name: str, left_out: bool, tmp_path: Path) -> None:
    x, y, z, radius = TUMOURS[name]
    tumour = (X - x) ** 2 + (Y - y) ** 2 + (Z - z) ** 2 < radius**2
    organ = LIVER & ~tumour if left_out else LIVER | tumour
    hu = body()
    hu[tumour & ~LIVER] = 60
    spacing = (SLICE, MM, MM)
    image = write_nifti(tmp_path / "ct.nii.gz", hu, spacing)
    masks = {
        target: MaskFile(write_nifti(tmp_path / f"{target}.nii.gz", mask.astype(np.uint8), spacing))
        for target, mask in (("liver", organ), ("liver_tumour", tumour))
    }

    def view(rule: str) -> OrganView:
        return case_to_slices(image, masks, a_study(rule=rule), region="abdomen").views[0]

    drawn = float(tumour.sum()) * MM * MM * SLICE / 1000
    on_grid = float(tumour[::2].sum()) * MM * MM * 5.0 / 1000  # what the 5 mm grid shows of it
    for rule in ("careful", "paper"):
        record = view(rule).record
        assert record.tumour_ml >= 0.99 * on_grid and abs(record.tumour_ml - drawn) < 0.06 * drawn and record.removed_ml == 0
    assert list(view("paper").record.z_mm) == by_hand(organ, tumour)
