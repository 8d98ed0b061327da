"""What a hospital decides about a study, on one screen: for whoever signs, in words that need no other page."""

from __future__ import annotations

import textwrap

from client.release.site_policy import Floor, floor
from shared_model.disclosure.limits import FEW, GROUP_PATIENTS, POINT_PATIENTS
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study, StudyLock
from site_config.study.prognostic_models import MODELS
from site_config.words_of_messages import plural

WIDTH, INDENT = 80, 14
MOST_LINES = 30


def summary_lines(site: SiteConfig, lock: StudyLock, heard: int, office: str) -> list[str]:
    """At most 30 lines of 80 columns. heard: other hospitals whose digits were heard by telephone; office: who offers the study."""
    study, role = lock.study, "trains the models" if lock.entry(site.site).role == "development" else "tests the models"
    name, title = textwrap.shorten(office, 40) or "the coordinator", textwrap.shorten(study.title, 66)
    lines = [f"What {site.site} decides: study {lock.study_id[:12]}"]
    offered = [("Offered by", f"{name}; no end date: until the coordinator ends it."), ("For", title)]
    for label, words in [*offered, *_paragraphs(site, lock, role, heard)]:
        lines += textwrap.wrap(words, WIDTH, initial_indent=label.ljust(INDENT), subsequent_indent=" " * INDENT)
    return lines


def _paragraphs(site: SiteConfig, lock: StudyLock, role: str, heard: int) -> list[tuple[str, str]]:
    others = plural(len(lock.roster) - 1, "other hospital")
    found = [("Takes part", f"{role} with {others}; digits heard of {heard}.")]
    scans = MODELS.read_scans(lock.study.models)
    sums = "sums under masks" if lock.study.privacy.masks else "sums in the clear"
    leaves = "no scan, no name or id of a patient." if lock.holders else f"{sums}; no scan, no row, no name or id of a patient."
    if lock.holders:
        noised = lock.study.privacy.dp is not None
        what = "Counts of patients" if noised else "Patients' rows (days, events, clinical variables, scores)"
        leaves += f" {what} leave split into parts for the holders, no part readable alone."
    if scans:
        leaves += " A model update a round leaves under a mask; only a block's sum can be read."
    found.append(("Leaves", leaves))
    found += _holders(lock, site.site)
    least = floor(site.policy, lock.study)
    found.append(("Is opened", opened_words(least, lock.study)))
    if scans:
        noise = "This study adds noise against it." if lock.study.privacy.dp else "Only noise removes this, and this study adds none."
        told = "who has a patient's images learns from one round whether that patient died (AUC 0.92 in a block of 33). "
        found.append(("Stays known", told + noise))
    found += [
        ("New patients", _new_patients(least.patients)),
        (
            "You can",
            "`decline` (nothing more leaves; `approve` takes it back), `leave` (for good; others may have to stop or ask "
            "again) and withdraw patients, from the next message on. What was opened stays opened.",
        ),
        (
            "Afterwards",
            "`fedhcc-site egress` lists all that left. The authors' attack tests are in docs/threat-model.md; "
            "what failed proves no safety.",
        ),
    ]
    return found


def opened_words(least: Floor, study: Study) -> str:
    """What is opened and what never, for a terminal and for the officer's folder."""
    if study.privacy.dp is not None:
        counts = ", and noised counts by set with the survival curves computed from them" if study.shares_rows else ""
        return f"noised sums of a block's updates, one noised hazard a network{counts}; every other number is refused (FH-540)."
    small = f"no group of under {GROUP_PATIENTS.value} patients, no curve where fewer than {POINT_PATIENTS.value} are at risk, no count "
    small += f"from 1 to {FEW.value}, no Cox model of several variables of under {least.cox_patients} patients."
    if least.lifted:
        small = "minima are lifted: every patient is made up."
    return f"results: model coefficients, C-index, AUC, survival curves, calibration, Table 1; {small}"


def _new_patients(least: int) -> str:
    """From how many changed patients on a result may change, in words; a minimum of one protects nobody."""
    if least <= 1:
        return "count at once: a single one who joined, left or changed can show by subtraction."
    return f"count once {least} or more have joined, left or changed; a single one never shows by subtraction."


def _holders(lock: StudyLock, site: str) -> list[tuple[str, str]]:
    if not lock.holders:
        return []
    few, names = lock.collusion, ", ".join(lock.holders)
    if lock.study.privacy.dp is not None:
        words = f"{names} add the noise before anything is opened. {few + 1} who pool what they hold see a hospital's counts without it."
        return [("Holders", words)]
    alone = "any one of them" if few == 1 else f"any {few} of them"
    words = f"{names}: {alone} and the coordinator together learn results only. {few + 1} who pool what they hold rebuild every row, "
    words += "without names but still personal data; with the coordinator's help also by hospital."
    if site in lock.holders:
        words += (
            " This hospital is a holder: it keeps keys to parts of all hospitals' rows until the study ends; holders must not pool them."
        )
    return [("Holders", words)]
