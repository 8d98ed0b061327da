"""Each limitation follows from a fact, and is absent without it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from server.report.metrics_json import compute
from server.study.study_results import StudyResult


def limits(result: StudyResult, **lock: Any) -> str:
    changed = deepcopy(result.lock)
    for path, value in lock.items():
        part = changed["study"]
        *parents, last = path.split("__")
        for name in parents:
            part = part[name]
        part[last] = value
    return "\n".join(compute(result.model_copy(update={"lock": changed})).limitations)


def test_facts_make_sentences(study_result: StudyResult) -> None:
    plain = limits(study_result)
    assert "All patients are simulated" in plain
    assert "The test set has 46 patients and" in plain
    assert "hospitals: the 95 % interval of a C-index reaches up to ±0." in plain
    assert "without masks" not in plain
    assert "without masks" in limits(study_result, privacy__masks=False)
    assert "5 local steps" in limits(study_result, training__local_steps=5)
    assert "chosen by validation loss" in limits(study_result, training__keep="best")
    assert "learned rank, day and event" in limits(study_result, resolution="exact")
    assert "learned on simulated scans" in limits(study_result, network__warm_start="phantom")
    assert "would have to refuse" in limits(study_result, privacy__demonstration=True)


def test_a_fused_model_below_its_part_is_said(study_result: StudyResult) -> None:
    plain = compute(study_result)
    held = {row.model: row.c.value for row in plain.concordance if row.set == "test"}
    lower = {
        (one, other)
        for one, other in (("Rad-D", "Rad-S"), ("RadCLN-D", "Rad-D"), ("RadCLN-D", "CLN"), ("RadCLN-S", "Rad-S"), ("RadCLN-S", "CLN"))
        if held[one] < held[other]
    }
    said = " ".join(plain.limitations)
    assert all((f"{one} ({held[one]:.2f}) below {other} ({held[other]:.2f})" in said) for one, other in lower)
    assert said.count(" below ") == len(lower) and ("do not settle such an order" in said) == bool(lower)


def test_an_excluded_block_is_named(study_result: StudyResult) -> None:
    out = [study_result.ledger[0].model_copy(update={"outcome": "excluded", "roster": ["hospital-01", "hospital-02"]})]
    changed = study_result.model_copy(update={"label": "INCOMPLETE", "ledger": out})
    assert "hospital-01 and hospital-02" in "\n".join(compute(changed).limitations)


def test_no_count_of_a_hospital_is_in_the_numbers(study_result: StudyResult) -> None:
    rows = compute(study_result).participation
    assert {row.site for row in rows} == {entry["name"] for entry in study_result.lock["roster"]}
    assert all(set(row.model_dump()) == {"site", "role", "asked", "took_part", "missed", "reasons"} for row in rows)
