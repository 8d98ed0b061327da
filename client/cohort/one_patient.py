"""One patient: from the rows of scans.csv to the tensor (visits, organs, slices, H, W) and its record.

Each scan is opened once, looked at for every organ it can hold, and let go. What goes wrong with one scan becomes a
finding of this patient; other scans and other patients go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from client.cohort.record import OrganRecord
from client.imaging import slices
from client.imaging.volume import Volume
from client.intake import choose
from client.intake.read import read_scan
from client.intake.slice_fingerprints import slice_prints
from client.segmentation.segmenter import Segmented, Segmenter
from site_config.problems import scans as problems
from site_config.problems import segmentation as models
from site_config.problems.base import Exit, Problem
from site_config.study.model import Organ, Study
from site_config.tables.cohort import Scan

VISITS = ("baseline", "followup")
MODEL_PROBLEMS = frozenset(
    {
        models.MODEL_CHANGED,
        models.MODEL_UNSAFE,
        models.MODEL_UNSUPPORTED,
        models.LABEL_UNKNOWN,
        models.PHANTOMS_ONLY,
        models.MODEL_INCOMPLETE,
    }
)
PLAUSIBLE_ML = {"liver": (500.0, 5000.0), "lung": (500.0, 10_000.0)}


@dataclass(frozen=True)
class OrganView:
    """What one scan offers for one organ: the slices (S, H, W) and the facts by which scans of a visit are compared."""

    organ: str
    scan: Scan
    tensor: NDArray[np.float32]
    picture: NDArray[np.uint8]
    record: OrganRecord
    flags: frozenset[str]
    findings: tuple[Problem, ...]
    manufacturer: str | None


@dataclass(frozen=True)
class Prepared:
    """A patient's outcome: the tensor (V, O, S, H, W), or None where no complete one can be made, and pictures by visit.organ."""

    tensor: NDArray[np.float32] | None
    pictures: dict[str, NDArray[np.uint8]]
    organs: dict[str, dict[str, OrganRecord]]
    flags: frozenset[str]
    findings: tuple[Problem, ...]
    manufacturer: str
    interval_days: float | None
    refused: bool
    prints: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def retry(self) -> bool:
        """Whether something could not be opened, so that the next run has to try again."""
        return any(problem.kind.exit == Exit.ACCESS for problem in self.findings)


def role_of(scan: Scan) -> str:
    """How messages call a scan: by visit, region and phase."""
    phase = f", {scan.phase}" if scan.phase else ""
    return f"the {scan.visit} {scan.region} scan{phase}"


def prepare_patient(scans: tuple[Scan, ...], study: Study, segmenter: Segmenter) -> Prepared:
    """Choose, measure and cut the slices of one patient. What is wrong with a scan is a finding; a model's fault is raised."""
    views: list[OrganView] = []
    findings: list[Problem] = []
    prints: dict[str, tuple[str, ...]] = {}
    for number, scan in enumerate(scans, start=1):
        try:
            found, remarks = look_at(scan, study, segmenter, _keep_prints(prints, f"{number}: {role_of(scan)}"))
        except Problem as problem:
            if problem.kind in MODEL_PROBLEMS:
                raise
            findings += [problem, *problem.others]
            continue
        views += found
        findings += remarks
    return replace(_assemble(views, findings, study), prints=prints)


def _keep_prints(prints: dict[str, tuple[str, ...]], name: str) -> Callable[[Volume], None]:
    def keep(volume: Volume) -> None:
        prints[name] = slice_prints(volume.hu)

    return keep


def look_at(
    scan: Scan, study: Study, segmenter: Segmenter, seen: Callable[[Volume], None] = lambda _volume: None
) -> tuple[list[OrganView], list[Problem]]:
    """Read one scan and cut the slices of every organ it can hold; `seen` is shown the volume once it is read."""
    role = role_of(scan)
    volume, remarks = read_scan(scan, role)
    seen(volume)
    grid = slices.grid_of(volume.z_mm, study.imaging.spacing_mm)
    wanted = tuple(organ for organ in study.organs if scan.region in (organ.region, "whole"))
    masks = segmenter.organs(scan, volume, grid, wanted, role)
    views = []
    for organ in wanted:
        if organ.name in masks:
            view = _view(organ, scan, volume, grid, masks[organ.name], study, role)
            if isinstance(view, Problem):
                remarks.append(view)
            else:
                views.append(view)
    return views, remarks


def _view(organ: Organ, scan: Scan, volume: Volume, grid: slices.Grid, masks: Segmented, study: Study, role: str) -> OrganView | Problem:
    measured = slices.measure(masks.organ, masks.tumour, volume, grid)
    choice = slices.choose(measured, grid, study.imaging.slices)
    if choice is None:
        return problems.ORGAN_EMPTY.problem(f"{role} shows no {organ.name}", where=role)
    flags, findings = {*masks.flags, *volume.flags}, []
    low, high = PLAUSIBLE_ML.get(organ.name, (0.0, float("inf")))
    partial = study.imaging.rule == "careful" and (measured.touches_edge or measured.organ_ml < low)
    if partial:
        findings.append(problems.ORGAN_PARTIAL.problem(f"{role} shows part of the {organ.name}: {measured.organ_ml:.0f} mL", where=role))
        flags.add(f"{scan.visit}_{organ.name}_partial")
    if measured.organ_ml > high:
        findings.append(problems.ORGAN_IMPLAUSIBLE.problem(f"{role}: {organ.name} of {measured.organ_ml:.0f} mL", where=role))
        flags.add(f"{scan.visit}_{organ.name}_implausible")
    if choice.repeated:
        findings.append(
            problems.FEW_ORGAN_SLICES.problem(f"{role}: {organ.name} in {len(set(choice.slices))} slices of the grid", where=role)
        )
        flags.add(f"{scan.visit}_{organ.name}_slices_repeated")
    record = OrganRecord(
        source="scan",
        reason=choice.reason,
        slices=choice.slices,
        z_mm=choice.z_mm,
        organ_mm2=choice.organ_mm2,
        tumour_mm2=choice.tumour_mm2,
        organ_ml=round(measured.organ_ml, 2),
        tumour_ml=round(measured.tumour_ml, 3),
        partial=partial,
        slice_mm=round(volume.slice_mm, 3),
        phase=scan.phase or volume.phase,
    )
    tensor = slices.render(volume, grid, choice, measured, organ.window, study.imaging)
    picture = slices.picture(volume, grid, choice, measured, (masks.organ, masks.tumour), organ.window, study.imaging)
    return OrganView(organ.name, scan, tensor, picture, record, frozenset(flags), tuple(findings), scan.manufacturer or volume.manufacturer)


def _assemble(views: list[OrganView], findings: list[Problem], study: Study) -> Prepared:
    """Put the best view of each visit and organ together by the study's rules for what is missing."""
    chosen: dict[tuple[str, str], OrganView] = {}
    for organ in study.organs:
        for visit in VISITS:
            candidates = [view for view in views if view.organ == organ.name and view.scan.visit == visit]
            best, remarks = choose.best(candidates, visit, organ)
            findings = [*findings, *remarks]
            if best is not None:
                chosen[visit, organ.name] = best
    organs: dict[str, dict[str, OrganRecord]] = {visit: {} for visit in VISITS}
    tensors: dict[tuple[str, str], NDArray[np.float32]] = {}
    flags: set[str] = set()
    refused = False
    for key, view in chosen.items():
        organs[key[0]][key[1]], tensors[key] = view.record, view.tensor
        flags |= view.flags
        findings = [*findings, *view.findings]
    for organ in study.organs:
        filled, remarks, refuses = _fill_missing(organ, chosen, study)
        refused |= refuses
        findings = [*findings, *remarks]
        for visit, (record, cut_out, flag) in filled.items():
            organs[visit][organ.name], tensors[visit, organ.name] = record, cut_out
            flags.add(flag)
    wanted = [(visit, organ.name) for visit in VISITS for organ in study.organs]
    tensor: NDArray[np.float32] | None = None
    if all(key in tensors for key in wanted):
        tensor = np.stack([np.stack([tensors[visit, organ.name] for organ in study.organs]) for visit in VISITS])
    comparison = choose.compare_visits(chosen, study)
    pictures = {f"{visit}.{organ}": view.picture for (visit, organ), view in sorted(chosen.items())}
    return Prepared(
        tensor,
        pictures,
        organs,
        frozenset(flags),
        (*findings, *comparison.findings),
        comparison.manufacturer,
        comparison.interval_days,
        refused,
    )


Filled = dict[str, tuple[OrganRecord, NDArray[np.float32], str]]


def _fill_missing(organ: Organ, chosen: dict[tuple[str, str], OrganView], study: Study) -> tuple[Filled, list[Problem], bool]:
    """What stands in for missing visits of one organ, what is said about it, and whether the study refuses it."""
    baseline, followup = chosen.get(("baseline", organ.name)), chosen.get(("followup", organ.name))
    imaging = study.imaging
    chest = organ.region == "chest"
    filled: Filled = {}
    findings: list[Problem] = []
    refused = False
    if baseline is None:
        if chest and imaging.missing_baseline_chest == "zeros":
            blank = np.zeros((imaging.slices, imaging.size, imaging.size), dtype=np.float32)
            filled["baseline"] = (OrganRecord(source="zeros"), blank, f"baseline_{organ.region}_zeros")
        else:
            refused |= chest and imaging.missing_baseline_chest == "refuse"
        findings.append(problems.NO_BASELINE.problem(f"no usable baseline scan of the {organ.name}", where=f"baseline {organ.region}"))
    if followup is None:
        source = (baseline.record, baseline.tensor) if baseline else filled["baseline"][:2] if "baseline" in filled else None
        if chest and imaging.missing_followup_chest == "carry_forward" and source is not None:
            record = replace_source(source[0])
            filled["followup"] = (record, source[1], f"followup_{organ.region}_carried_forward")
            findings.append(
                problems.CARRIED_FORWARD.problem(f"the baseline slices of the {organ.name} stand in", where=f"followup {organ.region}")
            )
        else:
            refused |= chest and imaging.missing_followup_chest == "refuse"
            findings.append(problems.NO_FOLLOWUP.problem(f"no usable follow-up scan of the {organ.name}", where=f"followup {organ.region}"))
    return filled, findings, refused


def replace_source(record: OrganRecord) -> OrganRecord:
    """A baseline record as it stands in the follow-up's place."""
    return record if record.source == "zeros" else record.model_copy(update={"source": "carried forward"})
