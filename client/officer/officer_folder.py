"""The data-protection officer's folder: what a study takes from this hospital, on at most four A4 pages, from its signed lock.

Nothing in it is a patient's. What only the hospital knows (controller, legal basis, retention) is left as fields to fill.
"""

from __future__ import annotations

from pathlib import Path

from client.officer.approval_screen import opened_words
from client.officer.opened_in_words import opened_groups
from client.officer.safeguards import breach_steps, how_long, safeguards
from client.officer.uses_and_recipients import purpose, used_rows
from client.officer.what_leaves import categories, in_words, total_line
from client.officer.who_could_read import glossary, names_in_short, readers
from client.release.known_hospitals import wanted, wanted_holders
from client.release.site_policy import Floor, floor
from site_config.atomic_files import make_folder, write_atomic
from site_config.keys_and_signatures import Kit, SiteIdentity, fingerprint, spoken
from site_config.site_yaml import SiteConfig
from site_config.study.code_digest import software
from site_config.study.plan_and_lock import StudyLock
from site_config.words_of_messages import plural

PAGE = "data-protection.html"
UPDATE_LINES = (
    "Each round opens the sum of a block's updates, never one hospital's; the coordinator and hospitals that train see what it changed. "
    "If one of them already has the images of two patients of the block, and one of the two died, one round shows which one in 92 of "
    "100 cases (by guessing: in 50; AUC 0.92, measured by the authors in a block of 33 patients). So treat a block's sum as personal data.",
    "The final model may remember more of patients whose images are unlike all others.",
)
TRIED = (
    "The authors' attack on one hospital's updates found 23 of 27 patients where these were not blinded, and none where they were. "
    "An attack that fails proves no safety."
)
BARE = "Against what a round and the model tell, blinding does not help; only added noise does, and this study adds none."
NO_UPDATE = ("No network is trained in this study; no update leaves.",)


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
    lines = (*UPDATE_LINES, TRIED)
    if dp is None:
        return (
            *lines,
            BARE if lock.study.privacy.masks else BARE.replace("blinding does not help; only added noise does", "only noise helps"),
        )
    return (
        *lines,
        f"This study adds noise against both: of all that it opens, at most ε = {dp.epsilon:g} (δ = {dp.delta:g}) depends on one "
        "patient's presence; 1 is little, 8 a lot. The measurement above was made without noise.",
    )


def page(site: SiteConfig, lock: StudyLock, identity: SiteIdentity, kit: Kit, when: str) -> str:
    """The folder as one HTML page that prints on four sheets at most."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("client"), undefined=StrictUndefined, autoescape=True)
    leaving = categories(lock, site.site)
    least = floor(site.policy, lock.study)
    groups = opened_groups(lock)
    return environment.get_template("officer.html.j2").render(
        site=site.site,
        lock=lock,
        software=software(),
        kit=kit,
        when=when,
        role="trains the models" if lock.entry(site.site).role == "development" else "tests the models",
        purpose=purpose(lock),
        hospitals=[entry.name for entry in lock.roster],
        names=names_in_short(sorted(entry.name for entry in lock.roster)),
        calls=min(max(wanted(site.policy), wanted_holders(lock, site.site)), len(lock.roster) - 1),
        holder_calls=wanted_holders(lock, site.site),
        simulated=site.policy.simulated_patients,
        least=least,
        categories=leaving,
        total=total_line(leaving, lock),
        minima=minima(least),
        readers=readers(lock, site.site),
        holds=site.site in lock.holders,
        groups=groups,
        results_in_all=in_words(sum(one.numbers for one in groups)),
        bits=sum(one.bits for one in groups),
        opened_words=opened_words(least, lock.study),
        trains=lock.study.reads_scans,
        updates=update_lines(lock),
        used=used_rows(lock, least),
        how_long=how_long(lock),
        safeguards=safeguards(lock, kit),
        breach=breach_steps(lock, site.site),
        glossary=glossary(lock),
        own=spoken(identity.fingerprint),
        office=spoken(fingerprint(kit.coordinator_key)),
    )


def write(folder: Path, site: SiteConfig, lock: StudyLock, identity: SiteIdentity, kit: Kit, when: str) -> Path:
    """Write the folder; the page's path."""
    path = make_folder(folder) / PAGE
    write_atomic(path, page(site, lock, identity, kit, when).encode(), 0o644)
    return path
