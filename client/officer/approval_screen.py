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
MOST_LINES = 24
"""A terminal's screen, so that nothing of it has moved out of sight when the question comes."""
LONGEST_NAMES = 66
"""Characters of the holders' names that fit; longer ones are named in the table above the screen."""


def summary_lines(site: SiteConfig, lock: StudyLock, heard: int, office: str) -> list[str]:
    """At most 24 lines of 80 columns. heard: other hospitals whose digits were heard by telephone; office: who offers the study."""
    study, name = lock.study, textwrap.shorten(office, 30) or "the coordinator"
    lines = [f"What {site.site} decides: study {lock.study_id[:12]}, program {lock.code_digest[:12]}"]
    offered = [("For", textwrap.shorten(study.title, 66)), ("Asked by", f"{name} (the office). The office learns your answer.")]
    for label, words in [*offered, *_paragraphs(site, lock, heard)]:
        lines += textwrap.wrap(words, WIDTH, initial_indent=label.ljust(INDENT), subsequent_indent=" " * INDENT, break_on_hyphens=False)
    return lines


def _paragraphs(site: SiteConfig, lock: StudyLock, heard: int) -> list[tuple[str, str]]:
    others = plural(len(lock.roster) - 1, "other hospital")
    trains = lock.entry(site.site).role == "development"
    does = "Make" if trains else "Test"
    called = "no calls: patients are made up" if site.policy.simulated_patients else f"{heard} heard by telephone"
    found = [("Your part", f"{does} models with {others} ({called}).")]
    read = "Scans and tables" if lock.study.reads_scans else "Tables"
    found += [("Stays here", f"{read} that are read; names and ids of patients."), ("Leaves", _leaves(lock, site.site))]
    found += _readers(lock, site.site)
    if trains and MODELS.read_scans(lock.study.models):
        noise = "This study adds noise against it." if lock.study.privacy.dp else "Only noise prevents it; this study adds none."
        tells = "Which of two patients died, by the office or who trains too, given their scans: right 92 times in 100"
        found.append(("To be guessed", f"{tells} (AUC 0.92, among 33). {noise}"))
    least = floor(site.policy, lock.study)
    found += [
        ("Published", _published(least, lock.study)),
        ("New patients", _new_patients(least.patients)),
        ("To say no", "N, or later `fedhcc-site decline`. Another plan is asked anew."),
        (
            "To undo it",
            "`leave`: for good; `data withdraw`: one patient. Results stay known"
            + "; parts sent are used until their phase ends." * bool(lock.holders),
        ),
        (
            "Before a yes",
            "Ethics vote, contract, when the office deletes (no end date is set), who may sign: the forms are in `approve --folder`.",
        ),
    ]
    return found


def _leaves(lock: StudyLock, site: str) -> str:
    study, words = lock.study, []
    if lock.holders and study.privacy.dp is not None:
        words.append("Counts of patients, cut into parts; one part alone says nothing.")
    elif lock.holders:
        more = ", response, scanner" if study.reads_scans else ""
        words.append(f"Patients' days, death, sex, age, clinical values{more}, scores, in parts; one part tells nothing.")
    else:
        words.append(
            "Sums over patients" + (", which only add up with other hospitals'." if study.privacy.masks else ", readable by the office.")
        )
    if MODELS.read_scans(study.models) and lock.entry(site).role == "development":
        words.append(f"What the model learns here: the office reads only the sum over {_block(lock, site)} hospitals.")
    return " ".join(words)


def _block(lock: StudyLock, site: str) -> int:
    """Hospitals behind the smallest sum of updates that this one is in."""
    return min((len(block) for block in lock.blocks.get("development", ()) if site in block), default=len(lock.names("development")))


def _published(least: Floor, study: Study) -> str:
    """What is opened, in so few words as fit."""
    if study.privacy.dp is not None:
        return "The models and counts with noise; nothing else." if study.shares_rows else "The models with noise; nothing else."
    if least.lifted:
        return "Results, without the usual limits: every patient is made up."
    return f"Models and tables; no group under {GROUP_PATIENTS.value} patients, no count 1 to {FEW.value}."


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
        return "Covered by this yes. They count at once: results before and after can tell of a single one."
    return f"Covered by a yes. New results only when {least} or more came or left."


def _readers(lock: StudyLock, site: str) -> list[tuple[str, str]]:
    """Who could read what left."""
    if not lock.holders:
        return []
    few, names = lock.collusion, ", ".join(lock.holders)
    if len(names) > LONGEST_NAMES:
        names = f"{len(lock.holders)} hospitals (named above)"
    if lock.study.privacy.dp is not None:
        return [("Who can read", f"{names} add the noise. {few + 1} of them together see a hospital's counts without it.")]
    alone = "One" if few == 1 else f"{few}"
    words = f"Parts lie sealed at the office, their keys at {names}. Any {few + 1} of these together could read every patient's row: no "
    words += f"names, yet personal data; with the office also which hospital's. {alone} with it: none."
    if site in lock.holders:
        words += " You are one: never join yours with theirs."
    return [("Who can read", words)]
