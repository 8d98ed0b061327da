"""Intake and slices: what they cost, and whether the tiny segmenters' slices are the right ones.

Cost: one whole-body CT of 512 × 512 × 600 at 1 mm, everything but decoding and segmentation, one thread, against a plain
SimpleITK pipeline in the same run. Memory: the largest resident size beyond the libraries, in a process of its own.
Phantoms: held-out seeds through the site's own path (verified folder, nnU-Net, cleaning, choice of slices).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.imaging import slices
from client.imaging.hounsfield import hounsfield
from client.imaging.volume import Volume
from client.segmentation.cleaning import clean
from client.segmentation.declared_models import SiteModels
from client.segmentation.segmenter import Segmenter
from evidence.code_meaning import ROOT
from evidence.record import record
from simulations.cohort.nnunet_models import TASKS, phantom_scans, targets
from site_config.site_yaml import Policy, Segmentation, SegmentationModel, SiteConfig, Target
from site_config.study.plan_and_lock import Imaging, Study, StudySite, two_organs
from site_config.tables.cohort_csv import Scan

SHAPE = (600, 512, 512)
PHANTOMS = 24
SEED = 900_000
COVERS = [
    "client/imaging/slices.py",
    "client/imaging/volume.py",
    "client/segmentation",
    "evidence/accuracy/imaging.py",
    "simulations/cohort/models/models.json",
]


@dataclass(frozen=True)
class MadeScans:
    """A generated whole-body scan as a file holds it (x, y, z of RAS), and its label map on the 5 mm grid."""

    stored: NDArray[np.int16]
    labels: NDArray[np.uint8]


def make(seed: int = 7) -> MadeScans:
    """A body with liver, lungs and tumours; labels 1 liver, 2 its tumour, 3 lung, 4 its tumour. Noise does not repeat along z."""
    rng = np.random.default_rng(seed)
    z, y, x = (np.linspace(-1, 1, n) for n in (120, *SHAPE[1:]))
    labels = np.zeros((120, *SHAPE[1:]), dtype=np.uint8)
    for k, height in enumerate(z):
        for number, (cz, cy, cx, rz, ry, rx) in enumerate(
            (
                (-0.2, 0, -0.3, 0.2, 0.4, 0.35),
                (-0.2, 0.05, -0.3, 0.06, 0.1, 0.1),
                (0.4, 0, 0, 0.3, 0.45, 0.7),
                (0.4, 0.1, 0.4, 0.03, 0.05, 0.05),
            ),
            1,
        ):
            labels[k][((height - cz) / rz) ** 2 + ((y[:, None] - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] = number
    values = np.array([40, 80, 30, -800, 20], dtype=np.int16)
    hu = np.empty(SHAPE, dtype=np.int16)
    body = (y[:, None] / 0.8) ** 2 + (x / 0.95) ** 2 < 1
    noise = rng.normal(0, 12, (8, *SHAPE[1:])).astype(np.int16)
    for k in range(SHAPE[0]):
        hu[k] = np.where(body, values[labels[k // 5]], -1000) + np.roll(noise[k % 8], tuple(rng.integers(0, 512, 2)), (0, 1))
    return MadeScans(np.ascontiguousarray(hu[:, ::-1, ::-1]).transpose(2, 1, 0), labels)


def ours(made: MadeScans) -> float:
    """CPU-seconds from stored values to two organs' slices and pictures."""
    began = time.process_time()
    hu = hounsfield(made.stored.transpose(2, 1, 0)[:, ::-1, ::-1], "the scan")
    volume = Volume(hu, np.arange(SHAPE[0], dtype=float), (0.8, 0.8), np.zeros(3), np.eye(3))
    grid = slices.grid_of(volume.z_mm, 5.0)
    for organ, first in zip(two_organs(), (1, 3), strict=True):
        found, tumour = clean((made.labels == first) | (made.labels == first + 1), made.labels == first + 1, (5.0, 0.8, 0.8), True)
        measured = slices.measure(found, tumour, volume, grid)
        choice = slices.choose(measured, grid, 3)
        assert choice is not None and choice.reason == "tumour"
        slices.render(volume, grid, choice, measured, organ.window, Imaging())
        slices.picture(volume, grid, choice, measured, (found, tumour), organ.window, Imaging())
    return time.process_time() - began


def plain(made: MadeScans) -> float:
    """The same with SimpleITK as one would write it: orient, clamp, resample all, window and resize the chosen slices."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image = sitk.GetImageFromArray(made.stored.transpose(2, 1, 0))
    image.SetSpacing((0.8, 0.8, 1.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    began = time.process_time()
    image = sitk.Clamp(sitk.DICOMOrient(image, "LPS"), lowerBound=-1024, upperBound=3071)
    size, spacing = (512, 512, 120), (0.8, 0.8, 5.0)
    image = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), spacing, image.GetDirection(), -1024.0, sitk.sitkInt16
    )
    for first, width, level in ((1, 400, 0), (3, 1200, -600)):
        organ = np.isin(made.labels, (first, first + 1)).sum(axis=(1, 2))
        tumour = (made.labels == first + 1).sum(axis=(1, 2))
        for k in np.lexsort((-organ, -tumour))[:3]:
            plane = sitk.IntensityWindowing(
                sitk.Cast(image[:, :, int(k)], sitk.sitkFloat32), level - width / 2, level + width / 2, 0.0, 1.0
            )
            small = sitk.Resample(
                plane, (224, 224), sitk.Transform(), sitk.sitkLinear, (0.0, 0.0), (0.8 * 512 / 224,) * 2, plane.GetDirection()
            )
            sitk.Normalize(small)
    return time.process_time() - began


def peak() -> dict[str, float]:
    """Run ours once in this process and tell the largest resident size beyond what was there before, in bytes and volumes."""
    import scipy.ndimage  # noqa: F401 (so that the library is not counted)

    base = resident("VmRSS")
    made = make()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here, the generator's own needs left out
    ours(made)
    volume = float(np.prod(SHAPE)) * 2
    return {"bytes": resident("VmHWM") - base, "volumes": (resident("VmHWM") - base) / volume}


def resident(which: str) -> float:
    """A figure of /proc/self/status in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(which))
    return float(line.split()[1]) * 1024


def cost() -> dict[str, Any]:
    """CPU-seconds of both pipelines (best of three) and the memory of ours."""
    made = make()
    mine, theirs = min(ours(made) for _ in range(3)), min(plain(made) for _ in range(3))
    done = subprocess.run([sys.executable, "-m", __spec__.name, "peak"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    memory = json.loads(done.stdout)
    return {
        "shape": list(SHAPE),
        "cpu_seconds": round(mine, 3),
        "simpleitk_cpu_seconds": round(theirs, 3),
        "ratio": round(mine / theirs, 3),
        "peak_volumes_with_the_input": round(memory["volumes"], 2),
    }


def phantoms(count: int = PHANTOMS) -> dict[str, Any]:
    """Dice (MONAI's DiceMetric) and whether the chosen tumour slices are among the true five largest, by model."""
    import torch
    from monai.metrics import DiceMetric

    figures: dict[str, Any] = {}
    for task in TASKS:
        organ, tumour = DiceMetric(), DiceMetric()
        chosen = right = cases = 0
        seconds = 0.0
        for scan in phantom_scans(task, range(SEED, SEED + count), (1.2, 2.8)):
            truth = targets(task, scan)
            began = time.process_time()
            found, kept, picked = through_the_site(task.name, scan)
            seconds += time.process_time() - began
            organ(torch.from_numpy(found[None, None]).float(), torch.from_numpy(truth[None, None] > 0).float())
            true_areas = (truth == 2).sum(axis=(1, 2))
            if scan.millilitres(task.tumour) <= 1.0:
                continue
            cases += 1
            tumour(torch.from_numpy(kept[None, None]).float(), torch.from_numpy(truth[None, None] == 2).float())
            top = set(np.flatnonzero(true_areas >= max(1, np.sort(true_areas)[-5])).tolist())  # equals of the fifth count
            with_tumour = [k for k in picked if kept[k].any()]
            chosen += len(with_tumour)
            right += sum(k in top for k in with_tumour)
        figures[task.name] = {
            "phantoms": count,
            "organ_dice": round(float(organ.aggregate()), 4),
            "tumour_dice_above_1_ml": round(float(tumour.aggregate()), 4) if cases else None,
            "tumour_cases": cases,
            "chosen_tumour_slices": chosen,
            "among_the_true_five": round(right / chosen, 4) if chosen else None,
            "cpu_seconds_a_scan": round(seconds / count, 3),
        }
    both = [figures[task.name] for task in TASKS]
    total = sum(one["chosen_tumour_slices"] for one in both)
    right = sum(round(one["among_the_true_five"] * one["chosen_tumour_slices"]) for one in both if one["chosen_tumour_slices"])
    figures["both"] = {"chosen_tumour_slices": total, "among_the_true_five": round(right / total, 4)}
    return figures


def through_the_site(name: str, scan: Any) -> tuple[NDArray[np.bool_], NDArray[np.bool_], tuple[int, ...]]:
    """Organ, tumour and chosen slices of one phantom as a site makes them."""
    site, study = site_and_study()
    organ = next(one for one in study.organs if one.name == name)
    z_mm = np.arange(scan.hu.shape[0]) * scan.spacing[0]
    volume = Volume(scan.hu, z_mm, (scan.spacing[1], scan.spacing[2]), np.array(scan.origin), np.eye(3))
    grid = slices.grid_of(z_mm, scan.spacing[0])
    row = Scan("phantom", "baseline", 0.0, None, organ.region, None, Path(), {}, None, None, 0)
    found = Segmenter(site.segmentation, study, SiteModels(site)).organs(row, volume, grid, (organ,), "a phantom")[name]
    choice = slices.choose(slices.measure(found.organ, found.tumour, volume, grid), grid, 3)
    return found.organ, found.tumour, choice.slices if choice else ()


def site_and_study() -> tuple[Any, Any]:
    """A simulated site that uses the repository's two tiny models."""
    folder = ROOT / "simulations" / "cohort" / "models"
    hashes = json.loads((folder / "models.json").read_text())["sha256"]
    models = {name: SegmentationModel(folder=folder / name, sha256=hashes[name], step=1.0) for name in ("liver", "lung")}
    targets = {name: Target(model=name, labels=(1, 2)) for name in models}
    targets |= {f"{name}_tumour": Target(model=name, labels=(2,)) for name in models}
    site = SiteConfig(site="phantoms", segmentation=Segmentation(models=models, targets=targets), policy=Policy(simulated_patients=True))
    return site, Study(title="phantoms", simulated=True, sites=(StudySite(name="phantoms"),))


def main() -> None:
    """Measure and record."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if sys.argv[1:] == ["peak"]:
        print(json.dumps(peak()))
        return
    figures = {"cost": cost(), "phantoms": phantoms()}
    print(json.dumps(figures, indent=2))
    record("imaging", covers=COVERS, figures=figures, seeds=[7, SEED])


if __name__ == "__main__":
    main()
