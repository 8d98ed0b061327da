"""The page of evidence is written from whatever is there; the tutorials' marked commands stand in one order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evidence import index
from evidence.everything import pieces
from evidence.record import ROOT
from evidence.running import tutorial


def write_piece(folder: Path, name: str, figures: object) -> None:
    piece = {"name": name, "figures": figures, "seeds": [7], "command": f"python -m evidence.{name}", "covers": {}}
    (folder / f"{name}.json").write_text(json.dumps(piece))


def test_a_page_without_pieces_names_all_as_missing(tmp_path: Path) -> None:
    page = index.page(tmp_path)
    assert all(f"`{name}`" in page for name in index.MEASURED)


def test_every_piece_on_record_has_its_sentence() -> None:
    assert {index.family(name) for name in index.load(index.FOLDER)} <= {*index.MEASURED}
    assert "No sentence" not in index.page()


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
