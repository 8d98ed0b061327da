"""The page of evidence is written from whatever is there; the tutorials' marked commands stand in one order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evidence import index, record
from evidence.everything import pieces
from evidence.record import ROOT
from evidence.running import tutorial


def write_piece(folder: Path, name: str, figures: object) -> None:
    piece = {"name": name, "figures": figures, "seeds": [7], "command": f"python -m evidence.{name}", "covers": {}}
    (folder / f"{name}.json").write_text(json.dumps(piece))


def test_a_page_without_pieces_names_all_as_missing(tmp_path: Path) -> None:
    page = index.page(tmp_path)
    assert all(f"`{name}`" in page for name in index.MEASURED)


@pytest.fixture(scope="module")
def written() -> str:
    """The page as it is written today: half a minute of hashing."""
    return index.page()


def test_every_piece_on_record_has_its_sentence(written: str) -> None:
    assert {index.family(name) for name in index.load(index.FOLDER)} <= {*index.MEASURED}
    assert "No sentence" not in written


@pytest.mark.parametrize("name", ["attacks", "compare", "masking", "something_new"])
@pytest.mark.parametrize("figures", [{}, {"a": 1.23456, "b": None, "c": [1, "x"], "d": [{"e": {"f": 2}}, {"g": 1}]}])
def test_a_piece_of_any_shape_is_told(tmp_path: Path, name: str, figures: object) -> None:
    write_piece(tmp_path, name, figures)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"what": "no record"}')
    page = index.page(tmp_path)
    assert f"## {name}" in page
    assert "## other" not in page


def test_a_bar_that_was_missed_is_said(tmp_path: Path) -> None:
    write_piece(tmp_path, "scale", {"bars": {"fast enough": False, "small enough": True}, "resumed": False})
    assert "**Not held:** bars · fast enough." in index.page(tmp_path)


def test_the_page_starts_with_one_table_of_all_pieces(tmp_path: Path) -> None:
    write_piece(tmp_path, "scale", {"bars": {"fast enough": False, "small enough": True}})
    write_piece(tmp_path, "masking", {"seconds": 3})
    write_piece(tmp_path, "cohort", {"bars": {"holds": True}})
    changed = {**json.loads((tmp_path / "masking.json").read_text()), "covers": {"gone.py": {"f": "1"}}}
    (tmp_path / "idle.json").write_text(json.dumps(changed))
    page = index.page(tmp_path)
    table = page[: page.index("## What is missing")]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| [")]
    rows = {name: rest for name, *rest in lines}
    assert rows["[scale](#scale)"] == [index.MEASURED["scale"], "**no** (1)", "no"]
    assert rows["[masking](#masking)"][1:] == ["no bar", "no"]
    assert rows["[cohort](#cohort)"][1:] == ["yes", "no"]
    assert rows["[idle](#idle)"][1:] == ["no bar", "**older**"]


def test_many_figures_are_folded_away_behind_what_the_piece_is(tmp_path: Path) -> None:
    write_piece(tmp_path, "scale", {f"figure {place}": place for place in range(index.FOLDED + 1)})
    write_piece(tmp_path, "masking", {f"figure {place}": place for place in range(index.FOLDED)})
    masking, scale = (index.section(name, index.load(tmp_path)[name], []) for name in ("masking", "scale"))
    assert "<details" not in masking
    before, after = scale.split('<details markdown="1">\n<summary>All 26 rows of figures</summary>\n\n')
    assert "`python -m evidence.scale`" in before
    assert "|" not in before
    assert after.endswith("| figure 25 | 25 |\n\n</details>\n")


def test_what_stays_open_on_the_page_is_short(written: str) -> None:
    opened = re.sub(r"<details.*?</details>", "", written, flags=re.DOTALL)
    assert max(len(block.splitlines()) for block in opened.split("## All pieces")[1].split("\n## ")[1:]) < 60
    assert "md_in_html" in (ROOT / "mkdocs.yml").read_text()


def test_a_recorded_command_holds_no_place_of_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = {name: piece["command"] for name, piece in index.load(index.FOLDER).items()}
    assert not {name: told for name, told in commands.items() if re.search(r"(?:^|[\s='\"])[/~]", told)}
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["x", "--seeds", "3", "--out", str(tmp_path), f"--cases={tmp_path}", str(tmp_path / "a.js"), "here/b"])
    path = record.record("one", covers=[], figures={}, seeds=[])
    assert json.loads(path.read_text())["command"].endswith(" --seeds 3 --out OUT --cases=CASES FILE here/b")
    path = record.record("two", covers=[], figures={}, seeds=[], command=f"python -m evidence.two {tmp_path}")
    assert json.loads(path.read_text())["command"] == "python -m evidence.two FOLDER"


def test_the_tutorials_blocks_stand_in_one_order() -> None:
    blocks = tutorial.blocks()
    assert sorted({block.order for block in blocks}) == list(range(1, max(block.order for block in blocks) + 1))
    for page in tutorial.PAGES:
        orders = [block.order for block in blocks if block.page == page]
        marked = tutorial.BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
        assert [int(order) for order, _, _ in marked] == orders


def test_every_recorded_piece_is_measured_by_the_command_that_measures_everything() -> None:
    found = pieces()
    assert {"ctrl_c", "damages", "outcome", "attacks", "faults", "extras_alone"} <= found.keys() and "attack_pages" not in found
    told = {
        piece["command"].split()[2]
        for piece in index.load(ROOT / "docs" / "evidence").values()
        if piece["command"].startswith("python -m ")
    }
    assert told - {"evidence.attacks"} <= set(found.values())  # the same piece by its package
