"""The board of hospitals: what was told, who is there, and the one next step of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client import keys_kit_and_decisions as at_site
from server import hospital_register as enrol
from server import office_setup
from server.watch import hospital_board
from shared_model.secure_sum.federation_messages import AdmissionReply
from site_config.study.code_digest import code_digest, software

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
GOOD = AdmissionReply(
    accepted=True, software=software(), code_digest=code_digest(), step_seconds=16, device="cuda", disk_gib=128, prepared=True
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    office = tmp_path / "office"
    office_setup.init(office, "Trial office", "127.0.0.1:9443")
    for name in ("alpha", "beta"):
        enrol.enrol(office, at_site.init(tmp_path / name, name).request().model_dump_json().encode())
    return office


def row(home: Path, connected: set[str] | None, **changes: object) -> hospital_board.BoardRow:
    reply = GOOD.model_copy(update=changes)
    hospital_board.keep(home, "s" * 64, {"alpha": reply}, NOW - timedelta(hours=3))
    return hospital_board.board(home, connected, NOW)[0]


def test_before_anything_was_told(home: Path) -> None:
    first, second = hospital_board.board(home, {"beta"}, NOW)
    assert (first.seen, first.release) == ("never", "–") and "doctor" in first.next_step
    assert second.seen == "now" and "canary" in second.next_step
    assert {one.next_step for one in hospital_board.board(home, None, NOW)} == {hospital_board.DARK}


@pytest.mark.parametrize(
    ("connected", "changes", "step"),
    [
        ({"alpha"}, {}, "–"),
        (set(), {}, "fedhcc-site status"),
        (None, {}, "serve"),
        ({"alpha"}, {"accepted": False, "refusals": ("FH-418",)}, "approve"),
        ({"alpha"}, {"accepted": False, "refusals": ("FH-506",)}, "problem FH-506"),
        ({"alpha"}, {"code_digest": "0" * 64}, "release"),
        ({"alpha"}, {"prepared": False}, "data prepare"),
        ({"alpha"}, {"disk_gib": 2}, "disk"),
    ],
)
def test_the_next_step(home: Path, connected: set[str] | None, changes: dict[str, object], step: str) -> None:
    found = row(home, connected, **changes)
    assert step in found.next_step
    assert found.machine.startswith("cuda") and (found.seen == "now" if connected else found.seen == "3 h ago")


def test_one_hospital_s_answer_leaves_the_others_and_a_damaged_file_is_told_again(home: Path) -> None:
    hospital_board.keep(home, "s" * 64, {"beta": GOOD}, NOW)
    row(home, None)
    assert set(hospital_board.Readiness.load(home).sites) == {"alpha", "beta"}
    (home / hospital_board.NAME).write_text("{")
    assert hospital_board.Readiness.load(home).sites == {}
