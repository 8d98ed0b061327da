"""Twelve mistakes of a tired person, with variants: one screen, the number of the problem, and the command or the word that mends it."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from client.cli import app as site_app
from client.program.site_runner import sole_user
from server import hospital_register as enrol
from server import office_setup
from site_config.atomic_files import CONTAINER
from site_config.console import invoke
from site_config.health import machine_questions
from site_config.keys_and_signatures import SiteIdentity
from tests.end_to_end.faults.one_screen import Desk, Mistake, Screen, said_on_one_screen


def wrong_folder_at_the_hospital(desk: Desk) -> Screen:
    empty = desk.place / "elsewhere"
    empty.mkdir()
    return "site", ["status", "--home", str(empty)], "", "site.yaml"


def wrong_folder_at_the_office(desk: Desk) -> Screen:
    empty = desk.place / "elsewhere"
    empty.mkdir()
    return "office", ["status", "--home", str(empty)], "", "--home"


def a_path_of_the_host(desk: Desk) -> Screen:
    desk.edit(paths={"cohort": "/srv/of-the-host/cohort.csv"})
    desk.monkeypatch.setenv(CONTAINER, "1")
    return "site", ["check", "--home", desk.home], "FH-910", "inside the container"


def no_gpu(desk: Desk) -> Screen:
    desk.edit(compute={"device": "cuda"})
    return "site", ["run", "--home", desk.home], "FH-605", "compute.device to auto or cpu"


def a_dead_proxy(desk: Desk) -> Screen:
    fresh = desk.place / "fresh"
    fresh.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    desk.monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{port}")
    words = ["doctor", "--home", str(fresh), "--address", "fed.example.org:443", "--quick"]
    return "site", words, "FH-724", "NO_PROXY=fed.example.org"


def no_gpu_in_check(desk: Desk) -> Screen:
    desk.edit(compute={"device": "cuda"})
    return "site", ["check", "--home", desk.home], "FH-605", "compute.device to auto or cpu"


def no_gpu_in_doctor(desk: Desk) -> Screen:
    desk.edit(compute={"device": "cuda"})
    desk.monkeypatch.setattr(
        "client.doctor.hospital_questions.look_at_gateway", lambda *_, **__: True
    )  # no office runs here, which is another mistake
    return "site", ["doctor", "--home", desk.home, "--quick"], "FH-605", "compute.device to auto or cpu"


def the_offices_command_at_a_hospital(desk: Desk) -> Screen:
    return "office", ["sites", "--home", desk.home], "FH-920", f"`fedhcc-site status --home {desk.home}`"


def a_hospitals_command_at_the_office(desk: Desk) -> Screen:
    return "site", ["run", "--home", desk.office], "FH-920", f"`fedhcc-coordinator status --home {desk.office}`"


def the_offices_board_in_an_empty_folder(desk: Desk) -> Screen:
    empty = desk.place / "elsewhere"
    empty.mkdir()
    return "office", ["sites", "--home", str(empty)], "FH-401", "Name the office's folder with --home"


def keys_made_twice(desk: Desk) -> Screen:
    return (
        "site",
        ["init", "--name", desk.name, "--home", desk.home],
        "FH-402",
        "`fedhcc-coordinator renew NAME --request NAME.request.json`",
    )


def a_kit_for_a_lock(desk: Desk) -> Screen:
    kit = desk.homes.coordinator / "kits" / f"{desk.name}.kit.json"
    return "site", ["approve", str(kit), "--home", desk.home], "FH-414", "made with `fedhcc-coordinator study lock study.yaml`"


def a_file_for_a_study(desk: Desk) -> Screen:
    file = desk.place / "study.lock.json"
    file.write_bytes((desk.homes.coordinator / "studies" / desk.lock.study_id / "lock.json").read_bytes())
    fresh = desk.place / "fresh"
    office_setup.init(fresh, "A new office", "127.0.0.1:9445")
    return "office", ["run", str(file), "--home", str(fresh)], "FH-412", "Go to that office's folder, or name it with --home"


def another_offices_lock_published(desk: Desk) -> Screen:
    _, words, _, fix = a_file_for_a_study(desk)
    return "office", ["study", "publish", *words[1:]], "FH-412", fix


def new_keys_under_an_old_name(desk: Desk) -> Screen:
    request = desk.place / f"{desk.name}.request.json"
    invoke(site_app, ["init", "--name", desk.name, "--home", str(desk.place / "anew")])
    request.write_bytes((desk.place / "anew" / request.name).read_bytes())
    return (
        "office",
        ["enrol", str(request), "--home", desk.office],
        "FH-406",
        f"`fedhcc-coordinator renew {desk.name} --request {request.name}",
    )


def a_kit_from_the_wrong_place(desk: Desk) -> Screen:
    return "site", ["join", "nowhere.kit.json", "--home", desk.home], "FH-910", f"folder: {Path.cwd()}, where the command runs"


def a_path_that_no_container_sees(desk: Desk) -> Screen:
    desk.edit(paths={"images": "/pacs/ct"})
    return "site", ["compose", "--home", desk.home], "FH-919", "--mount /pacs/ct=/data"


def a_command_of_the_other_side(desk: Desk) -> Screen:
    return "office", ["join", "x.kit.json"], "FH-902", "`fedhcc-site join`"


def hospitals_of_another_office(desk: Desk) -> Screen:
    fresh = desk.place / "fresh"
    office_setup.init(fresh, "A new office", "127.0.0.1:9445")
    return (
        "office",
        ["study", "check", str(desk.homes.cohort / "study.yaml"), "--home", str(fresh)],
        "FH-113",
        "is this the office's folder?",
    )


def a_second_process(desk: Desk) -> Screen:
    desk.undo.enter_context(sole_user(desk.homes.config(desk.name).state))
    return "site", ["run", "--home", desk.home], "FH-710", f"or end it with `kill {os.getpid()}`"


def a_stale_kit(desk: Desk) -> Screen:
    other = desk.place / "other"
    office_setup.init(other, "Another office", "127.0.0.1:9444")
    mine = SiteIdentity.load(desk.homes.config(desk.name).state)
    kit = enrol.enrol(other, mine.request().model_dump_json().encode())
    file = desk.place / "old.kit.json"
    file.write_text(kit.model_dump_json())
    return "site", ["join", str(file), "--home", desk.home], "FH-4", "coordinator"


def a_full_disk(desk: Desk) -> Screen:
    invoke(site_app, ["approve", str(desk.homes.coordinator / "studies" / desk.lock.study_id / "lock.json"), "--home", desk.home, "--yes"])
    desk.undo.enter_context(no_file_grows())
    return "site", ["decline", desk.lock.study_id[:12], "--home", desk.home], "FH-914", "`ulimit -f unlimited`"


def an_unreadable_scan(desk: Desk) -> Screen:
    scan = desk.place / "ct.nii.gz"
    scan.write_bytes(b"\x1f\x8b" + b"\0" * 200)
    return "site", ["data", "try", "--image", str(scan), "--masks", f"liver={scan}"], "FH-302", "`gzip -t FILE`"


def a_clock_that_is_wrong(desk: Desk) -> Screen:
    seen = machine_questions.clock(-600.0)  # with real programs and a real clock: the play `clock-off`
    desk.monkeypatch.setattr("client.doctor.hospital_questions.look_at_gateway", lambda checkup, *_, **__: checkup.findings.append(seen))
    return "site", ["doctor", "--home", desk.home, "--quick"], "FH-711", "timedatectl set-ntp true"


def a_misspelt_hospital(desk: Desk) -> Screen:
    path = desk.place / "study.yaml"
    document = yaml.safe_load((desk.homes.cohort / "study.yaml").read_text())
    document["sites"][0]["name"] = document["sites"][0]["name"].replace("hospital", "hopsital")
    path.write_text(yaml.safe_dump(document))
    return "office", ["study", "check", str(path), "--home", desk.office], "FH-1", "Write `hospital-"


def a_misspelt_hospital_to_leave_out(desk: Desk) -> Screen:
    wrong = desk.name.replace("hospital", "hopsital")
    return "office", ["leave", desk.lock.study_id, "--without", wrong, "--home", desk.office], "FH-413", f"Did you mean `{desk.name}`?"


def a_misspelt_hospital_in_another_study(desk: Desk) -> Screen:
    return "office", ["again", desk.lock.study_id, "--without", "berlin", "--home", desk.office], "FH-413", f"hospitals: {desk.name}, "


def a_misspelt_hospital_to_strike(desk: Desk) -> Screen:
    return "office", ["revoke", desk.name.replace("-", "_"), "--home", desk.office], "FH-413", f"Did you mean `{desk.name}`?"


def the_wrong_order(desk: Desk) -> Screen:
    fresh = desk.place / "fresh"
    office_setup.init(fresh, "A new office", "127.0.0.1:9445")
    return "office", ["run", "--home", str(fresh)], "FH-718", "study publish"


def rename_in_site_yaml(desk: Desk) -> str:
    path = Path(desk.home) / "site.yaml"
    path.write_text(path.read_text().replace(f"site: {desk.name}", "site: hopsital-01"))
    return f"Write `site: {desk.name}` in site.yaml"


def a_misspelt_hospital_in_site_yaml(desk: Desk) -> Screen:
    return "site", ["run", "--home", desk.home], "FH-408", rename_in_site_yaml(desk)


def a_misspelt_hospital_that_check_sees(desk: Desk) -> Screen:
    return "site", ["check", "--home", desk.home], "FH-408", rename_in_site_yaml(desk)


def a_gpu_by_another_name(desk: Desk) -> Screen:
    desk.edit(compute={"device": "gpu"})
    return "site", ["check", "--home", desk.home], "FH-110", "Write `cuda` for an NVIDIA GPU"


def a_second_gpu(desk: Desk) -> Screen:
    desk.edit(compute={"device": "cuda:1"})
    return "site", ["run", "--home", desk.home], "FH-110", "Write `cuda`, and start the program with CUDA_VISIBLE_DEVICES=1"


def a_path_of_a_shell(desk: Desk) -> Screen:
    desk.edit(paths={"images": "~/ct"})
    return "site", ["check", "--home", desk.home], "FH-110", f"Write `{Path.home()}/ct`"


def a_path_of_windows(desk: Desk) -> Screen:
    desk.edit(paths={"cohort": "C:\\pacs\\cohort.csv"})
    return "site", ["run", "--home", desk.home], "FH-110", "under WSL for example `/mnt/c/pacs/cohort.csv`"


def a_neighbours_kit(desk: Desk) -> Screen:
    kit = desk.homes.coordinator / "kits" / f"{desk.lock.names('development')[1]}.kit.json"
    return "site", ["join", str(kit), "--home", desk.home], "FH-408", f"Join with `{desk.name}.kit.json`"


def a_proxy_with_a_misspelt_scheme(desk: Desk) -> Screen:
    fresh = desk.place / "fresh"
    fresh.mkdir()
    desk.monkeypatch.setenv("HTTPS_PROXY", "htp://me:secret@proxy.example:3128")
    words = ["doctor", "--home", str(fresh), "--address", "fed.example.org:443", "--quick"]
    return "site", words, "FH-724", "Write it as http://HOST:PORT"


def an_empty_scan(desk: Desk) -> Screen:
    scan = desk.place / "ct.nii.gz"
    scan.touch()
    return "site", ["data", "try", "--image", str(scan), "--masks", f"liver={scan}"], "FH-302", "is an empty file"


def a_copy_of_an_office_that_runs(desk: Desk) -> Screen:
    copy = desk.place / "copy"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    office_setup.init(copy, "A copy", f"127.0.0.1:{port}", listen=f"127.0.0.1:{port}", superlink_port=port)
    desk.undo.enter_context(socket.create_server(("127.0.0.1", port)))
    return "office", ["serve", "--home", str(copy)], "FH-707", f"`ss -ltnp 'sport = :{port}'`"


def home_before_the_command(desk: Desk) -> Screen:
    return "site", ["--home", desk.home, "run"], "FH-902", f"stands behind the command: `fedhcc-site COMMAND --home {desk.home}`"


def an_option_with_one_hyphen(desk: Desk) -> Screen:
    return "office", ["status", "-home", desk.office], "FH-902", "two hyphens: `--home`"


def a_folder_without_home(desk: Desk) -> Screen:
    desk.monkeypatch.setenv("FEDHCC_HOME", desk.office)
    return "office", ["status", desk.office], "FH-902", f"`fedhcc-coordinator status --home {desk.office}`"


def a_table_with_two_endings(desk: Desk) -> Screen:
    table = Path(desk.home) / "cohort.csv"
    table.rename(table.with_suffix(".csv.txt"))
    return "site", ["check", "--home", desk.home], "FH-910", "`cohort.csv.txt` lies in its place: call it cohort.csv."


def a_sheet_in_place_of_a_table(desk: Desk) -> Screen:
    table = Path(desk.home) / "cohort.csv"
    table.rename(table.with_suffix(".xlsx"))
    return "site", ["check", "--home", desk.home], "FH-910", "save it as cohort.csv (CSV)"


def a_kit_joined_with_ones_own_digits(desk: Desk) -> Screen:
    kit = desk.homes.coordinator / "kits" / f"{desk.name}.kit.json"
    own = SiteIdentity.load(desk.homes.config(desk.name).state).fingerprint
    return "site", ["join", str(kit), "--fingerprint", own[:16], "--home", desk.home], "FH-409", "that the coordinator reads out"


def too_few_digits(desk: Desk) -> Screen:
    _, words, number, fix = a_kit_joined_with_ones_own_digits(desk)
    return "site", [*words[:3], words[3][:8], *words[4:]], number, fix


def a_day_as_people_write_it(desk: Desk) -> Screen:
    return "site", ["egress", "--since", "28.11.2026", "--home", desk.home], "FH-902", "`--since 2026-11-23`"


def a_folder_for_a_file(desk: Desk) -> Screen:
    return "office", ["backup", str(desk.place), "--home", desk.office], "FH-915", "Name a file, for example one in this folder"


def a_lock_for_a_plan(desk: Desk) -> Screen:
    lock = desk.homes.coordinator / "studies" / desk.lock.study_id / "lock.json"
    return "office", ["study", "check", str(lock), "--home", desk.office], "FH-414", "Name a study.yaml"


MISTAKES = (
    a_kit_joined_with_ones_own_digits, too_few_digits, a_day_as_people_write_it, a_folder_for_a_file, a_lock_for_a_plan,
    home_before_the_command, an_option_with_one_hyphen, a_folder_without_home, a_table_with_two_endings, a_sheet_in_place_of_a_table,
    a_misspelt_hospital_in_site_yaml, a_misspelt_hospital_that_check_sees, a_gpu_by_another_name, a_second_gpu, a_path_of_a_shell,
    a_path_of_windows, a_neighbours_kit, a_proxy_with_a_misspelt_scheme, an_empty_scan, a_copy_of_an_office_that_runs,
    wrong_folder_at_the_hospital, wrong_folder_at_the_office, a_path_of_the_host, no_gpu, a_dead_proxy, a_second_process, a_stale_kit,
    a_full_disk, an_unreadable_scan, a_clock_that_is_wrong, a_misspelt_hospital, the_wrong_order,
    no_gpu_in_check, no_gpu_in_doctor, the_offices_command_at_a_hospital, a_hospitals_command_at_the_office,
    the_offices_board_in_an_empty_folder, keys_made_twice, a_kit_for_a_lock, a_file_for_a_study, a_path_that_no_container_sees,
    a_command_of_the_other_side, another_offices_lock_published,
    a_misspelt_hospital_to_leave_out, a_misspelt_hospital_in_another_study, a_misspelt_hospital_to_strike,
    new_keys_under_an_old_name, a_kit_from_the_wrong_place, hospitals_of_another_office,
)  # fmt: skip


@contextmanager
def no_file_grows() -> Iterator[None]:
    """As on a full disk: no byte can be written to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.__name__)
def test_one_screen_says_what_to_do(mistake: Mistake, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    said_on_one_screen(mistake, desk, capsys)
