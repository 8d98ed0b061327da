"""What a hospital decides about a study, on one screen: for whoever signs, in words that need no other page."""

from __future__ import annotations

import textwrap

from client.release.policy import floor
from shared_model.disclosure.results import FEW, GROUP_PATIENTS, POINT_PATIENTS
from site_config.names import plural
from site_config.site import SiteConfig
from site_config.study.model import StudyLock
from site_config.study.prognostic_models import MODELS

WIDTH, INDENT = 80, 14
MOST_LINES = 30


def summary_lines(site: SiteConfig, lock: StudyLock, heard: int) -> list[str]:
    """At most 30 lines of 80 columns. heard: other hospitals whose digits a person of this one heard by telephone."""
    study, role = lock.study, "trains the models" if lock.entry(site.site).role == "development" else "tests the models"
    title = textwrap.shorten(study.title, 58)
    lines = [f"What {site.site} decides", f"{title}, study {lock.study_id[:12]}", ""]
    for label, words in _paragraphs(site, lock, role, heard):
        lines += textwrap.wrap(words, WIDTH, initial_indent=label.ljust(INDENT), subsequent_indent=" " * INDENT)
    return lines


def _paragraphs(site: SiteConfig, lock: StudyLock, role: str, heard: int) -> list[tuple[str, str]]:
    others = plural(len(lock.roster) - 1, "other hospital")
    found = [("Takes part", f"this hospital {role}, with {others}; digits of {heard} were heard by telephone.")]
    scans = MODELS.read_scans(lock.study.models)
    leaves = "no scan, no readable row, no name or id of a patient."
    if lock.holders:
        leaves = f"{leaves} Patients' rows (days, events, clinical variables, scores) leave as secret shares, sealed to the holders."
    if scans:
        leaves += " Each round's model update leaves under a mask; only the sum over a block of hospitals can be read."
    found.append(("Leaves", leaves))
    found += _holders(lock)
    least = floor(site.policy, lock.study)
    small = f"no group of under {GROUP_PATIENTS.value} patients, no curve where fewer than {POINT_PATIENTS.value} are at risk, no count "
    small += f"from 1 to {FEW.value}, no Cox model of under {least.cox_patients} patients."
    if least.lifted:
        small = "minima are lifted: every patient is made up."
    found.append(("Is opened", f"results: model coefficients, C-index, AUC, survival curves, calibration, Table 1; {small}"))
    if scans:
        noise = "This study adds noise against it." if lock.study.privacy.dp else "Only noise removes this, and this study adds none."
        told = "somebody who has a patient's images learns from one round whether that patient died (AUC 0.92 in a block of 33). "
        found.append(("Stays known", told + noise))
    found += [
        ("New patients", f"count once {least.patients} or more have joined, left or changed; a single one never shows by subtraction."),
        ("You can", "decline, and withdraw patients, at any time: it holds from the next message on. What was opened stays opened."),
        (
            "Afterwards",
            "`fedhcc-site egress` lists all that left. Attacks we made are told with their figures; absence of success is no proof.",
        ),
    ]
    return found


def _holders(lock: StudyLock) -> list[tuple[str, str]]:
    if not lock.holders:
        return []
    few, names = lock.collusion, ", ".join(lock.holders)
    alone = "any one of them" if few == 1 else f"any {few} of them"
    words = f"{names}: {alone} and the coordinator together learn results only. {few + 1} who pool what they hold rebuild every row, "
    return [("Holders", words + "without names; with the coordinator's help also by hospital.")]
