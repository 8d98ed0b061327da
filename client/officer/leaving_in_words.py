"""What it means that this hospital leaves a study: what stays opened, and what it costs the others; in words, said before."""

from __future__ import annotations

from client.release.earlier_releases import Ledger
from client.release.site_policy import floor
from client.release.verified_journal import JOURNAL
from site_config.hash_chained_journal import read
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import StudyLock
from site_config.words_of_messages import plural

SHOWN = 4


def price(site: SiteConfig, lock: StudyLock) -> list[str]:
    """One line a thing, from the hospital's own journal."""
    path = site.state / JOURNAL
    uses = [use for use in Ledger.of(read(path)).uses if use.study == lock.study_id] if path.exists() else []
    if not uses:
        return ["Nothing was opened with this hospital in this study, so it can leave alone and nothing of it stays."]
    facts = list(dict.fromkeys(use.fact for use in uses))
    more = f" and {len(facts) - SHOWN} more" if len(facts) > SHOWN else ""
    least = floor(site.policy, lock.study).patients
    found = [
        f"What was opened with it stays opened, {plural(len(facts), 'kind')} of results: {', '.join(facts[:SHOWN])}{more}.",
        f"The others can go on where at least {least} further patients of each of its sets leave with it, drawn by their own hospitals.",
    ]
    if site.site in lock.holders:
        found.append("It holds shares of the study: others will hold them, and everything on shares is asked again.")
    return found
