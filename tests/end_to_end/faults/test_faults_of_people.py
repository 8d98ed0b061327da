"""A wrong clock, kit, lock and version, an identity used twice, an answer that comes too late: the study comes through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evidence.faults.faulty_federation import Stage
from tests.end_to_end.faults.fault_play import LIMIT_S, PEOPLE, play, small_stage

pytest.importorskip("grpc_health")
pytestmark = pytest.mark.timeout(LIMIT_S)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with small_stage(tmp_path_factory.mktemp("people")) as found:
        yield found


@pytest.mark.parametrize("name", PEOPLE)
def test_a_study_survives(stage: Stage, name: str) -> None:
    play(stage, name)
