from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from site_config.documents.field_notes import NOTES
from site_config.documents.json_schemas import DOCUMENTS, schema
from site_config.documents.read_yaml_documents import dump_yaml
from site_config.problems import GROUPS, all_kinds
from site_config.problems.base import Exit
from site_config.reference import generated_pages
from site_config.study import study_presets
from tests.site_config.broken import SITE


def test_every_code_has_a_page_every_page_a_code_and_all_are_current() -> None:
    assert generated_pages.stale() == [], "run `make schemas`"


def test_a_stale_page_and_one_left_over_are_found_and_mended(tmp_path: Path) -> None:
    generated_pages.write(tmp_path)
    assert generated_pages.stale(tmp_path) == []
    (tmp_path / "problems" / "FH-101.md").write_text("edited")
    (tmp_path / "problems" / "FH-199.md").write_text("gone")
    assert generated_pages.write(tmp_path) == ["problems/FH-101.md", "problems/FH-199.md"]
    assert generated_pages.stale(tmp_path) == []


def test_codes_and_names_are_unique_and_in_their_group() -> None:
    from importlib import import_module

    kinds = all_kinds()
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert len({kind.name for kind in kinds}) == len(kinds)
    second = {"segmentation": 3, "which_scan": 3, "shares": 5}  # a hundred that groups divide
    numbers = {group: number for number, group in enumerate((group for group in GROUPS if group not in second), 1)} | second
    for group in GROUPS:
        for kind in (value for value in vars(import_module(f"site_config.problems.{group}")).values() if value in kinds):
            assert kind.code // 100 == numbers[group], kind.name


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.label)
def test_every_problem_says_why_and_what_to_do(kind: object) -> None:
    from site_config.problems.base import Kind

    assert isinstance(kind, Kind)
    assert len(kind.why) > 20
    assert len(kind.fix) > 10
    assert not kind.title.endswith(".")
    assert kind.exit in generated_pages.EXITS
    assert isinstance(kind.exit, Exit)


def test_every_field_has_a_sentence_and_every_sentence_a_field() -> None:
    fields = {
        f"{model.__name__}.{name}": info.description
        for document in DOCUMENTS.values()
        for model in generated_pages.models_of(document)
        for name, info in model.model_fields.items()
        if not info.exclude
    }
    assert [name for name, description in fields.items() if not (NOTES.get(name) or description)] == [], "add a sentence to field_notes.py"
    assert [name for name in NOTES if name not in fields] == []


@pytest.mark.parametrize("name", study_presets.SETTINGS)
def test_the_editors_schema_accepts_every_preset(name: str) -> None:
    document = yaml.safe_load(dump_yaml(study_presets.preset(name)))
    for variable in document["clinical"]:
        variable["values"] = {str(code): label for code, label in variable["values"].items()}
    jsonschema.validate(document, schema("study"))


def test_the_editors_schema_refuses_what_the_reader_refuses() -> None:
    jsonschema.validate(yaml.safe_load(SITE), schema("site"))
    for wrong in ({"sites": []}, {"title": "x", "sites": [{"name": "A"}]}, {"title": "x", "sites": [{"name": "a"}], "horizon": 4}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema("study"))
