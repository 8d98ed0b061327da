"""What is told of an outage that no ask failed for."""

from __future__ import annotations

from pathlib import Path

import pytest

from client import keys_kit_and_decisions as at_site
from server import hospital_register as enrol
from server import office_setup
from server.asking.incidents import Disturbances

UP = {9443: True, 9444: True}


def number(office: Path) -> int:
    return enrol.load(office).active()["alpha"].node_id


@pytest.fixture
def home(tmp_path: Path) -> Path:
    office = tmp_path / "office"
    office_setup.init(office, "Trial office", "127.0.0.1:9443", listen="127.0.0.1:9443", superlink_port=9444)
    enrol.enrol(office, at_site.init(tmp_path / "alpha", "alpha").request().model_dump_json().encode())
    (office / "logs").mkdir(exist_ok=True)
    (office / "logs" / "superlink.log").write_text(f"SuperNode with node ID {number(office)} could not be activated, long ago\n")
    return office


def watch(home: Path) -> tuple[Disturbances, dict[int, bool], list[str], list[float]]:
    up, said, now = dict(UP), list[str](), [0.0]
    return Disturbances(home, said.append, lambda port: up[port], lambda: now[0]), up, said, now


def test_nothing_is_said_while_both_answer(home: Path) -> None:
    seen, _, said, _ = watch(home)
    seen.look()
    assert seen.taken() == {} and said == []


def test_an_outage_is_told_when_it_begins_and_when_it_ends(home: Path) -> None:
    seen, up, said, now = watch(home)
    up[9444] = False
    seen.look()
    seen.look()
    assert [line for line in said if "FH-706" in line] and len(said) == 1
    assert seen.taken() == {"SuperLink": "FH-706"} == seen.taken(), "it is so until it answers"
    up[9444], now[0] = True, 4.0
    seen.look()
    assert "after 4 s" in said[-1] and seen.taken() == {}


def test_an_outage_between_two_asks_is_kept_for_the_next(home: Path) -> None:
    seen, up, _, _ = watch(home)
    up[9443] = False
    seen.look()
    up[9443] = True
    seen.look()
    assert seen.taken() == {"gateway": "FH-722"} and seen.taken() == {}


def test_a_second_program_with_a_key_is_named_and_strangers_are_not(home: Path) -> None:
    seen, _, said, _ = watch(home)
    with (home / "logs" / "superlink.log").open("a") as log:
        log.write(f"exception: SuperNode with node ID {number(home)} could not be activated.\n")
        log.write("exception: SuperNode with node ID 99 could not be activated.\n")
    seen.look()
    assert seen.taken() == {"alpha": "FH-713"} and len(said) == 1 and "alpha" in said[0]
    seen.look()
    assert seen.taken() == {}
    with (home / "logs" / "superlink.log").open("a") as log:
        log.write(f"exception: SuperNode with node ID {number(home)} could not be activated.\n")
    seen.look()
    assert seen.taken() == {"alpha": "FH-713"} and len(said) == 1, "it tries again every few seconds"


def test_a_working_process_that_stands_still_is_named(home: Path) -> None:
    seen, _, said, _ = watch(home)
    with (home / "logs" / "superlink.log").open("a") as log:
        log.write(f"2026-11-26 10:00:00 the working process of node ID {number(home)} shows no sign of life\n")
    seen.look()
    assert seen.taken() == {"alpha": "FH-759"} and said == ["the working process of alpha shows no sign of life: FH-759"]


def test_the_thread_ends(home: Path) -> None:
    seen, _, _, _ = watch(home)
    seen.start()
    seen.stop()
    assert not seen._thread.is_alive()


def test_the_offices_own_sleep_is_told_and_no_hospital_is_blamed(home: Path) -> None:
    seen, _, said, now = watch(home)
    seen.look()
    now[0] = 2.0
    seen.look()
    assert said == []
    now[0] = 902.0
    seen.look()
    assert seen.taken() == {"coordinator": "FH-761"} and "stood still for 900 s" in said[0]
