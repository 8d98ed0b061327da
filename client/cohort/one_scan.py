"""One scan of a patient: read, held beside what the tables declare, and cut into slices for every organ it can hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.cohort.slice_provenance import OrganRecord
from client.imaging import contrast_seen, slices
from client.imaging.hounsfield import organ_value
from client.imaging.mask_doubts import doubts
from client.imaging.volume import Volume
from client.intake.phase_beside import phase_beside
from client.intake.read_scan import read_scan
from client.intake.too_short import too_short_volume
from client.segmentation.segmenter import Segmented, Segmenter
from site_config.problems import scans as problems
from site_config.problems import tables as kinds
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Organ, Study
from site_config.tables.cohort_csv import Scan
from site_config.tables.patient_moments import Declared

PLAUSIBLE_ML = {"liver": (500.0, 5000.0), "lung": (500.0, 10_000.0)}
MOST_REMOVED = 0.05


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


def role_of(scan: Scan) -> str:
    """How messages call a scan: by visit, region and phase."""
    phase = f", {scan.phase}" if scan.phase else ""
    return f"the {scan.visit} {scan.region} scan{phase}"


def look_at(
    scan: Scan,
    study: Study,
    segmenter: Segmenter,
    seen: Callable[[Volume], None] = lambda _volume: None,
    declared: Declared | None = None,
    root: Path | None = None,
) -> tuple[list[OrganView], list[Problem]]:
    """Read one scan and cut the slices of every organ it can hold; `seen` is shown the volume once it is read."""
    role = role_of(scan)
    volume, remarks = read_scan(scan, role, root)
    seen(volume)
    remarks += [*reconcile(scan, volume, declared, role), *too_short_volume(scan.region, volume, role)]
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


def reconcile(scan: Scan, volume: Volume, declared: Declared | None, role: str) -> list[Problem]:
    """Hold a scan's own day beside its row and cohort.csv. Raises FH-358 for a day that rules the scan out for its visit."""
    found = []
    taken = volume.source.taken
    if taken is not None and scan.date is not None and taken != scan.date:
        apart = abs((taken - scan.date).days)
        found.append(which_scan.DAY_CONTRADICTS.problem(f"{role} was taken {apart} days from the date of its row", where=role))
    if declared is None or declared.zero is None:
        return found
    row = float(scan.date.toordinal()) if scan.date is not None else scan.day
    moment = float(taken.toordinal()) if taken is not None and declared.dated else row
    if moment is None:
        return found
    verdict = declared.verdict(scan.visit, moment - declared.zero)
    if verdict.fault:
        raise which_scan.DAY_CONTRADICTS.problem(f"{role} {verdict.fault} by its own header", where=role)
    if verdict.finding:
        found.append(kinds.MOMENT_DIFFERS.problem(f"{role} was taken {verdict.finding}", where=role))
    return found


def _view(organ: Organ, scan: Scan, volume: Volume, grid: slices.Grid, masks: Segmented, study: Study, role: str) -> OrganView | Problem:
    measured = slices.measure(masks.organ, masks.tumour, volume, grid)
    choice = slices.choose(measured, grid, study.imaging.slices)
    if choice is None:
        return problems.ORGAN_EMPTY.problem(f"{role} shows no {organ.name}", where=role)
    wrong = _unfit(organ, volume, grid, masks, choice, role)
    if wrong is not None:
        return wrong
    tensor = slices.render(volume, grid, choice, measured, organ.window, study.imaging)
    flat = sum(not plane.any() for plane in tensor)
    if flat:
        return which_scan.FLAT_SLICE.problem(f"{role}: {flat} of {len(tensor)} chosen slices of the {organ.name} show nothing", where=role)
    flags, findings = _remarks(organ, scan, volume, masks, measured, choice, study, role)
    findings += doubts(organ.name, volume, grid, (masks.organ, masks.tumour), measured, role)
    if organ.name == "liver":
        findings += phase_beside(scan.phase or volume.phase, _contrast(volume, grid, masks, measured), role)
    record = OrganRecord(
        source="scan",
        reason=choice.reason,
        slices=choice.slices,
        z_mm=choice.z_mm,
        organ_mm2=choice.organ_mm2,
        tumour_mm2=choice.tumour_mm2,
        organ_ml=round(measured.organ_ml, 2),
        tumour_ml=round(measured.tumour_ml, 3),
        removed_ml=round(masks.removed_ml, 3),
        partial=f"{scan.visit}_{organ.name}_partial" in flags,
        slice_mm=round(volume.slice_mm, 3),
        phase=scan.phase or volume.phase,
    )
    picture = slices.picture(volume, grid, choice, measured, (masks.organ, masks.tumour), organ.window, study.imaging)
    return OrganView(organ.name, scan, tensor, picture, record, frozenset(flags), tuple(findings), scan.manufacturer or volume.manufacturer)


def _contrast(volume: Volume, grid: slices.Grid, masks: Segmented, measured: slices.Measured) -> contrast_seen.Seen:
    """Whether contrast is in the vessels, by slices of the grid that hold the liver."""
    held = np.flatnonzero(measured.organ_mm2 > 0)
    if not len(held):
        return None
    shown = contrast_seen.evenly(int(held[0]), int(held[-1]))
    planes = [int(k) for k in slices.nearest_planes(grid)[shown]]
    return contrast_seen.with_liver(volume.values, planes, (masks.organ[shown], masks.tumour[shown]), volume.spacing_mm)


def _unfit(organ: Organ, volume: Volume, grid: slices.Grid, masks: Segmented, choice: slices.Choice, role: str) -> Problem | None:
    """FH-369 where the organ, without its tumours, does not have an organ's values in the chosen slices."""
    where = sorted(set(choice.slices))
    shown = np.stack([slices.slice_at(volume.values, grid, k) for k in where])
    healthy = np.stack([masks.organ[k] & ~masks.tumour[k] for k in where])
    value = organ_value(shown, healthy, organ.name)
    if value is None:
        return None
    return which_scan.ORGAN_VALUE.problem(f"{role}: the middle value within the {organ.name}'s mask is {value:.0f} HU", where=role)


def _remarks(
    organ: Organ, scan: Scan, volume: Volume, masks: Segmented, measured: slices.Measured, choice: slices.Choice, study: Study, role: str
) -> tuple[set[str], list[Problem]]:
    """Flags and findings of an organ that is used all the same."""
    flags, findings = {*masks.flags, *volume.flags}, []
    low, high = PLAUSIBLE_ML.get(organ.name, (0.0, float("inf")))
    if study.imaging.rule == "careful" and (measured.touches_edge or measured.organ_ml < low):
        findings.append(problems.ORGAN_PARTIAL.problem(f"{role} shows part of the {organ.name}: {measured.organ_ml:.0f} mL", where=role))
        flags.add(f"{scan.visit}_{organ.name}_partial")
    if measured.organ_ml > high:
        findings.append(problems.ORGAN_IMPLAUSIBLE.problem(f"{role}: {organ.name} of {measured.organ_ml:.0f} mL", where=role))
        flags.add(f"{scan.visit}_{organ.name}_implausible")
    if choice.repeated:
        text = f"{role}: {organ.name} in {len(set(choice.slices))} slices of the grid"
        findings.append(problems.FEW_ORGAN_SLICES.problem(text, where=role))
        flags.add(f"{scan.visit}_{organ.name}_slices_repeated")
    marked = measured.tumour_ml + masks.removed_ml
    if masks.removed_ml > MOST_REMOVED * marked > 0:
        text = f"{role}: {masks.removed_ml:.1f} of {marked:.1f} mL that the model marked as tumour of the {organ.name} were left out"
        findings.append(which_scan.TUMOUR_CLEANED.problem(text, where=role))
        flags.add(f"{scan.visit}_{organ.name}_tumour_cleaned")
    return flags, findings
