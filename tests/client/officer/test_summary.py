"""A hospital's own summary of a study: one screen, whatever the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from client.officer.summary import MOST_LINES, WIDTH, summary_lines
from site_config.site import SiteConfig
from site_config.study.model import Shares
from tests.client.release.test_handed_over import study_lock

SITE = SiteConfig.model_construct(site="site-00", policy=SiteConfig.model_fields["policy"].get_default(call_default_factory=True))


@pytest.mark.parametrize("more", [{}, {"models": ("CLN",)}, {"title": "A very long title " * 9}, {"shares": Shares(holders=5)}])
def test_it_fits_one_screen_and_says_what_counts(more: dict[str, Any]) -> None:
    lock = study_lock(**more)
    lines = summary_lines(SITE, lock, 3)
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= WIDTH
    text = " ".join(" ".join(lines).split())
    for words in ("no scan, no readable row", "rebuild every row", "under 20 patients", "decline", "is no proof", *lock.holders):
        assert words in text, words
    assert ("AUC 0.92" in text) == lock.study.reads_scans
    assert not any(Path(line).is_absolute() for line in lines)
