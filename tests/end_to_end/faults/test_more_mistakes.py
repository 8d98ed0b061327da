"""Further mistakes of a tired person, found by somebody who had never seen the program: one screen names the cause and the remedy."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.end_to_end.faults.one_screen import Desk, Mistake, Screen, said_on_one_screen

OTHER = 4_000_000_000
"""A number that no account has."""


def keys_that_everybody_reads(desk: Desk) -> Screen:
    identity = desk.homes.config(desk.name).state / "identity"
    (identity / "name").chmod(0o755)
    return "site", ["run", "--home", desk.home], "FH-403", f"`chmod -R go= {identity}`"


def after_a_command_under_sudo(desk: Desk) -> Screen:
    """Another account's folder; the tests may run as root, who opens everything."""
    desk.monkeypatch.setattr("site_config.terminal.closed_folder._opens", lambda path: path.name != "state")
    desk.monkeypatch.setattr("site_config.terminal.closed_folder._owner", lambda path: OTHER)
    return "site", ["status", "--home", desk.home], "FH-911", f"`sudo -u '#{OTHER}' ...`"


def an_office_under_sudo(desk: Desk) -> Screen:
    after_a_command_under_sudo(desk)
    desk.monkeypatch.setattr("site_config.terminal.closed_folder._opens", lambda path: path.name != "identity")
    return "office", ["status", "--home", desk.office], "FH-911", desk.office


def a_misspelt_peer(desk: Desk) -> Screen:
    near = desk.lock.names("development")[1]
    words = ["approve", lock_file(desk), "--home", desk.home, "--peer", f"{near.replace('hospital', 'hospitl')}=0011223344556677"]
    return "site", words, "FH-902", f"Write `--peer {near}=DIGITS`"


def a_peer_of_nowhere(desk: Desk) -> Screen:
    words = ["approve", lock_file(desk), "--home", desk.home, "--peer", "x=0011223344556677"]
    return "site", words, "FH-902", "Hospitals of the study: hospital-01 to hospital-04."


def a_lock_corrected_by_hand(desk: Desk) -> Screen:
    edited = desk.place / "study.lock.json"
    edited.write_text(Path(lock_file(desk)).read_text().replace(desk.lock.study.title, "Another title"))
    return "site", ["approve", str(edited), "--home", desk.home], "FH-410", "Take the file as the office sent it"


def a_date_among_days(desk: Desk) -> Screen:
    table = Path(desk.home) / "cohort.csv"
    head, first, *rest = table.read_text().splitlines()
    cells = first.split(",")
    cells[head.split(",").index("treatment_day")] = "31.12.2020"
    table.write_text("\n".join([head, ",".join(cells), *rest]) + "\n")
    return "site", ["check", "--home", desk.home], "FH-208", "call the column `treatment_date`"


def a_report_for_a_scan(desk: Desk) -> Screen:
    folder = desk.place / "scan"
    folder.mkdir()
    (folder / "ct.dcm").write_bytes(b"%PDF-1.4\n" + bytes(4000))
    return "site", ["data", "try", "--image", str(folder), "--masks", f"liver={folder}"], "FH-316", "Give --image the folder"


def a_block_that_is_not_there(desk: Desk) -> Screen:
    return "office", ["exclude", "9", "--home", desk.office], "FH-766", "there is no block 9 of training hospitals in it"


def a_report_before_the_end(desk: Desk) -> Screen:
    fix = f"`fedhcc-coordinator run {desk.lock.study_id[:12]} --home {desk.office}`"
    return "office", ["report", "export", "--home", desk.office], "FH-718", fix


class Asks(BaseHTTPRequestHandler):
    """A proxy that wants to know who is there."""

    def do_CONNECT(self) -> None:  # the library's name
        """Refuse."""
        self.send_response(407)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def a_proxy_that_wants_a_password(desk: Desk) -> Screen:
    return _through_asking_proxy(desk, "", "`export FEDHCC_PROXY_FILE=FILE`")


def a_proxy_with_an_old_password(desk: Desk) -> Screen:
    return _through_asking_proxy(desk, "me:secret@", "It does not know this user or password.")


def _through_asking_proxy(desk: Desk, user: str, fix: str) -> Screen:
    server = HTTPServer(("127.0.0.1", 0), Asks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    desk.undo.callback(server.server_close)
    desk.undo.callback(server.shutdown)
    fresh = desk.place / "fresh"
    fresh.mkdir()
    desk.monkeypatch.setenv("HTTPS_PROXY", f"http://{user}127.0.0.1:{server.server_port}")
    return "site", ["doctor", "--home", str(fresh), "--address", "fed.example.org:443", "--quick"], "", fix


def lock_file(desk: Desk) -> str:
    """The signed lock at the office."""
    return str(desk.homes.coordinator / "studies" / desk.lock.study_id / "lock.json")


MISTAKES = (
    keys_that_everybody_reads, after_a_command_under_sudo, an_office_under_sudo, a_misspelt_peer, a_peer_of_nowhere,
    a_lock_corrected_by_hand, a_date_among_days, a_report_for_a_scan, a_block_that_is_not_there, a_report_before_the_end,
    a_proxy_that_wants_a_password, a_proxy_with_an_old_password,
)  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.__name__)
def test_one_screen_says_what_to_do(mistake: Mistake, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    said_on_one_screen(mistake, desk, capsys)
