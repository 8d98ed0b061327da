"""site.yaml, cohort.csv and scans.csv beside each other and beside a study: every fault at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from client.cohort.check_scans import Progress, peek, strangers
from client.intake.survey.review_remarks_for_check import older_than_review, persons_in_question, review_of, said
from client.program.gpu_watch import require
from client.segmentation.published_models import PACKS
from shared_model.disclosure.limits import PAIRED_PATIENTS
from site_config.documents.read_yaml_documents import load_site
from site_config.documents.rules_over_fields import site_in_study
from site_config.keys_and_signatures import SiteIdentity
from site_config.problems import scans as problems
from site_config.problems.base import Problem
from site_config.problems.identity import KIT_NOT_YOURS
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Organ, Study, two_organs
from site_config.study.policy_clashes import minima_clashes, policy_findings
from site_config.tables.cohort_csv import Cohort, Scan, check_together, load_cohort, load_scans


@dataclass
class Checked:
    """What the check found in the three files."""

    site: SiteConfig | None = None
    cohort: Cohort | None = None
    scans: tuple[Scan, ...] | None = None
    faults: list[Problem] = field(default_factory=list)
    findings: list[Problem] = field(default_factory=list)
    reads_scans: bool = True

    def keep(self, problem: Problem) -> None:
        """Keep a raised problem and those it carries, each by itself and once."""
        self.faults.extend([problem, *problem.others])
        problem.others = ()


def examine(home: Path, study: Study | None = None, progress: Progress | None = None) -> Checked:
    """Read the three files as far as they can be read; a fault in one does not hide those of another.

    Every listed scan is looked at; `progress(done, all)` is called after each.
    """
    found = Checked()
    try:
        found.site = load_site(home / "site.yaml")
    except Problem as problem:
        found.keep(problem)
        return found
    found.findings.extend(policy_findings(found.site.policy, PAIRED_PATIENTS.value))
    if study is not None:
        found.reads_scans = study.reads_scans
        found.faults.extend(_beside_the_study(found.site, study))
    try:
        require(found.site.compute.device)
    except Problem as problem:
        found.keep(problem)
    found.faults.extend(_other_name(found.site))
    paths = found.site.paths
    try:
        found.cohort = load_cohort(found.site.path(paths.cohort), study)
        found.findings.extend(found.cohort.findings)
    except Problem as problem:
        found.keep(problem)
    if paths.scans is None or (study is not None and not study.reads_scans):
        found.scans = ()
    else:
        try:
            found.scans = load_scans(found.site.path(paths.scans), found.site.path(paths.images), study)
        except Problem as problem:
            found.keep(problem)
    if found.cohort is not None and found.scans != () and paths.scans is not None and found.site.path(paths.scans).exists():
        found.findings.extend(older_than_review(review_of(found.site.state), found.cohort.patients, found.scans))
    if found.cohort is not None and found.scans:
        faults, findings = check_together(found.cohort.patients, found.scans)
        found.faults.extend(faults)
        found.faults.extend(strangers(found.scans))
        left_out = persons_in_question(found.site.state)
        found.findings.extend(said(findings, found.cohort.patients, left_out))
        organs = None if study is None else study.organs
        root = found.site.path(paths.images)
        sources = found.site.segmentation.targets
        found.findings.extend(peek(found.cohort.patients, found.scans, organs, root if root.is_dir() else None, progress, sources))
    if found.scans:
        found.findings.extend(_without_masks(found.site, study.organs if study is not None else two_organs(), found.scans))
    return found


def _other_name(site: SiteConfig) -> list[Problem]:
    """Where keys were made already, and under another name than site.yaml gives."""
    try:
        if (site.state / "identity").is_dir():
            SiteIdentity.load(site.state, site.site)
    except Problem as problem:
        return [problem] if problem.kind == KIT_NOT_YOURS else []
    return []


def _without_masks(site: SiteConfig, organs: Sequence[Organ], scans: tuple[Scan, ...]) -> list[Problem]:
    """A finding for each target of the study that neither a model nor a row of scans.csv supplies."""
    found = []
    for organ in organs:
        for target in organ.targets:
            source = site.segmentation.targets.get(target)
            if (source is not None and source.model is not None) or any(target in scan.masks for scan in scans):
                continue
            pack = next((pack.name for pack in PACKS.values() if target in pack.targets), None)
            fix = (
                f"`fedhcc-site models add {pack}`, or draw it and name the masks in scans.csv."
                if pack
                else "Draw it; no model pack has it."
            )
            found.append(problems.NO_MASK_SOURCE.problem(f"the target {target} has neither a model nor a mask in any row", fix=fix))
    return found


def _beside_the_study(site: SiteConfig, study: Study) -> list[Problem]:

    beside = [
        one.kind.problem(one.what, fix=one.fix, where=f"site.yaml, {'.'.join(map(str, one.location))}")
        for one in site_in_study(site, study)
    ]
    return beside + minima_clashes(site.policy, study)
