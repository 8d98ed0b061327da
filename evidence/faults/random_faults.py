"""Evidence: random faults, drawn by a seed, on a loopback federation: `python -m evidence.faults.random_faults --seeds 1-40`.

A play draws one to three faults, each of a role (a hospital's program or its working process, SuperLink, gateway, the
coordinator's program), an action (kill, stop for some seconds, end politely) and a moment (a round of training and up to two
seconds in it). What was ended is started again as the pages say; a run that ended is gone on with by the command that its screen
named. A play is good when the study ends COMPLETE with the undisturbed weights.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from evidence.faults.faulty_federation import SMOKE, Form, Stage, StageRun
from evidence.faults.observed_fault import commands
from evidence.record import record

ROLES: Final = ("hospital", "working process", "SuperLink", "gateway", "coordinator")
ACTIONS: Final = ("killed", "stopped for a while", "ended")
MOST_FAULTS: Final = 3
MOST_RESUMES: Final = 6
STUDY_SEED: Final = 7
COVERS: Final = ["evidence/faults/random_faults.py", "client/program", "server/link", "server/asking", "server/watch/office_run.py"]


@dataclass(frozen=True)
class RandomFault:
    """One fault: who, what, after how many rounds and how many seconds more, and for how long."""

    role: str
    action: str
    hospital: int
    after_round: int
    seconds_later: float
    lasting_s: float


@dataclass(frozen=True)
class RandomPlay:
    """A seed's faults and how the study ended; `commands` are those that screens named and that were used."""

    seed: int
    faults: tuple[str, ...]
    resumes: int
    commands: tuple[str, ...]
    label: str
    weights_equal: bool
    seconds: float


def drawn(seed: int, rounds: int, hospitals: int) -> list[RandomFault]:
    """The faults of a seed, in the order of their moments."""
    chance = random.Random(seed)  # noqa: S311 - a play, no secret
    found = [
        RandomFault(
            role=chance.choice(ROLES),
            action=chance.choice(ACTIONS),
            hospital=chance.randrange(hospitals),
            after_round=chance.randrange(1, rounds),
            seconds_later=round(chance.uniform(0.0, 2.0), 2),
            lasting_s=round(chance.uniform(1.0, 6.0), 1),
        )
        for _ in range(chance.randint(1, MOST_FAULTS))
    ]
    return sorted(found, key=lambda one: (one.after_round, one.seconds_later))


class Player:
    """Plays one seed on a stage that was set back to the undisturbed run's first round."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.seed = stage, seed
        self.run: StageRun = stage.begin()
        self.resumes = 0
        self.used: list[str] = []

    def play(self) -> RandomPlay:
        """All faults, then to the end."""
        began = time.monotonic()
        faults = drawn(self.seed, self.stage.form.rounds, len(self.stage.names))
        for fault in faults:
            self._moment(fault)
            self._strike(fault)
        while self.run.wait() != 0 and self.resumes < MOST_RESUMES:
            self._go_on()
        result = self.stage.result()
        return RandomPlay(
            seed=self.seed,
            faults=tuple(f"{one.role} {one.action} in round {one.after_round + 1}" for one in faults),
            resumes=self.resumes,
            commands=tuple(dict.fromkeys(self.used)),
            label=result.label if result is not None else "NONE",
            weights_equal=result is not None and result.weights == self.stage.weights,
            seconds=round(time.monotonic() - began, 1),
        )

    def _moment(self, fault: RandomFault) -> None:
        self.stage.until(lambda: self.stage.next_round() >= fault.after_round or self.run.process.poll() is not None, limit_s=300.0)
        time.sleep(fault.seconds_later)

    def _go_on(self) -> None:
        """Use the command that the ended program named; a killed one said nothing, and `status` names resuming."""
        printed = commands(self.run.output)
        self.used.append(printed or "fedhcc-coordinator resume STUDY")
        self.resumes += 1
        self.run = self.stage.begin("resume")

    def _strike(self, fault: RandomFault) -> None:
        if fault.role == "coordinator":
            self._strike_coordinator(fault)
        elif fault.role in ("hospital", "working process"):
            self._strike_hospital(fault)
        else:
            gateway = self.stage.federation.gateway
            child = gateway.superlink if fault.role == "SuperLink" else gateway.nginx
            if fault.action == "stopped for a while" and child.process is not None:
                self._stop(child.process.send_signal, fault)
                return
            child.kill() if fault.action == "killed" else child.stop()
            time.sleep(fault.lasting_s)
            child.start()

    def _stop(self, send: Callable[[signal.Signals], object], fault: RandomFault) -> None:
        send(signal.SIGSTOP)
        time.sleep(fault.lasting_s)
        send(signal.SIGCONT)

    def _strike_coordinator(self, fault: RandomFault) -> None:
        process = self.run.process
        if process.poll() is not None:
            return
        if fault.action == "stopped for a while":
            self._stop(process.send_signal, fault)
            return
        process.send_signal(signal.SIGKILL if fault.action == "killed" else signal.SIGTERM)
        if self.run.wait() != 0:
            self._go_on()

    def _strike_hospital(self, fault: RandomFault) -> None:
        name = self.stage.names[fault.hospital]
        site = self.stage.federation.sites[name]
        process = site.process
        if process is None or process.poll() is not None:
            return
        if fault.role == "working process":
            self._strike_worker(fault, process.pid)
            return
        if fault.action == "stopped for a while":
            self._stop(process.send_signal, fault)
            return
        site.kill() if fault.action == "killed" else site.stop()
        time.sleep(fault.lasting_s)
        self.stage.restart_site(name)

    def _strike_worker(self, fault: RandomFault, parent: int) -> None:
        number = _worker(parent)
        if number is None:
            return

        def send(what: signal.Signals) -> None:
            try:
                os.kill(number, what)
            except ProcessLookupError:
                return

        if fault.action == "stopped for a while":
            self._stop(send, fault)
        else:
            send(signal.SIGKILL if fault.action == "killed" else signal.SIGTERM)


def _worker(parent: int) -> int | None:
    """The working process of a hospital's program: its largest child."""
    found: list[tuple[int, int]] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append((int(fields[21]), int(path.parent.name)))
    return max(found)[1] if found else None


def seeds_of(text: str) -> list[int]:
    """`1-40` or `3,5,8` as numbers.

    >>> seeds_of("1-3,9")
    [1, 2, 3, 9]
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def main() -> None:
    """Play and record after every play, so that a run that is cut short keeps what it saw."""
    parser = argparse.ArgumentParser(description="Play random faults on a loopback federation.")
    parser.add_argument("--seeds", default="1-40", help="for example 1-40 or 3,5,8")
    parser.add_argument("--rounds", type=int, default=8)
    chosen = parser.parse_args()
    form = Form(rounds=chosen.rounds, deadline_s=240.0, hasty=SMOKE.hasty)
    plays: list[RandomPlay] = []
    with tempfile.TemporaryDirectory(prefix="fedhcc-random-") as folder:
        stage = Stage(Path(folder), form, STUDY_SEED)
        stage.federation.start()
        try:
            undisturbed = stage.undisturbed()
            for seed in seeds_of(chosen.seeds):
                stage.set_back()
                plays.append(Player(stage, seed).play())
                sys.stderr.write(f"{plays[-1]}\n")
                good = sum(one.label == "COMPLETE" and one.weights_equal for one in plays)
                figures = {
                    "undisturbed_s": round(undisturbed, 1),
                    "played": len(plays),
                    "complete_with_equal_weights": good,
                    "all_good": good == len(plays),
                    "plays": {str(one.seed): asdict(one) for one in plays},
                }
                command = f"python -m evidence.faults.random_faults --seeds {chosen.seeds}"
                record("random_faults", covers=COVERS, figures=figures, seeds=[one.seed for one in plays], command=command)
        finally:
            stage.close()


if __name__ == "__main__":
    main()
