"""A hospital's own summary of a study: one screen, whatever the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from client.officer.approval_screen import MOST_LINES, WIDTH, summary_lines
from shared_model.analyses.trust_in_words import trust_text
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Shares
from tests.client.release.test_handed_over import study_lock

SITE = SiteConfig.model_construct(site="site-00", policy=SiteConfig.model_fields["policy"].get_default(call_default_factory=True))


@pytest.mark.parametrize("more", [{}, {"models": ("CLN",)}, {"title": "A very long title " * 9}, {"shares": Shares(holders=5)}])
def test_it_fits_one_screen_and_says_what_counts(more: dict[str, Any]) -> None:
    lock = study_lock(**more)
    lines = summary_lines(SITE, lock, 3, "Trial office " * 9)
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= WIDTH
    text = " ".join(" ".join(lines).split())
    for words in (
        "ables that are read; names and ids",
        "one part tells nothing",
        "could read every patient's row",
        "sealed at the office",
        "yet personal data",
        "under 20 patients",
        "`fedhcc-site decline`",
        "`leave`",
        "`data withdraw`",
        "Results stay known",
        "no end date is set",
        "Another plan is asked anew",
        "used until their phase ends",
        "Ethics vote, contract",
        f"program {lock.code_digest[:12]}",
        "New results only when 20 or more came or left",
        "`approve --folder`",
        *lock.holders,
    ):
        assert words in text, words
    assert ("AUC 0.92" in text) == lock.study.reads_scans == ("by the office or who trains too" in text)
    assert not any(Path(line).is_absolute() for line in lines)


def test_a_holder_is_told_so_and_it_still_fits_one_screen() -> None:
    lock = study_lock(shares=Shares(holders=5))
    lines = summary_lines(SITE.model_copy(update={"site": lock.holders[0]}), lock, 3, "Trial office")
    assert len(lines) <= MOST_LINES and "You are one: never join" in " ".join(" ".join(lines).split())


def test_long_names_of_holders_stand_in_the_table_above() -> None:
    lock = study_lock(shares=Shares(holders=5))
    long = lock.model_copy(update={"holders": tuple(f"{one}-universitaetsklinikum" for one in lock.holders)})
    lines = summary_lines(SITE, long, 3, "Trial office")
    assert len(lines) <= MOST_LINES and "5 hospitals (named above)" in " ".join(" ".join(lines).split())
    assert all(holder in trust_text(long) for holder in long.holders), "said above the screen"


def test_a_hospital_that_only_tests_is_told_nothing_of_training() -> None:
    lock = study_lock()
    assert lock.entry("site-12").role == "evaluation"
    text = " ".join(" ".join(summary_lines(SITE.model_copy(update={"site": "site-12"}), lock, 3, "Trial office")).split())
    assert "Test models with" in text and "What the model learns" not in text and "AUC 0.92" not in text


def test_a_minimum_of_one_promises_nothing_for_a_single_patient() -> None:
    made_up = SITE.model_copy(update={"policy": SITE.policy.model_copy(update={"simulated_patients": True})})
    lock = study_lock()
    lifted = lock.study.model_copy(update={"simulated": True, "privacy": lock.study.privacy.model_copy(update={"demonstration": True})})
    text = " ".join(" ".join(summary_lines(made_up, lock.model_copy(update={"study": lifted}), 3, "Trial office")).split())
    assert "can tell of a single one" in text and "New results only" not in text
    assert "no calls: patients are made up" in text and "heard by telephone" not in text, "nobody was called for made-up patients"
