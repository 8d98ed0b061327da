"""What `prepare` costs on a whole-body CT of 512 × 512 × 600 whose masks are supplied: CPU-seconds and memory a volume.

A made-up patient with two visits lies as an export does: one DICOM file a slice (explicit little endian, 16 bits), four
masks a visit as compressed NIfTI. Each repetition is a process of its own that prepares the patient anew; user and system
time count from after the imports to the written record, file reading included (the files lie in the page cache). Memory is
the largest resident size beyond what the process held before, in volumes of 315 MB. Machines differ by more than two in speed: in turns
with each repetition, and as a process of its own, pydicom and nibabel do no more than read the same files.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from client.cohort.preparation_workers import targets_of
from client.cohort.prepare_cohort import prepare
from evidence.accuracy.imaging import SHAPE, MadeScans, make, resident
from evidence.code_meaning import ROOT
from evidence.record import record
from site_config.site_yaml import Policy, SiteConfig
from site_config.study.plan_and_lock import Study, StudySite

REPETITIONS = 5
SEED = 7
VISITS = (("baseline", -3), ("followup", 60))
SPACING = (1.0, 0.8, 0.8)
COVERS = ["client/cohort", "client/imaging", "client/intake", "evidence/accuracy/prepare_cost.py"]
COHORT = (
    "patient,age,sex,treatment_day,baseline_ct_day,followup_ct_day,last_contact_day,event,"
    "differentiation,nash,pvtt,surgery,ebrt,tace,rfa\nP1,60,M,0,-3,60,300,1,1,0,1,0,0,1,0\n"
)


def stage(home: Path) -> None:
    """Write a hospital with one patient below `home`."""
    study = the_study()
    targets = targets_of(study)
    rows = ["patient,visit,day,region,phase,path," + ",".join(f"mask_{target}" for target in targets)]
    for visit, day in VISITS:
        folder, made = home / "images" / "P1" / visit, make(SEED + day)
        write_dicom(folder / "ct", made)
        for number, target in enumerate(targets, start=1):
            write_mask(folder / f"{target}.nii.gz", made, (number, number + 1) if number % 2 else (number,))
        masks = ",".join(f"P1/{visit}/{target}.nii.gz" for target in targets)
        rows.append(f"P1,{visit},{day},whole,portal,P1/{visit}/ct,{masks}")
    (home / "cohort.csv").write_text(COHORT)
    (home / "scans.csv").write_text("\n".join(rows) + "\n")


def write_dicom(folder: Path, made: MadeScans) -> None:
    """One file a slice, as a scanner's export: a header of usual length, stored values of intercept −1024."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True)
    series = generate_uid(entropy_srcs=[folder.parent.name])
    planes = made.stored.transpose(2, 1, 0)[:, ::-1, ::-1]
    for k, plane in enumerate(planes):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(k)])
        one.SeriesInstanceUID, one.StudyInstanceUID, one.PatientID, one.Modality = series, "1.2.3", "P1", "CT"
        one.ImageType, one.SeriesDescription, one.Manufacturer = ["ORIGINAL", "PRIMARY", "AXIAL"], "TAP portal 1.0", "SIEMENS"
        one.AcquisitionNumber, one.InstanceNumber, one.ConvolutionKernel = 1, k + 1, "Br40"
        one.ImagePositionPatient, one.ImageOrientationPatient = [-204.4, -204.4, float(k)], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness, one.Rows, one.Columns = [0.8, 0.8], 1.0, SHAPE[1], SHAPE[2]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        one.RescaleSlope, one.RescaleIntercept, one.RescaleType = 1, -1024, "HU"
        one.PixelData = (np.clip(plane, -1024, 3071).astype(np.int32) + 1024).astype("<u2").tobytes()
        pydicom.dcmwrite(folder / f"IM{k:04d}", one, enforce_file_format=True)


def write_mask(path: Path, made: MadeScans, labels: tuple[int, ...]) -> None:
    """A mask of every slice, uint8, on the scan's own grid."""
    import nibabel

    whole = np.repeat(np.isin(made.labels, labels).astype(np.uint8), SHAPE[0] // len(made.labels), axis=0)
    affine = np.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])
    affine[:3, 3] = (204.4, 204.4, 0.0)
    image = nibabel.Nifti1Image(np.ascontiguousarray(whole.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def the_study() -> Study:
    """A study with the usual imaging settings."""
    return Study(title="cost", simulated=True, sites=(StudySite(name="here"),))


def once(home: Path) -> dict[str, float]:
    """Prepare the patient in this process: CPU-seconds and memory, a volume."""
    import nibabel  # noqa: F401 (libraries are loaded once a process, not once a volume)
    import pydicom  # noqa: F401
    import scipy.ndimage
    import scipy.special  # noqa: F401

    site = SiteConfig(site="here", home=home, policy=Policy(simulated_patients=True))
    shutil.rmtree(site.state / "prepared", ignore_errors=True)
    before, held = resource.getrusage(resource.RUSAGE_SELF), resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    summary = prepare(site, the_study())
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert summary.with_images == 1 and not summary.findings, summary.findings
    volumes = len(VISITS)
    return {
        "user": (after.ru_utime - before.ru_utime) / volumes,
        "system": (after.ru_stime - before.ru_stime) / volumes,
        "volumes_of_memory": (resident("VmHWM") - held) / (2.0 * float(np.prod(SHAPE))),
    }


def plainly_read(home: Path) -> dict[str, float]:
    """CPU-seconds a volume for pixels and masks by the libraries alone, in this process."""
    import nibabel
    import pydicom

    before = resource.getrusage(resource.RUSAGE_SELF)
    for visit, _ in VISITS:
        folder = home / "images" / "P1" / visit
        for path in sorted((folder / "ct").iterdir()):
            pydicom.dcmread(path).pixel_array.max()
        for path in sorted(folder.glob("*.nii.gz")):
            np.asarray(nibabel.load(path).dataobj).max()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / len(VISITS)}


def in_process(what: str, home: Path) -> dict[str, float]:
    """What a process of its own tells."""
    words = [sys.executable, "-m", __spec__.name, what, str(home)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def repeated(home: Path, repetitions: int) -> dict[str, Any]:
    """Both in turns: medians and the whole range."""
    turns = [(in_process("once", home), in_process("plain", home)["seconds"]) for _ in range(repetitions)]
    runs, plain = [run for run, _ in turns], [seconds for _, seconds in turns]
    both = [run["user"] + run["system"] for run in runs]
    return {
        "shape": list(SHAPE),
        "repetitions": repetitions,
        "cpu_seconds_a_volume": round(statistics.median(both), 3),
        "cpu_seconds_range": [round(min(both), 3), round(max(both), 3)],
        "user_seconds": round(statistics.median(run["user"] for run in runs), 3),
        "system_seconds": round(statistics.median(run["system"] for run in runs), 3),
        "cpu_seconds_of_plain_reading": round(statistics.median(plain), 3),
        "times_plain_reading": round(statistics.median(mine / seconds for mine, seconds in zip(both, plain, strict=True)), 2),
        "peak_volumes": round(max(run["volumes_of_memory"] for run in runs), 2),
    }


def main() -> None:
    """Stage, measure and record; `once FOLDER` is one repetition, `plain FOLDER` one of the reference."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if sys.argv[1:2] == ["once"]:
        print(json.dumps(once(Path(sys.argv[2]))))
        return
    if sys.argv[1:2] == ["plain"]:
        print(json.dumps(plainly_read(Path(sys.argv[2]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder))
        figures = repeated(Path(folder), REPETITIONS)
    print(json.dumps(figures, indent=2))
    record("prepare_cost", covers=COVERS, figures=figures, seeds=[SEED])


if __name__ == "__main__":
    main()
