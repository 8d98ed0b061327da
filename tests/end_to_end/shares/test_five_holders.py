"""A study over more than ten hospitals has five holders, of whom any two may collude: the pooled fit all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared_model.analyses.trust_in_words import trust_lines
from simulations.study.site_folders import Homes, approve_everywhere
from site_config.hash_chained_journal import read as read_journal
from site_config.study.plan_and_lock import StudyLock
from tests.end_to_end.shares.test_shares import SHARES, Losing, close, study

Tables = Callable[..., tuple[Homes, StudyLock]]


def test_five_holders_find_what_pooled_rows_give_and_one_of_them_may_be_lost(tables: Tables) -> None:
    homes, lock = tables(sites=(10, 2), patients=(44, 6), shares={"slots": 2}, evaluation={"horizons": (365,)}, **SHARES)
    assert len(lock.holders) == 5 and lock.collusion == 2
    assert trust_lines(lock.holders)[1].startswith("Any 2 of them") and trust_lines(lock.holders)[2].startswith("3 of them")
    approve_everywhere(homes, lock)
    result = study(homes, lock, Losing(homes, lock.holders[3], 30))
    close(result, homes, lock)
    assert result.analyses is not None and result.analyses.concordance[0].c == pytest.approx(0.5, abs=0.5)
    assert {one.phase for one in result.analyses.cost} == {"clinical", "fusion", "evaluation"}
    assert all(one.openings > 0 and one.megabytes > 0 for one in result.analyses.cost)
    for holder in lock.holders:
        revealed = [entry for entry in read_journal(homes.config(holder).state / "journal.jsonl") if entry.kind == "revealed"]
        assert revealed
