"""The comparison over whole studies, with studies that are played."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.study.study_results import PooledScore, Simulation, StudyResult
from simulations.compare.compare_phantoms import compare_phantom, write_phantom


def played(pooled: float | None) -> StudyResult:
    score = PooledScore(model="Rad-D", n=40, events=25, c_federated=0.70, c_federated_ci=(0.6, 0.8), c_pooled=pooled, spearman=0.998)
    truth = Simulation(oracle_images={"test": 0.75}, pooled=[score], settings={"field": "organ"})
    return StudyResult(
        study_id="a" * 64, title="Played", label="COMPLETE", simulated=True, created="2026-11-23", software="x", lock={}, simulation=truth
    )


def test_seeds_are_compared_until_the_time_is_spent(tmp_path: Path) -> None:
    times = iter(range(0, 1000, 50))
    told: list[str] = []
    found = compare_phantom(
        tmp_path,
        "demo",
        range(1, 9),
        200,
        told.append,
        study=lambda _out, _preset, seed: played(0.7 + 0.002 * seed),
        clock=lambda: next(times),
    )
    assert 1 <= len(found.outcomes) < 8
    assert "time is spent" in told[-1]
    assert found.mean[0] == pytest.approx(sum(-0.002 * one.seed for one in found.outcomes) / len(found.outcomes))
    page, rows = write_phantom(found, tmp_path)
    html = page.read_text()
    assert "SIMULATED PATIENTS" in html and "0.998" in html
    assert len(rows.read_text().splitlines()) == 1 + len(found.outcomes)


def test_a_seed_without_a_network_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    found = compare_phantom(tmp_path, "demo", [1], 100, told.append, study=lambda *_: played(None))
    assert found.mean is None
    assert "no network" in told[0]
    assert "No seed was finished" in write_phantom(found, tmp_path)[0].read_text()
