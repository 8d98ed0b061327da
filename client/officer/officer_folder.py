"""The data-protection officer's folder: what a study takes from this hospital, on at most four A4 pages, from its signed lock.

Nothing in it is a patient's. What only the hospital knows (controller, legal basis, retention) is left as fields to fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from client.officer.approval_screen import opened_words
from client.officer.opened_in_words import plain_lines
from client.officer.uses_and_recipients import used_rows
from client.release.site_policy import Floor, expected_statistics, floor
from shared_model.analyses.trust_in_words import trust_lines
from shared_model.statistics.statistic_declaration import REGISTRY
from site_config.atomic_files import make_folder, write_atomic
from site_config.keys_and_signatures import Kit, SiteIdentity, fingerprint, spoken
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import StudyLock
from site_config.words_of_messages import plural

PAGE = "data-protection.html"
UPDATE_LINES = (
    "Each round opens the sum of a block's updates, never one hospital's. To somebody who already has a patient's own images, one "
    "round tells whether that patient died: AUC 0.92 in a block of 33 patients, measured.",
    "The final model may remember more of patients whose images are unlike all others.",
)
BARE = "Masks do not help against that; only added noise does, and this study adds none."
NO_UPDATE = ("No network is trained in this study; no update leaves.",)


@dataclass(frozen=True)
class Leaving:
    """One category that leaves: what, read from what of a patient, in which form, and who can read it."""

    what: str
    read_from: str
    form: str
    reader: str


def categories(lock: StudyLock, site: str) -> list[Leaving]:
    """Every category of data that can leave this hospital in this study."""
    role = lock.entry(site).role
    masked = "a vector under masks; only its sum over whole blocks is opened" if lock.study.privacy.masks else "a vector in the clear"
    none, plain = "nothing of a patient", "as it is"
    found = [
        Leaving("Public keys, name and software of the hospital", none, "as it is, once", "coordinator"),
        Leaving("That the program is connected, in which phase, that its working process stands still", none, plain, "coordinator"),
        Leaving("Release, device, seconds a step and free disk to a power of two, whether scans are prepared", none, plain, "coordinator"),
        Leaving("Numbers of refusals (FH-…)", "nothing that depends on a patient; all else is one number", plain, "coordinator"),
    ]
    for name in expected_statistics(lock.study, role):
        one = REGISTRY[name]
        found.append(Leaving(one.title, one.reads, masked, "nobody alone; the coordinator reads the sum"))
    if lock.holders:
        counts = lock.study.privacy.dp is not None
        what = "Counts of patients as secret shares" if counts else "Patients' rows as secret shares"
        read = "days, events and levels of Table 1" if counts else "days, events, clinical columns, scores, groups"
        found.append(Leaving(what, read, "one share a holder, sealed", "nobody alone; as many holders together as 4 says"))
    return found


def minima(least: Floor) -> str:
    """The minima that hold, in words."""
    if least.lifted:
        return "Every patient of this study is made up, by the word of the hospital and of the study: minima are lifted."
    return (
        f"Nothing is opened of fewer than {least.sites} hospitals or {plural(least.patients, 'patient')}; "
        f"a Cox model of several variables needs {least.cox_patients} patients and {least.events_per_variable} events a variable."
    )


def update_lines(lock: StudyLock) -> tuple[str, ...]:
    """What a training update tells, and whether this study adds noise against it."""
    if not lock.study.reads_scans:
        return NO_UPDATE
    dp = lock.study.privacy.dp
    if dp is None:
        return (*UPDATE_LINES, BARE)
    return (
        *UPDATE_LINES,
        f"This study adds noise against both: of all that it opens, at most ε = {dp.epsilon:g} (δ = {dp.delta:g}) depends on one "
        "patient's presence; 1 is little, 8 a lot. The measurement above was made without noise.",
    )


def page(site: SiteConfig, lock: StudyLock, identity: SiteIdentity, kit: Kit, when: str) -> str:
    """The folder as one HTML page that prints on four sheets at most."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("client"), undefined=StrictUndefined, autoescape=True)
    return environment.get_template("officer.html.j2").render(
        site=site.site,
        lock=lock,
        kit=kit,
        when=when,
        role=lock.entry(site.site).role,
        hospitals=[entry.name for entry in lock.roster],
        categories=categories(lock, site.site),
        minima=minima(floor(site.policy, lock.study)),
        trust=trust_lines(lock.holders, counts=lock.study.privacy.dp is not None) if lock.holders else [],
        holds=site.site in lock.holders,
        opened=plain_lines(lock),
        opened_words=opened_words(floor(site.policy, lock.study), lock.study),
        trains=lock.study.reads_scans,
        updates=update_lines(lock),
        used=used_rows(lock, kit, floor(site.policy, lock.study)),
        own=spoken(identity.fingerprint),
        office=spoken(fingerprint(kit.coordinator_key)),
        models=", ".join(lock.study.models),
    )


def write(folder: Path, site: SiteConfig, lock: StudyLock, identity: SiteIdentity, kit: Kit, when: str) -> Path:
    """Write the folder; the page's path."""
    path = make_folder(folder) / PAGE
    write_atomic(path, page(site, lock, identity, kit, when).encode(), 0o644)
    return path
