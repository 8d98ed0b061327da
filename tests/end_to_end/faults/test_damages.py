"""Damaged files at the office and at hospitals: never COMPLETE with other numbers; always a number with a way back, or harmless."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from client.app import forget_agents
from client.cohort.pseudonyms import patient_key, site_secret
from client.cohort.withdrawal import withdraw
from evidence.faults.damages import spoil
from server.study.repair_folder import repair
from server.study.study_results import StudyResult
from server.watch.study_status import folder_of, result_of, status_of
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes, approve_everywhere
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock
from tests.end_to_end.faults.test_faults_local import go

Make = Callable[..., tuple[Homes, StudyLock]]
DAMAGES = 112
ASKED_BEFORE = 12
"""The study stops after so many asks: what is stored is used, and hospitals are asked again."""


def numbers(result: StudyResult) -> object:
    return result.clinical, result.cutoffs, result.tables, result.pairs, result.characteristics, result.flow


@dataclass
class Scene:
    """A study stopped half-way, kept aside, and what it comes to undisturbed."""

    homes: Homes
    lock: StudyLock
    aside: Path
    undisturbed: object

    def restore(self) -> None:
        forget_agents()
        shutil.rmtree(self.homes.root)
        shutil.copytree(self.aside, self.homes.root)

    def files(self) -> list[Path]:
        """Every file that is the program's own, one hospital's for all, by kind."""
        office = [path for path in self.homes.coordinator.rglob("*") if path.is_file() and "kits" not in path.parts]
        site = self.homes.site(self.lock.names("development")[1])
        own = [path for path in (site / "state").rglob("*") if path.is_file()]
        return sorted(path for path in (*office, *own) if path.suffix != ".lock" and path.name != "superlink.db")

    def run(self) -> StudyResult:
        return go(self.homes, self.lock, local_transport(self.homes.sites()))


@pytest.fixture
def scene(tables: Make, tmp_path: Path) -> Scene:
    homes, lock = tables(sites=(3, 1), patients=(30, 10))
    approve_everywhere(homes, lock)
    site = homes.config(lock.names("development")[1])
    row = site.path(site.paths.cohort).read_text().splitlines()[1]
    withdraw(site.state, site.state / "prepared", patient_key(site_secret(site.state), row.split(",")[0]), ())
    asked = iter(range(1000))
    with pytest.raises(Problem):
        go(homes, lock, local_transport(homes.sites()), lambda: next(asked) > ASKED_BEFORE)
    shutil.copytree(homes.root, tmp_path / "aside")
    undisturbed = numbers(go(homes, lock, local_transport(homes.sites())))
    return Scene(homes, lock, tmp_path / "aside", undisturbed)


def test_no_damage_gives_other_numbers(scene: Scene) -> None:
    random = np.random.default_rng(112)
    bad: list[str] = []
    seen: dict[str, int] = {}
    for number in range(DAMAGES):
        scene.restore()
        files = scene.files()
        path = files[number % len(files)] if number < len(files) else files[random.integers(len(files))]
        what = f"{number}: {path.relative_to(scene.homes.root)} {spoil(path, random)}"
        try:
            result = scene.run()
        except Problem as problem:
            seen[problem.code] = seen.get(problem.code, 0) + 1
            if not (problem.fix and problem.what):
                bad.append(f"{what}: {problem.code} without a way back")
        else:
            seen[result.label] = seen.get(result.label, 0) + 1
            if numbers(result) != scene.undisturbed:
                bad.append(f"{what}: {result.label} with other numbers")
        status_of(scene.homes.coordinator, scene.lock.study_id)
    print(seen)
    assert bad == []


@pytest.mark.parametrize("kind", ["opened", "ledger", "result"])
def test_the_way_back_leads_to_the_same_numbers(scene: Scene, kind: str) -> None:
    scene.restore()
    if kind == "result":
        scene.run()
    root = folder_of(scene.homes.coordinator, scene.lock.study_id)
    path = {"opened": min((root / "opened").glob("*")), "ledger": root / "ledger.jsonl", "result": root / "result.json"}[kind]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))
    with pytest.raises(Problem) as refused:
        _ = result_of(scene.homes.coordinator, scene.lock.study_id) if kind == "result" else scene.run()
    assert refused.value.code == {"opened": "FH-763", "ledger": "FH-762", "result": "FH-763"}[kind]
    assert "repair" in refused.value.fix
    forget_agents()
    assert repair(root) and repair(root) == []
    result = scene.run()
    assert result.label == "COMPLETE" and result.remarks and numbers(result) == scene.undisturbed
    forget_agents()
