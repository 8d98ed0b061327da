"""One play of the thirty days: the study from admission to report, with what a person at the office does when the screen asks for it.

The calm play has the same patients and hospitals leave before the same rounds, nobody else away and no disk lost; its numbers have to
be the same: weights and patient flow to the last bit, what was opened on shares within two units of its own grid.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from math import inf
from pathlib import Path

from client.app import forget_agents
from evidence.opened_units import StudyNumbers, units_apart
from evidence.thirty_days.calendar import BEGIN, DAY_S, World
from evidence.thirty_days.thirty_days_office import STARTS, UPDATE, Days, DiskLost, Happenings, PlayClock
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import asks, history
from server.departure.leave_study import departure, leave
from server.published_studies import goes_on_as
from server.study.resume_state import StudyFolder
from server.study.run_study import run_study
from server.study.study_results import LedgerEntry, StudyResult
from server.watch import study_status
from server.watch.office_backup import restore, write
from shared_model.secure_sum.federation_messages import Message
from simulations.study.site_folders import Homes
from site_config.problems import federation, privacy
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock

PHASES = ("admission", "clinical", "training", "fusion", "evaluation")
AFTER_TRAINING = PHASES[3:]
MOST_STEPS = 12
"""More commands than this and the play is given up: the study would not end."""


@dataclass
class Story:
    """How a play went: what a person typed and on which day, the last study's result, and what its ledgers say."""

    commands: list[tuple[float, str]] = field(default_factory=list)
    result: StudyResult | None = None
    days: float = 0.0
    ledger: list[tuple[float, LedgerEntry]] = field(default_factory=list)
    leavings: list[tuple[str, ...]] = field(default_factory=list)
    first: int = 0
    """Entries of the ledger that are of the first study."""
    numbers: StudyNumbers | None = None
    """What the last study told, and what it opened on shares."""

    def units_apart(self, other: Story) -> tuple[int, str]:
        """By how many units of its own grid a number opened on shares differs at most, and which; -1 where other numbers were opened."""
        if self.numbers is None or other.numbers is None:
            return -1, "other results"
        return units_apart(self.numbers.opened, other.numbers.opened)

    def other_than(self, calm: Story) -> list[str]:
        """What is not the same as in the calm play; empty where all is."""
        if self.numbers is None or calm.numbers is None:
            return ["no end"]
        return self.numbers.other_than(calm.numbers)


@dataclass(frozen=True)
class Script:
    """What a calm play follows: hospital → first round without it or its patient, who was left out at each stall, and where that was.

    A study that is resumed asks everybody at admission, so one whose office was put back may stall in the middle of its rounds:
    `last_round` is the last one before the stall. `phase` is the one in which it stalled, training where it was not after it.
    """

    leaves_at: Mapping[str, int]
    leavings: tuple[tuple[str, ...], ...]
    last_round: int
    phase: str = "training"

    def stalls(self, phase: str, round: int | None) -> bool:
        """Whether the followed play had stalled before it asked this."""
        if phase in AFTER_TRAINING:
            return PHASES.index(phase) >= PHASES.index(self.phase)
        return round is not None and round > self.last_round


class LeaveNow(Exception):
    """In the calm play: the play that it follows stalled here."""


def play(world: World, homes: Homes, lock: StudyLock, backups: Path, script: Script | None = None) -> Story:
    """Run the study to its end, with what a person types on the way."""
    clock, story = PlayClock(), Story()
    study, home = lock.study_id, homes.coordinator
    happenings = Happenings(world, clock, homes, backup=partial(_backup, home, backups))
    heard = partial(_due, happenings, script, story)
    days = Days(happenings, heard)
    while story.result is None and len(story.commands) < MOST_STEPS:
        effects = Effects(clock.monotonic, clock.sleep, now=clock.moment)
        try:
            story.result = run_study(home, study, days, effects=effects)
        except DiskLost:
            forget_agents()
            shutil.rmtree(home)
            clock.sleep(4 * 3600.0)
            restore(backups / "office.tar.gz", home)
            study = goes_on_as(home, lock.study_id)
            story.commands += [(clock.now / DAY_S, "restore office.tar.gz"), (clock.now / DAY_S, f"resume {study[:12]}")]
        except (Problem, LeaveNow) as problem:
            if isinstance(problem, Problem) and problem.kind not in (federation.STUDY_STALLED, privacy.ROWS_WAIT):
                raise
            clock.now = (clock.now // DAY_S + 1) * DAY_S + 8 * 3600.0  # somebody looks at the screen in the morning
            here = {entry.name for entry in StudyFolder(home / "studies" / study).signed_lock().lock.roster}
            out = tuple(name for name in sorted(world.gone) if world.gone[name] <= clock.now and name in here)
            if script is not None:
                out = script.leavings[len(story.leavings)]
                _all_leave(happenings, out)
            story.leavings.append(out)
            found = departure(home, study, out)
            leave(home, study, found)
            story.ledger += _dated(home, study)
            story.first = story.first or len(story.ledger)
            study = found.lock.study_id
            words = "".join(f" --without {name}" for name in out)
            story.commands.append((clock.now / DAY_S, f"leave{words} --run"))
    story.days = clock.now / DAY_S
    story.ledger += _dated(home, study)
    if story.result is not None:
        story.numbers = StudyNumbers.of(story.result, study_status.folder_of(home, study))
    forget_agents()
    return story


def _backup(home: Path, backups: Path) -> None:
    write(home, backups / "office.tar.gz")


def _all_leave(happenings: Happenings, gone: tuple[str, ...]) -> None:
    """In the calm play: who has not left by the stall leaves now."""
    for site in (*gone, *happenings.world.withdrawals):
        happenings.world.happens(site, happenings.clock.now)
    happenings.look()


def _due(happenings: Happenings, script: Script | None, story: Story, requests: Mapping[str, Message]) -> None:
    """What happens because this is asked now; in the calm play who leaves before this round leaves now."""
    world, now = happenings.world, happenings.clock.now
    asked = _asked(requests)
    if asked is None:
        return
    phase, number = asked
    if script is None:
        if number is not None:
            world.asked(number, now)
        return
    if story.leavings:
        return
    if script.leavings and script.stalls(phase, number):
        raise LeaveNow
    for site, round in script.leaves_at.items():
        if site in requests and number is not None and number >= round:
            world.happens(site, now)


def _asked(requests: Mapping[str, Message]) -> tuple[str, int | None] | None:
    """Phase of a question, and round of training; None for what belongs to no phase."""
    first = next(iter(requests.values()), None)
    body = first.body if first is not None else {}
    context = body.get("context")
    bound = context if isinstance(context, dict) else body
    phase, statistic = bound.get("phase"), bound.get("statistic")
    if phase not in PHASES:
        return None
    return str(phase), turn(str(statistic), int(str(bound["round"]))) if statistic in (UPDATE, *STARTS) else None


def turn(statistic: str, round: int) -> int:
    """The round in which a question is asked; what a block is asked before its first is of round -1."""
    return -1 if statistic in STARTS else round


def calm(world: World) -> World:
    """The same without hours, outages and lost disks; who leaves is told by `leaves_at` while it runs."""
    gone, withdrawals = dict.fromkeys(world.gone, inf), dict.fromkeys(world.withdrawals, inf)
    return replace(world, calm=True, gone=gone, withdrawals=withdrawals, due={}, disk_lost=inf)


def script_of(story: Story, lock: StudyLock, world: World) -> Script:
    """What the calm play of a story follows."""
    first = [entry for _, entry in story.ledger[: story.first or None]]
    rounds = [entry for entry in first if entry.statistic in (UPDATE, *STARTS)]
    found = dict.fromkeys((*world.gone, *world.withdrawals), lock.study.training.rounds)
    for entry in rounds:
        if entry.outcome in ("missed", "refused"):
            for site in entry.missing.keys() & found.keys():
                found[site] = min(found[site], turn(entry.statistic, entry.round))
    last = max((turn(entry.statistic, entry.round) for entry in rounds), default=-1)
    stalled = "training"
    for entry in first if story.leavings else ():
        stalled = entry.phase if entry.phase in AFTER_TRAINING else stalled
    return Script(found, tuple(story.leavings), last, stalled)


def _dated(home: Path, study: str) -> list[tuple[float, LedgerEntry]]:
    entries = asks(history(study_status.folder_of(home, study) / "ledger.jsonl"))
    return [((datetime.fromisoformat(entry.time) - BEGIN).total_seconds() / DAY_S, entry) for entry in entries]
