"""Set before anything heavy is imported: one thread a process, no telemetry, hypothesis that repeats itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ[_name] = "1"
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("FEDHCC_DEBUG", None)

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from site_config import console  # noqa: E402
from tests.running.files_in_memory import choose  # noqa: E402
from tests.running.longest_files_first import known, place, worker_scope  # noqa: E402
from tests.support import shared_data as find_shared_data  # noqa: E402

settings.register_profile(
    "fedhcc",
    derandomize=True,
    deadline=None,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fedhcc")


def pytest_configure(config: pytest.Config) -> None:
    """Before pytest itself looks for a place."""
    choose(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the longest files first (`make test` asks xdist to keep this order)."""
    seconds = known()
    items.sort(key=lambda item: place(item.path.relative_to(config.rootpath).as_posix(), seconds))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, files that look at the same finished studies are one file."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByWorkerScope(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return worker_scope(nodeid)

    return ByWorkerScope(config, log)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real test data; a test that needs it is skipped, with the reason tests/allowed_skips.txt lists, where it is absent."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip("real CT scans are not here: their licences keep them out of the repository; FEDHCC_TEST_DATA names their folder")
    return folder


@pytest.fixture(autouse=True)
def nothing_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command of an earlier test in this process lends its `--home` to what this one prints."""
    monkeypatch.setattr(console, "_typed", None)
