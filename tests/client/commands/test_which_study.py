"""Every command that takes a study's id, on both sides: what names no study, or several, is refused by number and changes nothing.

An empty word is what a script passes whose variable is not set: it must not be taken for "the only study".
"""

from __future__ import annotations

from pathlib import Path

import pytest

from client import keys_kit_and_decisions as at_site
from client.cli import app as site_app
from server import published_studies
from server.cli import app as office_app
from site_config.keys_and_signatures import CoordinatorIdentity, read_lock
from site_config.problems.base import Problem
from tests.client.commands.test_enrol_commands import lock_file
from tests.support import run_cli

OFFICE: tuple[tuple[str, ...], ...] = (
    ("run", "STUDY"),
    ("run", "STUDY", "--canary"),
    ("resume", "STUDY"),
    ("stop", "STUDY"),
    ("live", "STUDY"),
    ("exclude", "1", "STUDY", "--yes"),
    ("leave", "STUDY", "--yes"),
    ("again", "STUDY"),
    ("repair", "STUDY"),
    ("upgrade", "STUDY"),
    ("report", "export", "STUDY", "--out", "OUT"),
    ("report", "track", "tensorboard:OUT", "--study", "STUDY"),
)
SITE: tuple[tuple[str, ...], ...] = (
    ("approve", "STUDY", "--yes"),
    ("approve", "STUDY", "--folder", "OUT"),
    ("decline", "STUDY"),
    ("leave", "STUDY", "--yes"),
    ("egress", "--study", "STUDY"),
    ("egress", "--refusals", "--study", "STUDY"),
    ("egress", "told", "--study", "STUDY"),
    ("egress", "export", "OUT", "--study", "STUDY"),
    ("egress", "allow", "STUDY", "--yes"),
    ("privacy", "--study", "STUDY"),
)
REFUSED = ("FH-417", "FH-718", "FH-902", "FH-910", "FH-915")
EVERY_WORD = ("stop", "approve", "decline")
NAMES = ("alpha", "beta", "gamma")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """An office with one published study, a hospital that was offered it, and the study's id."""
    folder = tmp_path_factory.mktemp("which")
    home = folder / "office"
    assert run_cli(office_app, "init", "--home", home, "--address", "127.0.0.1:9443", "--title", "Trial office").status == 0
    fingerprint = CoordinatorIdentity.load(home).fingerprint
    for name in NAMES:
        made = run_cli(site_app, "init", "--name", name, "--home", folder / name, "--json").data
        kit = run_cli(office_app, "enrol", made["request"], "--home", home, "--fingerprint", made["fingerprint"], "--json").data["kit"]
        assert run_cli(site_app, "join", kit, "--home", folder / name, "--fingerprint", fingerprint).status == 0
    signed = lock_file(home, folder, NAMES)
    lock = published_studies.publish(home, signed.read_bytes())
    at_site.offer(folder / "alpha" / "state", read_lock(signed.read_bytes()))
    return home, folder / "alpha", lock.study_id


def files(*roots: Path) -> dict[Path, bytes]:
    """Every file below these folders but logs, with its content."""
    return {path: path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file() and "logs" not in path.parts}


@pytest.mark.parametrize("words", [*OFFICE, *SITE], ids=" ".join)
def test_a_word_that_names_no_study_is_refused_by_number(
    sides: tuple[Path, Path, str], words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home, site, study = sides
    app, where = (office_app, home) if words in OFFICE else (site_app, site)
    before = files(home, site, tmp_path)
    more = (".", "\t\n", "../..", "/", "*", "x" * 5000, study[:5], study + "0", "abcdef12", "é") if words[0] in EVERY_WORD else ()
    for named in ("", " ", "..", "a" * 5000, "f" * 64, *more):
        typed = [{"STUDY": named, "OUT": str(tmp_path / "out")}.get(word, word) for word in words]
        ran = run_cli(app, *typed, "--home", where, "--json")
        told = ran.data["problem"]
        assert ran.status not in (0, 1) and told["code"] in REFUSED and told["fix"], (named[:40], ran)
        assert "a" * 60 not in ran.err + ran.out and "x" * 60 not in ran.err + ran.out, "five thousand letters are not repeated"
    assert files(home, site, tmp_path) == before


def test_spaces_around_and_large_letters_name_the_same_study(sides: tuple[Path, Path, str]) -> None:
    home, site, study = sides
    for named in (study, study[:6], study.upper(), f" {study[:12].upper()}\n"):
        assert published_studies.find_study(home, named) == study
        assert at_site.find(site / "state", named).lock.study_id == study
        assert run_cli(site_app, "egress", "--study", named, "--home", site, "--json").data == []
    assert run_cli(site_app, "egress", "allow", f" {study.upper()} ", "--yes", "--home", site, "--json").data["study"] == study
    assert run_cli(office_app, "stop", study.upper(), "--home", home, "--json").data["study"] == study


def test_a_hospital_that_a_study_does_not_have_is_told_in_forty_letters(sides: tuple[Path, Path, str]) -> None:
    home, _, study = sides
    for words in (
        ("leave", study, "--yes", "--without", "x" * 5000),
        ("again", study, "--without", "x" * 5000),
        ("revoke", "x" * 5000),
        ("renew", "x" * 5000),
    ):
        ran = run_cli(office_app, *words, "--home", home, "--json")
        assert ran.data["problem"]["code"] == "FH-413" and "x" * 40 in ran.data["problem"]["what"], words
        assert "x" * 41 not in ran.out + ran.err, words


def test_two_studies_that_begin_alike_are_not_chosen_between(tmp_path: Path) -> None:
    ids = ("a" * 63 + "1", "a" * 63 + "2")
    for one in ids:
        (tmp_path / "studies" / one).mkdir(parents=True)
        (tmp_path / "studies" / one / "lock.json").write_text("{}")
    for find in (lambda word: published_studies.find_study(tmp_path, word), lambda word: at_site.one_study(word, ids)):
        assert find(ids[1]) == ids[1]
        with pytest.raises(Problem, match=r"2 (published )?studies have an id that starts"):
            find("a" * 20)
