"""A simulated study on disk: every hospital's home as that hospital would have it, the study, and the truth apart.

    OUT/study.yaml                 what the coordinator would write
    OUT/sites/NAME/site.yaml, cohort.csv, scans.csv, images/…
    OUT/pretrained/SHA256          first weights the study declares, for the coordinator's home
    OUT/models/…                   the tiny phantom segmenters the sites point to
    OUT/truth.json, OUT/truth/…    oracle risks and lesion masks: marked simulated, never read by the federation

`truth.json` is written last: a folder without it broke off half-way.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Literal

from simulations.cohort.cohort_presets import PRESETS, CohortOptions
from simulations.cohort.phantom_ct import SCANNERS, Region, Visit, draw_anatomy, render
from simulations.cohort.scan_files import GeometryFault, write_dicom, write_masks, write_nifti
from simulations.cohort.simulated_patients import Oracle, SimulatedPatient, SimulatedPopulation, simulate
from simulations.interrupts import before_processes
from site_config.atomic_files import write_json
from site_config.console import plain
from site_config.site_yaml import Compute, Paths, Policy, Segmentation, SegmentationModel, SiteConfig, Target
from site_config.study.plan_and_lock import Study, StudySite, seven_variables
from site_config.tables.columns_of_tables import cohort_columns, scans_columns

MODELS: Final = Path(__file__).parent / "models"
WARM_START: Final = MODELS / "warm_start_small.safetensors"
LABELS: Final[dict[str, tuple[int, ...]]] = {"liver": (1, 2), "liver_tumour": (2,), "lung": (3, 4), "lung_tumour": (4,)}
SCANS: Final[tuple[tuple[Visit, Region], ...]] = (
    ("baseline", "abdomen"),
    ("baseline", "chest"),
    ("followup", "abdomen"),
    ("followup", "chest"),
)
WARNING: Final = "Made-up patients. The truth of a simulation is kept for judging it; no part of the federation reads this file."


@dataclass(frozen=True)
class CohortSummary:
    """What was written: where, how much, and what the truth can reach on all patients and on the held-out centres."""

    folder: Path
    preset: str
    seed: int
    sites: dict[str, int]
    patients: int
    events: int
    scans: int
    oracle: dict[str, Oracle]

    def as_dict(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return {**asdict(self), "folder": str(self.folder)}


def make_cohort(
    preset: str | CohortOptions, out: Path, seed: int, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> CohortSummary:
    """Write a whole simulated study below `out`, which must be new or empty.

    The same options and seed give the same files. `workers` processes draw the phantoms; `progress` is told patients
    done and patients in all. Raises `FileExistsError` when `out` holds something, `KeyError` for an unknown preset.
    """
    options = PRESETS[preset] if isinstance(preset, str) else preset
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise FileExistsError("the folder for the cohort is not empty")
    population = simulate(options.survival, seed)
    _models(out, options)
    for site, patients in population.sites.items():
        home = out / "sites" / site
        home.mkdir(parents=True)
        _yaml(home / "site.yaml", site_config(site, population.roles[site], options).model_dump(mode="json", exclude_defaults=True))
        _cohort_csv(home / "cohort.csv", patients)
    scans = _images(out, population, options, workers, progress)
    _first_weights(out, options)
    _yaml(out / "study.yaml", study_for(population, options).model_dump(mode="json", exclude_defaults=True))
    oracle = {"all": population.oracle(), "development": population.oracle("development")}
    if "evaluation" in population.roles.values():
        oracle["evaluation"] = population.oracle("evaluation")
    _truth(out, population, options, oracle)
    everybody = population.patients
    return CohortSummary(
        folder=out,
        preset=options.name,
        seed=seed,
        sites={name: len(patients) for name, patients in population.sites.items()},
        patients=len(everybody),
        events=sum(patient.event for patient in everybody),
        scans=scans,
        oracle=oracle,
    )


def study_for(population: SimulatedPopulation, options: CohortOptions) -> Study:
    """The study of a population: the preset's settings with the population's sites and roles."""
    sites = tuple(StudySite(name=name, role=population.roles[name]) for name in population.sites)
    plan = {**options.study, "title": options.title, "simulated": True, "sites": sites}
    return Study.model_validate(plan)


def site_config(site: str, role: Literal["development", "evaluation"], options: CohortOptions) -> SiteConfig:
    """A hospital's own file. Its policy says that every patient is made up, which lifts the minima for demonstrations."""
    lowered = {"minimum_roster": 2, "minimum_patients": 2, "minimum_cox_patients": 10}
    minima: dict[str, Any] = {} if options.strict_policy else lowered
    policy = Policy(simulated_patients=True, role=role, masks_required=options.strict_policy, **minima)
    if options.policy_resolutions:
        policy = policy.model_copy(update={"resolutions": options.policy_resolutions})
    elif options.study.get("resolution") == "exact":
        policy = policy.model_copy(update={"resolutions": (*policy.resolutions, "exact")})
    imaging = options.phantom is not None
    return SiteConfig(
        site=site,
        paths=Paths(scans=Path("scans.csv") if imaging else None),
        compute=Compute(device="cpu", threads=1),
        segmentation=_segmentation(options) if imaging else Segmentation(),
        policy=policy,
    )


def _segmentation(options: CohortOptions) -> Segmentation:
    if options.segmenter == "masks":
        return Segmentation(targets={target: Target(masks=True) for target in LABELS})
    models = {name: _model(name) for name in ("liver", "lung")}
    pairs = {"liver": ("liver", (1, 2)), "liver_tumour": ("liver", (2,)), "lung": ("lung", (1, 2)), "lung_tumour": ("lung", (2,))}
    targets = {target: Target(model=f"phantom-{name}", labels=labels) for target, (name, labels) in pairs.items()}
    return Segmentation(models={f"phantom-{name}": model for name, model in models.items()}, targets=targets)


def _model(name: str) -> SegmentationModel:
    files = sorted(path for path in (MODELS / name).rglob("*") if path.is_file())
    hashes = {path.relative_to(MODELS / name).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return SegmentationModel(folder=Path("../../models") / name, sha256=hashes, step=1.0)


def _models(out: Path, options: CohortOptions) -> None:
    if options.phantom is not None and options.segmenter == "nnunet":
        for name in ("liver", "lung"):
            shutil.copytree(MODELS / name, out / "models" / name)


def _first_weights(out: Path, options: CohortOptions) -> None:
    """What the trial office would hold: the file of first weights, named by the SHA-256 the study declares."""
    network = options.study.get("network", {})
    if network.get("warm_start") == "phantom":
        (out / "pretrained").mkdir()
        shutil.copy(WARM_START, out / "pretrained" / network["pretrained_sha256"])


def _yaml(path: Path, data: dict[str, Any]) -> None:
    import yaml

    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _csv(path: Path, columns: Iterable[str], rows: Iterable[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def _cohort_csv(path: Path, patients: tuple[SimulatedPatient, ...]) -> None:
    days = ("treatment_day", "baseline_ct_day", "followup_ct_day", "last_contact_day")
    names = [column.name for column in cohort_columns(seven_variables())]
    _csv(path, [*names[:3], *days, *names[3:]], (_row(patient) for patient in patients))


def _row(patient: SimulatedPatient) -> dict[str, object]:
    return {
        "patient": patient.key,
        "age": f"{patient.age:g}",
        "sex": "M" if patient.male else "F",
        "treatment_day": 0,
        "baseline_ct_day": patient.baseline_day,
        "followup_ct_day": patient.followup_day,
        "last_contact_day": patient.event_day,
        "event": int(patient.event),
        **patient.clinical,
        "response": patient.response,
    }


def _images(
    out: Path, population: SimulatedPopulation, options: CohortOptions, workers: int, progress: Callable[[int, int], None] | None
) -> int:
    """Draw and write every patient's scans, then each site's scans.csv; returns the number of scans."""
    if options.phantom is None:
        return 0
    patients = population.patients
    write = partial(_patient_scans, out, options)
    rows: dict[str, list[dict[str, object]]] = {site: [] for site in population.sites}

    def collect(results: Iterable[list[dict[str, object]]]) -> None:
        for done, (patient, scans) in enumerate(zip(patients, results, strict=True), start=1):
            rows[patient.site].extend(scans)
            if progress is not None:
                progress(done, len(patients))

    if workers == 1:
        collect(map(write, patients))
    else:
        # Spawned, not forked: the caller may hold threads, and a lock taken in one of them would never be released.
        before_processes()
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            collect(pool.map(write, patients, chunksize=4))
    organs = study_for(population, options).organs
    names = [column.name for column in scans_columns(organs)]
    for site, scans in rows.items():
        _csv(out / "sites" / site / "scans.csv", [*names[:2], "day", *names[2:]], scans)
    return sum(map(len, rows.values()))


def _patient_scans(out: Path, options: CohortOptions, patient: SimulatedPatient) -> list[dict[str, object]]:
    """Write one patient's scans and masks; returns their rows of scans.csv."""
    assert options.phantom is not None
    images = out / "sites" / patient.site / "images"
    anatomy = draw_anatomy(patient.seed, patient.tumour_ml, patient.growth, patient.nodules_ml)
    rows: list[dict[str, object]] = []
    for visit, region in SCANS:
        if region == "chest" and visit == "followup" and not patient.followup_chest:
            continue
        scan = render(anatomy, visit, region, options.phantom, SCANNERS[patient.manufacturer], patient.seed)
        day = patient.baseline_day if visit == "baseline" else patient.followup_day
        stem, uid = f"{visit}_{region}", ""
        path = f"{patient.key}/{stem}.nii.gz"
        if options.format == "dicom":
            path = f"{patient.key}/{stem}"
            uid = write_dicom(images / path, scan, patient.key, day, options.faults.get(patient.key, GeometryFault()))
        else:
            write_nifti(images / path, scan.hu, scan.spacing, scan.origin)
        targets = {target: labels for target, labels in LABELS.items() if target.startswith("liver" if region == "abdomen" else "lung")}
        row: dict[str, object] = {"patient": patient.key, "visit": visit, "day": day, "region": region, "path": path}
        row |= {"phase": "portal" if region == "abdomen" else "", "series_uid": uid, "manufacturer": patient.manufacturer}
        if options.segmenter == "masks":
            masks = write_masks(images / patient.key, stem, scan, targets)
            row |= {f"mask_{target}": f"{patient.key}/{mask.name}" for target, mask in masks.items()}
        if options.truth_masks:
            write_nifti(out / "truth" / patient.site / patient.key / f"{stem}.nii.gz", scan.labels, scan.spacing, scan.origin)
        rows.append(row)
    return rows


def _truth(out: Path, population: SimulatedPopulation, options: CohortOptions, oracle: dict[str, Oracle]) -> None:
    hidden = ("linear_predictor", "image_predictor", "tumour_ml", "growth", "nodules_ml", "event_day", "event", "seed")
    patients = {
        site: {patient.key: {name: getattr(patient, name) for name in hidden} for patient in members}
        for site, members in population.sites.items()
    }
    write_json(
        out / "truth.json",
        {
            "simulated": True,
            "warning": WARNING,
            "seed": population.seed,
            "options": json.loads(json.dumps(asdict(replace(options, faults={})), default=str)),
            "coefficients": population.coefficients,
            "oracle": {name: plain(value) for name, value in oracle.items()},
            "patients": patients,
        },
    )
