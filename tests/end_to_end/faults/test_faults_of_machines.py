"""What is killed, cut and filled: the study comes through. Two files, so that two processes share the waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evidence.faults.faults_of_machines import PLAYS
from evidence.faults.faulty_federation import Stage
from tests.end_to_end.faults.fault_play import LIMIT_S, MACHINES, WANTED, play, small_stage

pytest.importorskip("grpc_health")
pytestmark = pytest.mark.timeout(LIMIT_S)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with small_stage(tmp_path_factory.mktemp("machines")) as found:
        yield found


def test_every_fault_has_its_expectation() -> None:
    assert set(WANTED) == set(PLAYS)


@pytest.mark.parametrize("name", MACHINES)
def test_a_study_survives(stage: Stage, name: str) -> None:
    play(stage, name)
