"""Real CT files as a federation of three hospitals: what a study says when patients are far too few.

The images are real and public; who they are of, outcomes and clinical variables are made up here, and the study is labelled
simulated. Nothing can be estimated from three patients, and the study has to say so instead of failing or inventing.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from site_config.documents.read_yaml_documents import dump_yaml
from site_config.site_yaml import Compute, Policy, SiteConfig
from site_config.study.plan_and_lock import Study, StudySite

VARIABLES = ("differentiation", "nash", "pvtt", "surgery", "ebrt", "tace", "rfa")
Masks = dict[str, tuple[str, tuple[int, ...]]]
WHOLE_BODY: Masks = {"liver": ("ts/example_seg.nii.gz", (5,)), "lung": ("ts/example_seg.nii.gz", (10, 11, 12, 13, 14))}
FAST: Masks = {"liver": ("ts/example_seg_fast_liver.nii.gz", (1,)), "lung": ("ts/example_seg_fast_lung_lower_lobe_right.nii.gz", (1,))}
DICOM: Masks = {"liver": ("ts/example_seg_dicom.nii.gz", (5,)), "lung": ("ts/example_seg_dicom.nii.gz", (10, 11, 12, 13, 14))}


@dataclass(frozen=True)
class Case:
    """One made-up patient of a hospital: real scans below the data folder, with the files and labels that make its masks."""

    site: str
    patient: str
    image: str
    masks: Masks
    followup: str | None
    days: int
    event: int


CASES = (
    Case("nifti-hospital", "P1", "ts/example_ct_sm.nii.gz", WHOLE_BODY, "ts/example_ct_sm.nii.gz", 300, 1),
    Case("nifti-hospital", "P2", "ts/example_ct.nii.gz", {}, None, 410, 0),
    Case("dicom-hospital", "P3", "ts/example_ct_dicom", DICOM, "ts/example_ct_dicom", 520, 1),
    Case("crop-hospital", "P4", "ts/example_ct_sm.nii.gz", FAST, "ts/example_ct_sm.nii.gz", 450, 0),
    Case("crop-hospital", "P5", "ts/aorta_ct_cropped.nii.gz", {}, "ts/pulmonary_ct_cropped.nii.gz", 260, 1),
)


def arrange(data: Path, out: Path) -> None:
    """Write `study.yaml` and three hospitals' homes below `out` from the folder `data` of real CT files."""
    names = tuple(dict.fromkeys(case.site for case in CASES))
    out.mkdir(parents=True)
    study = Study.model_validate(
        {
            "resolution": "exact",  # three hospitals are too few to hold shares
            "title": "Real public CT, made-up patients: too few for anything",
            "simulated": True,
            "models": ("CLN", "Rad-D", "RadCLN-D"),
            "imaging": {"size": 64, "missing_baseline_chest": "zeros"},
            "network": {"backbone": "small", "norm": "group"},
            "training": {"rounds": 1, "intervals": 2},
            "validation_fraction": 0.0,
            "privacy": {"minimum_patients": 1, "minimum_sites": 3},
            "blocks": {"minimum_sites": 3, "minimum_patients": 1},
            "sites": tuple(StudySite(name=name, role="development") for name in names),
        }
    )
    (out / "study.yaml").write_text(dump_yaml(study), encoding="utf-8")
    for name in names:
        _hospital(data, out / "sites" / name, name, [case for case in CASES if case.site == name])


def _hospital(data: Path, home: Path, name: str, cases: list[Case]) -> None:
    home.mkdir(parents=True)
    policy = Policy(minimum_patients=1, role="development", resolutions=("counts", "update", "exact"))
    (home / "site.yaml").write_text(
        dump_yaml(SiteConfig(site=name, compute=Compute(device="cpu", threads=1), policy=policy)), encoding="utf-8"
    )
    cohort = [
        {
            "patient": case.patient,
            "age": 60 + i,
            "sex": "M",
            "treatment_day": 0,
            "baseline_ct_day": -7,
            "followup_ct_day": 50,
            "last_contact_day": case.days,
            "event": case.event,
            **{variable: (i + j) % 2 for j, variable in enumerate(VARIABLES)},
        }
        for i, case in enumerate(cases)
    ]
    scans = [row for case in cases for row in _scans(data, home / "images", case)]
    for file, rows in (("cohort.csv", cohort), ("scans.csv", scans)):
        with (home / file).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)


def _scans(data: Path, images: Path, case: Case) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for visit, source in (("baseline", case.image), ("followup", case.followup)):
        if source is None:
            continue
        target = images / case.patient / f"{visit}_{Path(source).name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if (data / source).is_dir():
            shutil.copytree(data / source, target)
        else:
            shutil.copyfile(data / source, target)
        row: dict[str, object] = {"patient": case.patient, "visit": visit, "day": -7 if visit == "baseline" else 50, "region": "whole"}
        row["phase"] = "portal"
        row["path"] = target.relative_to(images).as_posix()
        for organ, (file, labels) in case.masks.items():
            path = _mask(data / file, labels, images / case.patient / f"{visit}_{organ}.nii.gz")
            row[f"mask_{organ}"] = path.relative_to(images).as_posix()
        rows.append(row)
    return rows


def _mask(source: Path, labels: tuple[int, ...], target: Path) -> Path:
    """One binary mask file from a file of one or many labels."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(source))
    written = sitk.GetImageFromArray(np.isin(sitk.GetArrayFromImage(image), labels).astype(np.uint8))
    written.CopyInformation(image)
    sitk.WriteImage(written, str(target), useCompression=True)
    return target
