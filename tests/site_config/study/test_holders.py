"""Who holds shares: named or drawn, never too few hospitals behind them, and the same in every lock of a study."""

from __future__ import annotations

import pytest

from site_config.documents.rules_over_fields import study_faults
from site_config.study.lock_study import lock_faults, lock_study, planned_holders
from site_config.study.plan_and_lock import RosterEntry, Study


def study(count: int, **more: object) -> Study:
    listed = [{"name": f"site-{n:02d}", "role": "development"} for n in range(count)]
    return Study.model_validate({"title": "t", "models": ["CLN"], "resolution": "shares", "sites": listed, **more})


@pytest.mark.parametrize(("sites", "holders"), [(5, 3), (10, 3), (11, 5), (52, 5)])
def test_three_up_to_ten_sites_five_above(sites: int, holders: int) -> None:
    found = planned_holders(study(sites))
    assert len(set(found)) == holders
    assert found == planned_holders(study(sites))
    assert study_faults(study(sites)) == []


def test_the_draw_does_not_depend_on_the_order_of_the_sites() -> None:
    listed = [{"name": f"site-{n:02d}", "role": "development"} for n in range(12)]
    assert planned_holders(study(12, sites=listed)) == planned_holders(study(12, sites=listed[::-1]))


@pytest.mark.parametrize(
    ("shares", "sites", "word"),
    [
        ({"names": ["site-00", "site-01"]}, 8, "2 holders named"),
        ({"names": ["site-00", "site-01", "site-01"]}, 8, "stands twice"),
        ({"names": ["site-00", "site-01", "site-99"]}, 8, "not a site"),
        ({"holders": 5}, 5, "5 holders need 6"),
        ({}, 4, "3 holders need 5"),
    ],
)
def test_what_does_not_fit_is_said(shares: dict[str, object], sites: int, word: str) -> None:
    assert [fault.what for fault in study_faults(study(sites, shares=shares)) if word in fault.what]


def test_nothing_is_held_where_nothing_is_shared() -> None:
    assert planned_holders(study(8, resolution="exact")) == ()


def test_a_lock_with_other_holders_is_damaged() -> None:
    entries = [
        RosterEntry(name=f"site-{n:02d}", role="development", signing_key=f"{n:064x}", node_fingerprint=f"{n:064x}") for n in range(8)
    ]
    lock = lock_study(study(8), entries, code_digest="", coordinator_key="00" * 32)
    assert lock_faults(lock) == []
    assert lock.collusion == 1
    other = tuple(entry.name for entry in lock.roster if entry.name not in lock.holders)[:3]
    assert [p.what for p in lock_faults(lock.model_copy(update={"holders": other}))]
