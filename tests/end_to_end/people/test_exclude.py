"""A block whose hospital does not come back is taken out by one command; the study goes on to an INCOMPLETE report that names it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from client.app import forget_agents
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.cli import app as office
from server.departure.exclude_block import exclude
from server.link.transport import Exchange, Failure
from server.report.report_page import build
from server.study.resume_state import StudyFolder
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from server.watch import study_status
from shared_model.secure_sum.federation_messages import Message
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes, approve_everywhere
from site_config.console import invoke
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock

Tables = Callable[..., tuple[Homes, StudyLock]]


class GoneFor:
    """A transport on which one hospital is silent in every phase on shares from the second on."""

    def __init__(self, homes: Homes, gone: str) -> None:
        self.gone, self.inner, self.asked = gone, local_transport(homes.sites()), 0

    def sites(self) -> Mapping[str, bool]:
        return self.inner.sites()

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        silent = {site for site, request in requests.items() if site == self.gone and request.body.get("phase") in ("fusion", "evaluation")}
        silent |= {self.gone} & requests.keys() if self.asked else set()
        done = self.inner.exchange({site: request for site, request in requests.items() if site not in silent}, deadline_s)
        return Exchange(done.replies, {**done.failures, **{site: Failure(federation.SITE_SILENT.label, "gone") for site in silent}})


def go(homes: Homes, lock: StudyLock, transport: GoneFor) -> StudyResult:
    """Run or resume it with a clock that only waiting moves."""
    now = [0.0]
    effects = Effects(lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    try:
        return run_study(homes.coordinator, lock.study_id, transport, effects=effects)
    finally:
        forget_agents()


def test_a_block_is_taken_out_and_the_report_says_so(tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    homes, lock = tables(
        sites=(9, 2),
        patients=(120, 20),
        blocks={"minimum_sites": 3, "minimum_patients": 2},
        resolution="shares",
        models=("CLN",),
        shares={"names": ("hospital-01", "hospital-10", "hospital-11")},
    )
    approve_everywhere(homes, lock)
    blocks = lock.blocks["development"]
    number = next(number for number, block in enumerate(blocks, 1) if not set(block) & set(lock.holders))
    gone = blocks[number - 1][0]
    home, study = homes.coordinator, lock.study_id
    with pytest.raises(Problem) as early:
        exclude(home, study, number)
    assert early.value.kind == federation.BLOCK_STAYS and "single hospitals can leave" in str(early.value)

    transport = GoneFor(homes, gone)
    with pytest.raises(Problem) as stalled:
        go(homes, lock, transport)
    assert stalled.value.kind == federation.STUDY_STALLED and gone in str(stalled.value)

    holding = next(n for n, block in enumerate(blocks, 1) if set(block) & set(lock.holders))
    with pytest.raises(Problem) as needed:
        exclude(home, study, holding)
    assert needed.value.kind == federation.BLOCK_STAYS and "hold shares" in str(needed.value)
    assert invoke(office, ["exclude", str(number), study[:12], "--home", str(home), "--yes"]) == 0
    assert gone in capsys.readouterr().out
    assert study_status.hospitals(home, study) == {entry.name for entry in lock.roster} - set(blocks[number - 1])
    assert invoke(office, ["exclude", str(number), study[:12], "--home", str(home), "--yes"]) != 0, "it is out already"

    transport.asked = 1  # the hospital answers nothing at all any more
    began = time.monotonic()
    result = go(homes, lock, transport)
    assert result.label == "INCOMPLETE" and time.monotonic() - began < 300
    assert result.clinical is not None and result.analyses is not None and result.analyses.concordance
    folder = StudyFolder(study_status.folder_of(home, study))
    ledger = StudyLedger(folder.ledger_file)
    out = [entry for entry in ledger.entries if entry.outcome == "excluded"]
    ledger.close()
    assert [entry.roster for entry in out] == [list(blocks[number - 1])]
    later = [
        entry for entry in result.ledger if entry.statistic == "shares.rows" and entry.phase == "evaluation" and entry.outcome == "opened"
    ]
    assert later and not set(later[-1].roster) & set(blocks[number - 1])
    html = build(result, folder.root).read_text()
    assert "INCOMPLETE" in html and gone in html
