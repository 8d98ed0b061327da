"""The stage on which faults are played: a tiny study on phantoms, a loopback federation, a coordinator's process.

Every fault is played on the same study and from the same point: what the coordinator had on disk after the first round of
the undisturbed run (with the count of its starts as it is, so that no attempt's number comes twice). The final weights are
compared with the undisturbed run's.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from client.keys_kit_and_decisions import join
from client.program.control_service import ControlClient, Status
from evidence.faults.forwarder import Forwarder
from server import hospital_register as enrol
from server import office_setup
from server.link.child_process import environment
from server.study.resume_state import next_round_of
from server.study.study_results import LedgerEntry, StudyResult
from server.watch.study_status import FLOWER_RUN, folder_of, ledger_of
from simulations.engines.loopback_engine import ONE_THREAD, Loopback, SiteProcess, loopback_address
from simulations.study.simulated_study import Options, make_cohort, ready
from simulations.study.site_folders import Homes
from site_config.atomic_files import write_atomic
from site_config.documents.read_yaml_documents import dump_yaml, load_study
from site_config.keys_and_signatures import CoordinatorIdentity, private_folder, sign_kit
from site_config.problems import federation
from site_config.problems.base import Problem

POLL_S = 0.05
RUN_LIMIT_S = 900.0
PHASES = ("admission", "clinical", "training", "fusion", "evaluation")


@dataclass(frozen=True)
class Form:
    """How long everything is: rounds of training and seconds of a phase's deadline, of a cut network, of a process that is down.

    With `hasty` sites give up a refused key earlier than a hospital's program does, so that a test need not wait. Heartbeats
    are every 10 seconds in both forms: Flower takes no shorter ones, and a site counts as gone after two.
    """

    rounds: int = 4
    deadline_s: float = 240.0
    cut_s: float = 90.0
    down_s: float = 5.0
    hasty: bool = False


EVIDENCE = Form()
SMOKE = Form(rounds=3, deadline_s=60.0, cut_s=24.0, down_s=3.0, hasty=True)


@dataclass
class StageRun:
    """One process of the coordinator and how it ended."""

    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.monotonic)

    def wait(self, limit_s: float = RUN_LIMIT_S) -> int:
        """The exit status; -9 when it had to be ended."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return -int(signal.SIGKILL)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    @property
    def output(self) -> str:
        """What it printed."""
        return self.log.read_text(errors="replace")

    def said(self, what: str) -> bool:
        """Whether its output holds a text."""
        return what in self.output


def status_of(site: SiteProcess) -> Status:
    """What a site's program says of itself; `stopped` where none runs."""
    client = ControlClient(site.state)
    try:
        return client.call("Status")
    except Problem:
        return Status(site.name, "stopped")
    finally:
        client.close()


class Stage:
    """The study, the federation and the coordinator's process."""

    def __init__(self, root: Path, form: Form = EVIDENCE, seed: int = 7, whole: bool = False) -> None:
        self._program = "server.cli" if whole else "evidence.faults.ends_after_training"
        self.form = form
        self.homes = Homes(root)
        options = Options(root, preset="tiny", seed=seed, pooled=False)
        make_cohort(options, self.homes, lambda _event: None)
        self._configure()
        self.lock = ready(options, self.homes, lambda _event: None)
        address, superlink = loopback_address()
        office_setup.readdress(self.homes.coordinator, address, listen=address, superlink_port=superlink)
        self.names = [entry.name for entry in self.lock.roster]
        self.victim = self.lock.names("development")[0]
        self.forwarder = Forwarder(int(address.rpartition(":")[2]))
        for name in self.names:
            self.give_kit(name, self.forwarder.port if name == self.victim else None)
        self.federation = Loopback(self.homes.coordinator, self.homes.sites())
        self.federation.sites = {name: self.program(name) for name in self.names}
        self.weights: dict[str, str] = {}

    def program(self, name: str, wrong: str = "", home: Path | None = None) -> SiteProcess:
        """A site's program as this stage runs it; `wrong` names what is wrong with it (see `odd_site`)."""
        folder = home or self.homes.site(name)
        odd = [word for word in ("hasty" if self.form.hasty else "", wrong) if word]
        command = [sys.executable, "-P", "-m", "evidence.faults.misbehaving_site", ",".join(odd), "run", "--home", str(folder)]
        return SiteProcess(name, folder, command if odd else None)

    def _configure(self) -> None:
        path = self.homes.cohort / "study.yaml"
        study = load_study(path)
        changed = study.model_copy(
            update={
                "models": ("Rad-D",),
                "training": study.training.model_copy(update={"rounds": self.form.rounds}),
                "blocks": study.blocks.model_copy(update={"minimum_sites": 4}),
                "deadlines": study.deadlines.model_copy(update=dict.fromkeys(PHASES, self.form.deadline_s)),
            }
        )
        write_atomic(path, dump_yaml(changed).encode(), 0o644)

    def give_kit(self, name: str, port: int | None = None) -> None:
        """Join a site with its kit; with `port`, at another port of this machine."""
        kit = enrol.kit(self.homes.coordinator, name)
        if port is not None:
            kit = sign_kit(kit.model_copy(update={"address": f"127.0.0.1:{port}"}), CoordinatorIdentity.load(self.homes.coordinator))
        join(self.homes.config(name).state, kit.model_dump_json().encode())

    @property
    def site(self) -> SiteProcess:
        """The site that suffers."""
        return self.federation.sites[self.victim]

    def processes(self) -> list[int]:
        """The numbers of the suffering site's processes: its program and its working process."""
        group = self.site.process.pid if self.site.process is not None else 0
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # a process may end meanwhile
                if int(path.read_text().rpartition(")")[2].split()[2]) == group:
                    found.append(int(path.parent.name))
        return found

    @property
    def folder(self) -> Path:
        """The run folder at the coordinator."""
        return folder_of(self.homes.coordinator, self.lock.study_id)

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """The participation ledger so far."""
        return ledger_of(self.homes.coordinator, self.lock.study_id)

    @property
    def first_round(self) -> Path:
        """What the coordinator had on disk after the first round of the undisturbed run."""
        return self.folder.with_name("run.first")

    def next_round(self) -> int:
        """The round of training that is asked next, from 0; 0 before training."""
        path = self.folder / "training" / "Rad-D.safetensors"
        return next_round_of(path) if path.exists() else 0

    def set_back(self) -> None:
        """The coordinator's folder as it was after the first round; the count of Flower's runs goes on."""
        kept = (self.folder / FLOWER_RUN).read_bytes()
        shutil.rmtree(self.folder)
        shutil.copytree(self.first_round, self.folder)
        write_atomic(self.folder / FLOWER_RUN, kept)

    def begin(self, command: Literal["run", "resume"] = "run", wait_s: float = 30.0) -> StageRun:
        """Start `fedhcc-coordinator run` or `resume` as a process."""
        log = private_folder(self.homes.coordinator / "logs") / f"{command}.log"
        log.unlink(missing_ok=True)
        words = [sys.executable, "-P", "-m", self._program, command, self.lock.study_id, "--home", str(self.homes.coordinator)]
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603
                [*words, "--wait", str(wait_s)],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment(ONE_THREAD),
            )
        return StageRun(process, log)

    def until(self, happened: Callable[[], bool], run: StageRun | None = None, limit_s: float = RUN_LIMIT_S) -> float:
        """Wait for something, at most until `run` ends; the seconds waited, infinity when it did not happen."""
        began = time.monotonic()
        while not happened():
            if time.monotonic() - began > limit_s or (run is not None and run.process.poll() is not None):
                return float("inf")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def until_round(self, run: StageRun, rounds: int) -> None:
        """Wait until so many rounds of training are finished."""
        self.until(lambda: self.next_round() >= rounds, run)

    def until_training(self, run: StageRun) -> None:
        """Wait until the suffering site works on the second round of training, in the longer form on the third."""
        self.until_round(run, min(2, self.form.rounds - 2))
        self.until(lambda: run.said(f"admission {len(self.names)}/{len(self.names)}"), run)
        self.until(lambda: bool(self.status().working), run, 30)

    def status(self) -> Status:
        """What the suffering site's program says of itself; `stopped` where none runs."""
        return status_of(self.site)

    def result(self) -> StudyResult | None:
        """The finished study's result."""
        path = self.folder / "result.json"
        return StudyResult.model_validate_json(path.read_bytes()) if path.exists() else None

    def exchange_site(self, wrong: str = "") -> None:
        """The suffering site's program with something wrong with it, or again as it should be."""
        self.site.stop()
        self.federation.sites[self.victim] = self.program(self.victim, wrong)
        self.restart_site()

    def restart_site(self, name: str | None = None) -> None:
        """Start a site again and wait until it is registered."""
        chosen = name or self.victim
        self.federation.sites[chosen].start()
        self.federation.wait_registered([chosen])

    def undisturbed(self) -> float:
        """The run everything is compared with, and the point the others start from; its seconds."""
        if self.folder.exists():
            self.folder.rename(self.folder.with_name(f"run.{time.time_ns()}"))
        shutil.rmtree(self.first_round, ignore_errors=True)
        run = self.begin()
        self.until_round(run, 1)
        shutil.copytree(self.folder, self.first_round)
        write_atomic(self.first_round / "ended", federation.STUDY_STOPPED.label.encode())
        status = run.wait()
        found = self.result()
        if status != 0 or found is None:
            raise RuntimeError(f"the undisturbed run ended with status {status}: {run.output[-2000:]}")
        self.weights = dict(found.weights)
        return time.monotonic() - run.began

    def close(self) -> None:
        """Stop everything."""
        self.federation.stop()
        self.forwarder.close()
