"""Small generated scans: a body with a liver, lungs and a tumour, as arrays, NIfTI files, DICOM series and a whole site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from site_config.site_yaml import Paths, Policy, Segmentation, SiteConfig, Target
from site_config.study.plan_and_lock import Imaging, Study, StudySite

AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])


def body(
    shape: tuple[int, int, int] = (24, 48, 48), seed: int = 0, tumour: bool = True
) -> tuple[NDArray[np.int16], dict[str, NDArray[np.uint8]]]:
    """HU (z, y, x) and masks of liver, liver tumour, lung, lung tumour."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    hu = np.full(shape, -1000.0)
    hu[(y / 0.8) ** 2 + (x / 0.9) ** 2 < 1] = 20.0
    liver = ((z + 0.3) / 0.5) ** 2 + (y / 0.5) ** 2 + ((x + 0.3) / 0.45) ** 2 < 1
    lung = ((z - 0.55) / 0.4) ** 2 + (y / 0.5) ** 2 + ((x - 0.3) / 0.4) ** 2 < 1
    centre = rng.uniform(-0.1, 0.1, 3)
    spot = ((z + 0.3 - centre[0]) / 0.2) ** 2 + ((y - centre[1]) / 0.15) ** 2 + ((x + 0.3 - centre[2]) / 0.15) ** 2 < 1
    hu[lung], hu[liver] = -800.0, 80.0
    masks = {"liver": liver, "liver_tumour": spot & liver & tumour, "lung": lung, "lung_tumour": np.zeros_like(lung)}
    hu[masks["liver_tumour"]] = 40.0
    hu += rng.normal(0, 8, shape)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16), {name: mask.astype(np.uint8) for name, mask in masks.items()}


def write_nifti(
    path: Path, values: NDArray[Any], spacing: tuple[float, float, float] = (5.0, 7.0, 7.0), change: Callable[[Any], None] | None = None
) -> Path:
    """Write (z, y, x) of LPS as NIfTI; `change` may spoil the image before it is saved. Spacing is (z, y, x)."""
    import nibabel

    affine = AFFINE @ np.diag([spacing[2], spacing[1], spacing[0], 1.0])
    image = nibabel.Nifti1Image(np.ascontiguousarray(values.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    if change is not None:
        change(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def write_body(folder: Path) -> None:
    """The files that the table `SCANS` of `tests.site_config.broken` names: a scan of each visit, and a mask."""
    hu, masks = body()
    for name, values in (("base", hu), ("follow", hu), ("liver", masks["liver"])):
        write_nifti(folder / f"{name}.nii.gz", values, (6.0, 7.0, 7.0))


def write_series(
    folder: Path,
    hu: NDArray[np.int16],
    spacing: tuple[float, float, float] = (5.0, 7.0, 7.0),
    change: Callable[[Any, int], None] | None = None,
    leave_out: tuple[int, ...] = (),
    **tags: Any,
) -> Path:
    """Write a classic CT series, explicit little endian; `change(dataset, k)` may spoil each slice."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    series = tags.pop("SeriesInstanceUID", generate_uid(entropy_srcs=[folder.name, str(tags)]))
    for k, plane in enumerate(hu):
        if k in leave_out:
            continue
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(k)])
        path = folder / f"{tags.get('prefix', 'slice')}{k:03d}"
        dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, "1.2.3"
        dataset.PatientID, dataset.PatientName, dataset.Modality = "ID", "Name^Given", "CT"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Manufacturer, dataset.SeriesDescription = "SIEMENS", "Abdomen portal venous"
        dataset.AcquisitionNumber, dataset.InstanceNumber = 1, k + 1
        dataset.ImagePositionPatient = [-100.0, -100.0, float(k * spacing[0])]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [spacing[1], spacing[2]]
        dataset.SliceThickness = spacing[0]
        dataset.Rows, dataset.Columns = plane.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = (plane.astype(np.int32) + 1024).astype("<u2").tobytes()
        for name, value in tags.items():
            if name != "prefix":
                setattr(dataset, name, value)
        if change is not None:
            change(dataset, k)
        dataset.save_as(path, enforce_file_format=False)
    return folder


SITES = ("here", "b", "c", "d", "e", "f")


def a_study(**imaging: Any) -> Study:
    """A study of tiny slices."""
    return Study(
        title="test",
        simulated=True,
        sites=tuple(StudySite(name=name, role="development") for name in SITES),
        imaging=Imaging(size=32, interval_days=(1, 400), **imaging),
    )


VISITS = (("baseline", -3), ("followup", 60))


def write_site(home: Path, patients: int = 3, scans: Callable[[str, str, str], bool] = lambda patient, visit, region: True) -> SiteConfig:
    """A site with generated abdomen and chest scans and masks; `scans` says which (patient, visit, region) exist."""
    home.mkdir(parents=True, exist_ok=True)
    cohort = [
        "patient,age,sex,treatment_day,baseline_ct_day,followup_ct_day,last_contact_day,event,differentiation,nash,pvtt,surgery,ebrt,tace,rfa,response"
    ]
    rows = ["patient,visit,day,region,phase,path,mask_liver,mask_liver_tumour,mask_lung,mask_lung_tumour,manufacturer"]
    for i in range(patients):
        key = f"P{i:03d}"
        cohort.append(f"{key},{60 + i},M,0,-3,60,{300 + i},{i % 2},1,0,1,0,0,1,,PD")
        for visit, day in VISITS:
            hu, masks = body(seed=10 * i + (visit == "followup"))
            for region, targets in (("abdomen", ("liver", "liver_tumour")), ("chest", ("lung", "lung_tumour"))):
                if not scans(key, visit, region):
                    continue
                stem = f"{key}/{visit}_{region}"
                write_nifti(home / "images" / f"{stem}.nii.gz", hu)
                named = {target: f"{stem}_{target}.nii.gz" for target in targets}
                for target, name in named.items():
                    write_nifti(home / "images" / name, masks[target])
                cells = [named.get(target, "") for target in ("liver", "liver_tumour", "lung", "lung_tumour")]
                rows.append(",".join([key, visit, str(day), region, "portal", f"{stem}.nii.gz", *cells, "Siemens"]))
    (home / "cohort.csv").write_text("\n".join(cohort) + "\n")
    (home / "scans.csv").write_text("\n".join(rows) + "\n")
    (home / "images").mkdir(exist_ok=True)
    targets = {target: Target(masks=True) for target in ("liver", "liver_tumour", "lung", "lung_tumour")}
    return SiteConfig(
        site="here", home=home, paths=Paths(), segmentation=Segmentation(targets=targets), policy=Policy(simulated_patients=True)
    )
