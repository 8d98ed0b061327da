"""From a file to labels equal to what nnU-Net itself writes to a file: reading, orientation and export included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.imaging import slices
from client.intake.read_nifti import read_ct
from client.segmentation.declared_models import SiteModels
from site_config.site_yaml import Segmentation, SegmentationModel, SiteConfig
from tests.client.made_scans import body, write_nifti
from tests.client.nnunet_folder import plans_3d, plans_of, write_model
from tests.client.segmentation.test_tiles import SPACING, dice, sensible

DATASET: dict[str, Any] = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "liver": 1, "tumour": 2, "spleen": 3},
    "numTraining": 4,
    "file_ending": ".nii.gz",
}


def nnunets_own(predictor: Any, scan: Path, out: Path) -> Any:
    """nnU-Net's own way, file to file: its reader, its preprocessing, its export and its writer."""
    import nibabel

    predictor.predict_from_files_sequential([[str(scan)]], [str(out)], save_probabilities=False, overwrite=True)
    return np.asanyarray(nibabel.load(f"{out}.nii.gz").dataobj)


@pytest.mark.parametrize("reader", ["SimpleITKIO", "NibabelIOWithReorient"])
@pytest.mark.parametrize("kind", ["flat", "solid"])
def test_labels_equal_the_file_that_nnunet_writes(tmp_path: Path, reader: str, kind: str) -> None:
    plans = plans_of((32, 32), (7.0, 7.0)) if kind == "flat" else plans_3d((16, 32, 32), (4.0, 6.0, 6.0))
    plans["image_reader_writer"] = reader
    hu, _ = body((22, 48, 40))
    scan = write_nifti(tmp_path / "scan_0000.nii.gz", hu, SPACING)
    entry = write_model(tmp_path / "m", plans=plans, dataset=DATASET, checkpoint=sensible(plans, DATASET))
    model = SegmentationModel(**entry.model_dump())
    loaded = SiteModels(SiteConfig(site="here", segmentation=Segmentation(models={"m": model}))).get("m")
    volume = read_ct(scan)
    ours = loaded.label_map(volume, slices.grid_of(volume.z_mm, SPACING[0]))
    stored = nnunets_own(loaded.predictor, scan, tmp_path / "out")  # (x, y, z) of the file: x to the right, y to the front
    theirs = stored.transpose(2, 1, 0)
    assert ours.shape == theirs.shape and len(np.unique(theirs)) >= 3
    assert dice(ours, theirs) >= 0.999
