"""The coordinator's process killed at counted moments of every phase on shares, and started again until the study ends.

`python -m evidence.accuracy.shares.killed_office` writes docs/evidence/killed_office.json. A child process runs office and hospitals and
ends itself by SIGKILL at the n-th exchange of a kind, before the hospitals hear of it or after they have answered; the next child
goes on from what is on disk. So all hospitals die too, holders among them. The last child's fit is held against pooled rows
(statsmodels), and every holder's journal against an undisturbed run of the same study: the same names and numbers, none opened twice.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from statsmodels.duration.hazard_regression import PHReg

from client.app import forget_agents
from client.cohort.prepared_cohort import load_patients
from client.statistics.study_patients import Bench, columns
from evidence.accuracy.shares.opened_numbers import Openings
from evidence.record import record
from server.asking.clocks_and_waiting import Effects
from server.link.transport import Exchange, Transport
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from shared_model.secure_sum.federation_messages import Message
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.atomic_files import read_json, write_json
from site_config.study.plan_and_lock import StudyLock

SEED: Final = 3
PHASES: Final = ("clinical", "fusion", "evaluation")
PLAYED: Final = (
    ("holder", 1, True),
    ("rows", 1, False),
    ("rows", 1, True),
    ("hold", 1, True),
    ("hold", 2, False),
    ("hold", 25, True),
    ("hold", 60, False),
)
"""Kind of message, its number, and whether the hospitals had answered; four of them cost an attempt, of which a phase has six."""

COVERS: Final = ("server/asking/ask_on_shares.py", "client/holder", "shared_model/shares", "evidence/opened_units.py")


@dataclass(frozen=True)
class DeathMoment:
    """The n-th exchange of a kind in a phase; after: the hospitals have answered, and the office has not heard it."""

    phase: str
    kind: str
    n: int
    after: bool

    def __str__(self) -> str:
        return f"{self.phase}, {self.kind} {self.n}, {'after' if self.after else 'before'} the answers"


MOMENTS: Final = tuple(
    DeathMoment(phase, *one)
    for phase in PHASES
    for one in PLAYED
    if phase != "fusion" or one[1] < 60  # its fits end before
)


class OfficeTransport:
    """A transport that calls `end` at one moment, if it comes."""

    def __init__(self, inner: Transport, moment: DeathMoment | None, end: Any) -> None:
        self.inner, self.moment, self.end, self.seen = inner, moment, end, 0

    def sites(self) -> Mapping[str, bool]:
        """As it is."""
        return self.inner.sites()

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """As it is, but for the one moment."""
        one = next(iter(requests.values()), None)
        moment = self.moment
        now = moment is not None and one is not None and one.kind == moment.kind and one.body.get("phase") == moment.phase
        self.seen += now
        due = moment is not None and now and self.seen == moment.n
        if moment is not None and due and not moment.after:
            self.end(moment)
        done = self.inner.exchange(requests, deadline_s)
        if moment is not None and due and moment.after:
            self.end(moment)
        return done


def small_study(root: Path) -> tuple[Homes, StudyLock]:
    """The clinical model alone over 8 + 2 hospitals, enrolled, published and approved."""
    base = PRESETS["clinical-only"]
    survival = replace(base.survival, sites=(8, 2), patients=(90, 20))
    settings = {**base.study, "resolution": "shares", "models": ("CLN",), "privacy": {"demonstration": True}}
    homes = Homes(root)
    make_cohort(replace(base, survival=survival, study=settings), homes.cohort, seed=SEED)
    enrol(homes, SEED)
    lock = publish(homes)
    approve_everywhere(homes, lock)
    return homes, lock


def go_on(homes: Homes, study: str, transport: Transport) -> StudyResult:
    """Run or resume a study in this process."""
    try:
        return run_study(homes.coordinator, study, transport, effects=Effects(time.monotonic, lambda _s: None))
    finally:
        forget_agents()


def pooled(homes: Homes, lock: StudyLock) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Covariates, days and events of all training patients."""
    names = tuple(variable.name for variable in lock.study.clinical)
    parts = []
    for site in lock.names("development"):
        patients = Bench(lock.study, load_patients(homes.config(site), lock.study, lock.study_id, "development")).split("train")
        parts.append((columns(patients, names), patients.event_day, patients.event))
    x, day, event = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return x, day, event


def far_from_pooled(result: StudyResult, homes: Homes, lock: StudyLock) -> tuple[float, float]:
    """Largest error of coefficients and standard errors beside statsmodels' Efron fit of the rows."""
    x, day, event = pooled(homes, lock)
    fit = PHReg(day, x, status=event.astype(int), ties="efron").fit(disp=0)
    assert result.clinical is not None
    gaps = [np.abs(np.array(result.clinical[name]) - known).max() for name, known in (("coef", fit.params), ("se", fit.bse))]
    return float(gaps[0]), float(gaps[1])


def child(root: Path, number: int) -> None:
    """One process: on to the moment of this number, or to the end."""

    def end(_moment: DeathMoment) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    homes = Homes(root)
    study = read_json(root / "study.json")["study"]
    moment = MOMENTS[number] if number < len(MOMENTS) else None
    go_on(homes, study, OfficeTransport(local_transport(homes.sites()), moment, end))


def undisturbed(homes: Homes, lock: StudyLock) -> Openings:
    """What the holders open when nothing happens; the hospitals' folders are as before afterwards."""
    saved = homes.root.with_name(f"{homes.root.name}-saved")
    shutil.copytree(homes.root, saved)
    go_on(homes, lock.study_id, local_transport(homes.sites()))
    known = Openings.of(homes, lock)
    put_back(homes, saved)
    return known


def put_back(homes: Homes, saved: Path) -> None:
    """The folders as they were saved, whose copy stays."""
    shutil.rmtree(homes.root)
    shutil.copytree(saved, homes.root)


def measure(root: Path) -> dict[str, Any]:
    """Every moment in turn, then the end."""
    homes, lock = small_study(root)
    write_json(root / "study.json", {"study": lock.study_id})
    known = undisturbed(homes, lock)
    died: list[str] = []
    for number, moment in enumerate((*MOMENTS, None)):
        done = subprocess.run([sys.executable, "-m", __spec__.name, str(root), str(number)], check=False)  # noqa: S603
        if done.returncode == -signal.SIGKILL:
            died.append(str(moment))
        elif done.returncode:
            raise RuntimeError(f"the child of moment {moment} ended with {done.returncode}")
    result = go_on(homes, lock.study_id, local_transport(homes.sites()))
    beta, se = far_from_pooled(result, homes, lock)
    return {
        "label": result.label,
        "killed at": died,
        "beta": float(f"{beta:.2g}"),
        "se": float(f"{se:.2g}"),
        "beside an undisturbed run": Openings.of(homes, lock).beside(known),
    }


def main() -> None:
    """Measure and record; with a folder and a number, one child."""
    if len(sys.argv) == 3:
        child(Path(sys.argv[1]), int(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory(prefix="fedhcc-killed-") as folder:
        figures = measure(Path(folder) / "study")
    covers = [*COVERS, "evidence/accuracy/shares/killed_office.py"]
    record("killed_office", covers=covers, figures=figures, seeds=[SEED])
    sys.stderr.write(f"{figures}\n")


if __name__ == "__main__":
    main()
