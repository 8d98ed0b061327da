"""The same questions on every engine open the same sums, to the last bit; and the project is an app that Flower takes."""

from __future__ import annotations

import contextlib
import io
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.asking.ask_masked_sum import Asker
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.link.transport import Transport
from server.study.resume_state import StudyFolder
from shared_model.secure_sum.federation_messages import AdmissionRequest, Message, OpenedCounts
from shared_model.statistics.statistic_parameters import Covariates, Moments, PreCounts, SplitOnly
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.study.simulated_study import Options, carrier
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.study.flower_app_bundle import app_bundle
from site_config.study.plan_and_lock import StudyLock

pytest.importorskip("grpc_health")
PACKAGES = ("client", "server", "shared_model", "site_config", "simulations", "fedhcc")
ROOT = Path(__file__).resolve().parents[3]
COLUMNS = ("pvtt", "surgery")
Opened = dict[str, bytes]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Homes, StudyLock]:
    """Three hospitals with tables, enrolled, approved and published, never run."""
    base = PRESETS["clinical-only"]
    survival = replace(base.survival, sites=(3, 0), patients=(24, 0))
    homes = Homes(tmp_path_factory.mktemp("engines") / "base")
    make_cohort(
        replace(base, survival=survival, study={**base.study, "resolution": "exact", "privacy": {"demonstration": True}}),
        homes.cohort,
        seed=3,
    )
    enrol(homes, 3)
    lock = publish(homes)
    approve_everywhere(homes, lock)
    return homes, lock


def opened(homes: Homes, lock: StudyLock, transport: Transport) -> Opened:
    """Every value of three statistics, asked under masks."""
    study = StudyFolder(homes.coordinator / "studies" / lock.study_id)
    body = AdmissionRequest(signed=study.signed_lock()).model_dump(mode="json")
    admitted = transport.exchange({entry.name: Message("admission", body) for entry in lock.roster}, 120)
    assert {name: reply.body["accepted"] for name, reply in admitted.replies.items()} == {entry.name: True for entry in lock.roster}
    run = StudyFolder(study.root / "run")
    identity = CoordinatorIdentity.load(homes.coordinator)
    asker = Asker(lock, identity, transport, run, StudyLedger(run.ledger_file), Effects(time.monotonic, time.sleep))
    counts = asker.total("precounts", PreCounts(split="train", columns=COLUMNS), phase="admission", role="development")
    asker.counts["development", 0, "train"] = OpenedCounts(
        sites=int(counts["sites"].sum()), patients=int(counts["patients"].sum()), events=int(counts["events"].sum())
    )
    origin = tuple(0.0 for _ in COLUMNS)
    moments = Moments(split="train", covariates=Covariates(columns=COLUMNS), origin=origin)
    found = {
        "precounts": counts,
        "moments": asker.total("moments", moments, phase="clinical", role="development"),
        "characteristics": asker.total("characteristics", SplitOnly(split="train"), phase="evaluation", role="development"),
    }
    return {f"{name}.{part}": np.asarray(value).tobytes() for name, values in found.items() for part, value in values.items()}


@pytest.fixture(scope="module")
def flower_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as every Flower user has one: its client.py and server.py have the names of our packages."""
    folder = tmp_path_factory.mktemp("flower-app")
    for package in PACKAGES:
        (folder / f"{package}.py").write_text("raise SystemExit('imported from the folder it was started in')\n")
    return folder


@pytest.fixture(scope="module")
def on_engine(study: tuple[Homes, StudyLock], flower_folder: Path) -> Callable[[str], Opened]:
    """What an engine opens, in a copy of the homes: keys and secrets are the same everywhere. It runs in a Flower user's folder."""
    homes, lock = study
    known: dict[str, Opened] = {}

    def run(engine: str) -> Opened:
        if engine not in known:
            copy = Homes(homes.root.with_name(engine))
            shutil.copytree(homes.root, copy.root)
            with contextlib.chdir(flower_folder), carrier(Options(copy.root, engine=engine), copy) as transport:  # type: ignore[arg-type]
                known[engine] = opened(copy, lock, transport)
        return known[engine]

    return run


def test_loopback_opens_what_local_opens(on_engine: Callable[[str], Opened]) -> None:
    local = on_engine("local")
    assert len(local) > 15 and any(any(value) for value in local.values())
    assert on_engine("loopback") == local


def test_ray_opens_what_local_opens(on_engine: Callable[[str], Opened]) -> None:
    pytest.importorskip("ray")
    assert on_engine("ray") == on_engine("local")


def test_the_project_is_a_flower_app_that_ships_no_code() -> None:
    from flwr.cli.build import build_fab_from_disk
    from flwr.cli.config_utils import load_and_validate

    config, warnings = load_and_validate(ROOT / "pyproject.toml")
    assert not warnings and config["tool"]["flwr"]["app"]["components"] == {"serverapp": "server.app:app", "clientapp": "client.app:app"}
    with zipfile.ZipFile(io.BytesIO(build_fab_from_disk(ROOT))) as bundle:
        assert set(bundle.namelist()) == {"pyproject.toml", "LICENSE", ".info/CONTENT"}
    with zipfile.ZipFile(io.BytesIO(app_bundle())) as ours:
        assert not [name for name in ours.namelist() if name.endswith(".py")]
