"""One patient: from the rows of scans.csv to the tensor (visits, organs, slices, H, W) and its record.

Each scan is opened once, looked at for every organ it can hold, and let go. What goes wrong with one scan becomes a
finding of this patient; other scans and other patients go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.cohort import choose_scan
from client.cohort.one_scan import OrganView, look_at, role_of
from client.cohort.slice_provenance import OrganRecord
from client.imaging.volume import Volume
from client.intake.slice_fingerprints import slice_prints
from client.intake.whose_scan import Identity, beside_table, together
from client.segmentation.segmenter import Segmenter
from site_config.problems import scans as problems
from site_config.problems import segmentation as models
from site_config.problems import which_scan
from site_config.problems.base import Exit, Problem
from site_config.study.plan_and_lock import Organ, Study
from site_config.tables.cohort_csv import Scan
from site_config.tables.patient_moments import Declared

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
    persons: tuple[str, ...] = ()

    @property
    def retry(self) -> bool:
        """Whether something could not be opened, so that the next run has to try again."""
        return any(problem.kind.exit == Exit.ACCESS for problem in self.findings)


def prepare_patient(
    scans: tuple[Scan, ...], study: Study, segmenter: Segmenter, declared: Declared | None = None, root: Path | None = None
) -> Prepared:
    """Choose, measure and cut the slices of one patient. What is wrong with a scan is a finding; a model's fault is raised.

    `declared` is the patient's row of cohort.csv, beside which days and persons are held; `root` is the images folder.
    """
    views: list[OrganView] = []
    findings: list[Problem] = []
    prints: dict[str, tuple[str, ...]] = {}
    persons: list[tuple[Identity, bool | None]] = []
    for number, scan in enumerate(scans, start=1):
        try:
            seen = _keep(prints, persons, f"{number}: {role_of(scan)}", scan)
            found, remarks = look_at(scan, study, segmenter, seen, declared, root)
        except Problem as problem:
            if problem.kind in MODEL_PROBLEMS:
                raise
            findings += [problem, *problem.others]
            continue
        views += found
        findings += remarks
    different = whose(persons, declared)
    if different is not None:
        views, findings = [], [*findings, different]
    known = tuple(sorted({f"{who.id}|{who.birth}" for who, _ in persons if who.id}))
    return replace(_assemble(views, findings, study, declared), prints=prints, persons=known)


def whose(persons: list[tuple[Identity, bool | None]], declared: Declared | None) -> Problem | None:
    """FH-356 where the scans name different persons and nobody has said that they are one; each with that word.

    The word False (`no` in scans.csv) says that the images are another person's: always FH-356.
    """
    if any(same is False for _, same in persons):
        return which_scan.PERSONS_DIFFER.problem("scans.csv says of a scan that its images are another person's (same_person: no)")
    checked = all(same for _, same in persons)
    one = together(who for who, _ in persons)
    if isinstance(one, tuple):
        return None if checked else which_scan.PERSONS_DIFFER.problem(f"the scans of one patient differ in {', '.join(one)}")
    wrong = beside_table(one, declared) if declared is not None and persons and not checked else ()
    return which_scan.PERSONS_DIFFER.problem(f"the scans and cohort.csv differ in {', '.join(wrong)}") if wrong else None


def _keep(
    prints: dict[str, tuple[str, ...]], persons: list[tuple[Identity, bool | None]], name: str, scan: Scan
) -> Callable[[Volume], None]:
    def keep(volume: Volume) -> None:
        prints[name] = slice_prints(volume.thin)
        persons.append((Identity(*volume.source.person), scan.same_person))

    return keep


def _assemble(views: list[OrganView], findings: list[Problem], study: Study, declared: Declared | None) -> Prepared:
    """Put the best view of each visit and organ together by the study's rules for what is missing."""
    chosen: dict[tuple[str, str], OrganView] = {}
    for organ in study.organs:
        for visit in VISITS:
            candidates = [view for view in views if view.organ == organ.name and view.scan.visit == visit]
            best, remarks = choose_scan.best(candidates, visit, organ, declared)
            findings = [*findings, *remarks]
            if best is not None:
                chosen[visit, organ.name] = replace(best, record=best.record.model_copy(update={"chosen_among": len(candidates)}))
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
    comparison = choose_scan.compare_visits(chosen, study)
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
