"""The stage on which faults are played: a tiny study on phantoms, a loopback federation, a coordinator's process.

Every fault is played on the same study: before each, what the coordinator kept of the last run is put aside (but the
count of its starts, so that no attempt's number comes twice), and the final weights are compared with the undisturbed run's.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from client.enrol import join
from server import enrol
from server.gateway import environment
from server.participation import Ledger
from server.results import LedgerEntry, StudyResult
from server.watch import folder_of
from simulations.engines.loopback import ONE_THREAD, Loopback, SiteProcess, loopback_address
from simulations.faults.forwarder import Forwarder
from simulations.home import Homes
from simulations.run import Options, make_cohort, ready
from site_config.documents import dump_yaml, load_study
from site_config.files import read_json, write_atomic
from site_config.identity import CoordinatorIdentity, private_folder, sign_kit

ROUNDS = 4
DEADLINE_S = 150.0
POLL_S = 0.05
RUN_LIMIT_S = 900.0


@dataclass
class Run:
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

    def said(self, what: str) -> bool:
        """Whether its output holds a text."""
        return what in self.log.read_text(errors="replace")


class Stage:
    """The study, the federation and the coordinator's process."""

    def __init__(self, root: Path, rounds: int = ROUNDS, deadline_s: float = DEADLINE_S, seed: int = 7, whole: bool = False) -> None:
        self._program = "server.cli" if whole else "simulations.faults.short"
        self.homes = Homes(root)
        options = Options(root, preset="tiny", seed=seed, pooled=False)
        make_cohort(options, self.homes, lambda _event: None)
        self._configure(rounds, deadline_s)
        self.lock = ready(options, self.homes, lambda _event: None)
        address, superlink = loopback_address()
        enrol.readdress(self.homes.coordinator, address, listen=address, superlink_port=superlink)
        self.names = [entry.name for entry in self.lock.roster]
        self.victim = self.lock.names("development")[0]
        self.forwarder = Forwarder(int(address.rpartition(":")[2]))
        for name in self.names:
            self.give_kit(name, self.forwarder.port if name == self.victim else None)
        self.federation = Loopback(self.homes.coordinator, self.homes.sites())
        self.weights: dict[str, str] = {}
        self._runs = 0

    def _configure(self, rounds: int, deadline_s: float) -> None:
        path = self.homes.cohort / "study.yaml"
        study = load_study(path)
        phases = ("admission", "clinical", "training", "fusion", "evaluation")
        changed = study.model_copy(
            update={
                "models": ("Rad-D",),
                "training": study.training.model_copy(update={"rounds": rounds}),
                "blocks": study.blocks.model_copy(update={"minimum_sites": 4}),
                "deadlines": study.deadlines.model_copy(update=dict.fromkeys(phases, deadline_s)),
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

    @property
    def folder(self) -> Path:
        """The run folder at the coordinator."""
        return folder_of(self.homes.coordinator, self.lock.study_id)

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """The participation ledger so far."""
        return Ledger(self.folder / "ledger.jsonl").entries

    def opened_rounds(self) -> int:
        """Training rounds opened so far."""
        return sum(
            entry.phase == "training" and entry.outcome == "opened" and entry.statistic == "training.update" for entry in self.ledger()
        )

    def put_aside(self) -> None:
        """A fresh run of the same study; the count of starts goes on."""
        if not self.folder.exists():
            return
        epoch = read_json(self.folder / "epoch.json") if (self.folder / "epoch.json").exists() else None
        self._runs += 1
        self.folder.rename(self.folder.with_name(f"run.{self._runs}"))
        if epoch is not None:
            write_atomic(private_folder(self.folder) / "epoch.json", json.dumps(epoch).encode())

    def begin(self, wait_s: float = 30.0) -> Run:
        """Start `fedhcc-coordinator run` as a process."""
        log = private_folder(self.homes.coordinator / "logs") / "run.log"
        log.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            self._program,
            "run",
            self.lock.study_id,
            "--home",
            str(self.homes.coordinator),
            "--wait",
            str(wait_s),
        ]
        with log.open("ab") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment(ONE_THREAD))  # noqa: S603
        return Run(process, log)

    def until(self, happened: Callable[[], bool], run: Run | None = None, limit_s: float = RUN_LIMIT_S) -> float:
        """Wait for something, at most until `run` ends; the seconds waited, infinity when it did not happen."""
        began = time.monotonic()
        while not happened():
            if time.monotonic() - began > limit_s or (run is not None and run.process.poll() is not None):
                return float("inf")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def until_round(self, run: Run, rounds: int) -> None:
        """Wait until so many rounds of training are opened."""
        self.until(lambda: self.opened_rounds() >= rounds, run)

    def result(self) -> StudyResult | None:
        """The finished study's result."""
        path = self.folder / "result.json"
        return StudyResult.model_validate_json(path.read_bytes()) if path.exists() else None

    def restart_site(self, name: str | None = None) -> None:
        """Start a site again and wait until it is registered."""
        chosen = name or self.victim
        self.federation.sites[chosen].start()
        self.federation.wait_registered([chosen])

    def undisturbed(self) -> float:
        """The run everything is compared with; its seconds."""
        self.put_aside()
        run = self.begin()
        status = run.wait()
        found = self.result()
        if status != 0 or found is None:
            raise RuntimeError(f"the undisturbed run ended with status {status}")
        self.weights = dict(found.weights)
        return time.monotonic() - run.began

    def close(self) -> None:
        """Stop everything."""
        self.federation.stop()
        self.forwarder.close()
