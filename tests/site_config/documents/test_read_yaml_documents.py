from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from site_config.documents import yaml_text as yamltext
from site_config.documents.read_yaml_documents import dump_yaml, fields_at, load_site, parse_site, parse_study
from site_config.problems.base import Problem
from site_config.site_yaml import SiteConfig
from site_config.study import study_presets
from site_config.study.plan_and_lock import Study
from tests.site_config.broken import SITE, STUDY


@pytest.mark.parametrize("name", study_presets.SETTINGS)
def test_a_study_written_is_the_study_read(name: str) -> None:
    study = study_presets.preset(name)
    assert parse_study(dump_yaml(study, "A comment\nof two lines").encode()) == study


def test_a_site_written_is_the_site_read(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    site = load_site(tmp_path / "site.yaml")
    assert site.home == tmp_path.resolve()
    assert site.state == tmp_path.resolve() / "state"
    (tmp_path / "site.yaml").write_text(dump_yaml(site))
    assert load_site(tmp_path / "site.yaml") == site


def test_scalars_follow_the_core_schema() -> None:
    text = "a: no\nb: 010\nc: 1:30\nd: true\ne: 1e3\nf: ~\ng: '1'\nh: 0x1F\ni: 1_000\nj: 2021-01-01\nk: .5\nl:\n"
    assert yamltext.parse(text.encode(), "x").plain() == {
        "a": "no",
        "b": 10,
        "c": "1:30",
        "d": True,
        "e": 1000.0,
        "f": None,
        "g": "1",
        "h": "0x1F",
        "i": "1_000",
        "j": "2021-01-01",
        "k": 0.5,
        "l": None,
    }


def test_labels_named_no_stay_texts() -> None:
    text = STUDY + "clinical:\n- {name: nash, label: NASH, values: {0: no, 1: yes}}\n"
    assert parse_study(text.encode()).clinical[0].values == {0: "no", 1: "yes"}


@pytest.mark.parametrize(("hours", "inside"), [((0, 24), range(24)), ((8, 10), [8, 9]), ((22, 3), [22, 23, 0, 1, 2])])
def test_a_schedule_may_go_over_midnight(hours: tuple[int, int], inside: list[int]) -> None:
    site = parse_site(f"{SITE}policy: {{schedule: {{from_hour: {hours[0]}, to_hour: {hours[1]}}}}}".encode())
    assert [hour for hour in range(24) if site.policy.schedule.includes(hour)] == sorted(inside)


def test_all_faults_of_a_document_at_once_in_the_order_of_lines() -> None:
    text = STUDY.replace("title", "titles").replace("20", "x").replace("evaluation", "evaluations")
    with pytest.raises(Problem) as caught:
        parse_study(text.encode())
    found = [caught.value, *caught.value.others]
    assert [(one.code, one.where) for one in found] == [
        ("FH-108", "study.yaml:1"),
        ("FH-107", "study.yaml:1"),
        ("FH-109", "study.yaml:4"),
        ("FH-110", "study.yaml:9"),
    ]


def test_fields_are_known_at_every_place() -> None:
    assert "window" in fields_at(Study, ("organs", 0))
    assert fields_at(Study, ("organs", 1, "window")) == ["width", "level"]
    assert "folder" in fields_at(SiteConfig, ("segmentation", "models", "any"))
    assert "at_least" in fields_at(SiteConfig, ("policy", "known_peers"))
    assert "home" not in fields_at(SiteConfig, ())


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 250_000,
        b"{" * 250_000,
        b"- " * 120_000,
        b"a:\n" * 80_000,
        b"'" * 250_000,
        b"|" + b"\n" * 250_000,
        b"? a\n" * 60_000,
        b"&" * 250_000,
        b"[a: " * 60_000,
        b"[],\n" * 60_000,
    ],
)
def test_hostile_documents_end_in_under_a_second(data: bytes) -> None:
    started = time.process_time()
    for parse in (parse_study, parse_site):
        with pytest.raises(Problem):
            parse(data)
    assert time.process_time() - started < 2


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["bern", "Rad-D", "adam", "a" * 64])
)
KEYS = st.one_of(
    st.sampled_from([*Study.model_fields, *SiteConfig.model_fields, "name", "role", "model", "sha256", "m"]), st.text(max_size=4)
)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


@given(st.dictionaries(KEYS, TREES, max_size=6))
@settings(max_examples=120)
def test_any_tree_is_a_document_or_a_problem(tree: dict[str, object]) -> None:
    import yaml

    text = yaml.safe_dump({"title": "x", "sites": [{"name": "a", "role": "development"}], **tree}, allow_unicode=True)
    survives(text.encode("utf-8", "replace"))


@given(st.integers(0, len(STUDY) - 1), st.text(max_size=4), st.integers(0, 6))
@settings(max_examples=150)
def test_any_small_damage_is_a_document_or_a_problem(place: int, inserted: str, cut: int) -> None:
    survives((STUDY[:place] + inserted + STUDY[place + cut :]).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_document_or_a_problem(data: bytes) -> None:
    survives(data)
    survives(b"title: x\nsites: " + data)


def survives(data: bytes) -> None:
    for parse in (parse_study, parse_site):
        try:
            parse(data)
        except Problem as problem:
            assert all(one.kind.code in range(100, 200) for one in (problem, *problem.others))
            assert all(one.fix and one.why for one in (problem, *problem.others))


def test_a_budget_is_taken_and_bounds_something() -> None:
    assert parse_site(f"{SITE}policy: {{epsilon_budget: 1.0}}".encode()).policy.epsilon_budget == 1.0
    with pytest.raises(Problem):
        parse_site(f"{SITE}policy: {{epsilon_budget: 0}}".encode())


def test_words_of_an_older_version_are_refused_with_the_new_ones() -> None:
    old = {
        "resolution: totals": "Write `shares`",
        "evaluation: {resolution: coarse}": "horizons",
        "evaluation: {cell_days: 30}": "no setting any more",
    }
    old["privacy: {minimum_clinical_score_patients: 20}"] = "Remove the line: nothing of single scores"
    for words, fix in old.items():
        with pytest.raises(Problem) as refused:
            parse_study((STUDY.rstrip() + f"\n{words}\n").encode())
        assert refused.value.code in {"FH-107", "FH-110"} and fix in (refused.value.fix or ""), words
    with pytest.raises(Problem, match="FH-110") as refused:
        parse_site((SITE.rstrip() + "\npolicy: {resolutions: [counts, totals, update]}\n").encode())
    assert "Write `shares`" in (refused.value.fix or "")
