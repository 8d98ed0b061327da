"""One play of the thirty days: the study from admission to report, with what a person at the office does when the screen asks for it.

The calm play has the same patients and hospitals leave before the same rounds, nobody else away and no disk lost; its numbers have to
be the same: weights and patient flow to the last bit, what was opened on shares within two units of its own grid.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
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
from server.departure.going_on import run_and_go_on
from server.departure.leave_study import Departure, departure, kept_counts, leave
from server.published_studies import goes_on_as
from server.study.resume_state import StudyFolder
from server.study.run_study import run_study
from server.study.study_results import LedgerEntry, StudyResult
from server.watch import study_status
from server.watch.office_backup import restore, write
from shared_model.analyses.phases.admission_plan import SETS
from shared_model.secure_sum.federation_messages import Message
from simulations.study.site_folders import Homes
from site_config.problems import federation, privacy
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock

PHASES = ("admission", "clinical", "training", "fusion", "evaluation")
AFTER_TRAINING = PHASES[3:]
NEVER = -2
"""The round of a study of which no training was asked."""
MOST_STEPS = 12
"""More commands than this and the play is given up: the study would not end."""


@dataclass(frozen=True)
class StudyLeft:
    """One study left for the next: its id, the hospitals left out, the companions of each hospital, who was gone or had withdrawn by then.

    entries: of the story's ledger that were written by then. ran: whether the study left had counted its patients, which one that the
    holders refused has not.
    """

    into: str
    without: tuple[str, ...]
    companions: Mapping[str, int]
    left: tuple[str, ...]
    entries: int
    ran: bool


@dataclass
class Story:
    """How a play went: what a person typed and on which day, the last study's result, and what its ledgers say."""

    commands: list[tuple[float, str]] = field(default_factory=list)
    result: StudyResult | None = None
    days: float = 0.0
    ledger: list[tuple[float, LedgerEntry]] = field(default_factory=list)
    leavings: list[StudyLeft] = field(default_factory=list)
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
class FollowedStudy:
    """What a calm play follows while it runs one study of a story.

    leaves_at: hospital → first round without it or its patient. last_round: the last one asked before the study was left; a study that is
    resumed asks everybody at admission, so one whose office was put back may stall in the middle of its rounds. phase: the one in which it
    stalled, training where it was not after it. ends: how it was left; None for the study that came to the end.
    """

    leaves_at: Mapping[str, int]
    last_round: int
    phase: str = "training"
    ends: StudyLeft | None = None

    def stalls(self, phase: str, round: int | None) -> bool:
        """Whether the followed study had stalled before it asked this."""
        if self.ends is None:
            return False
        if phase in AFTER_TRAINING:
            return PHASES.index(phase) >= PHASES.index(self.phase)
        return round is not None and round > self.last_round


class LeaveNow(Exception):
    """In the calm play: the study that it follows stalled here."""


def play(world: World, homes: Homes, lock: StudyLock, backups: Path) -> Story:
    """Run the study to its end, with what a person types on the way."""
    clock, story = PlayClock(), Story()
    study, home = lock.study_id, homes.coordinator
    happenings = Happenings(world, clock, homes, backup=partial(_backup, home, backups))
    days = Days(happenings, partial(_due, happenings))
    once = partial(_once, home, days, clock)
    noted = partial(_noted, story, home, happenings)
    while story.result is None and len(story.commands) < MOST_STEPS:
        try:
            study, story.result = run_and_go_on(home, study, once, lambda left, _problem, found: noted(left, found))
        except DiskLost:
            forget_agents()
            shutil.rmtree(home)
            clock.sleep(4 * 3600.0)
            restore(backups / "office.tar.gz", home)
            study = study_status.under_way(home)
            _forgotten(story, home)
            story.commands.append((clock.now / DAY_S, "restore office.tar.gz --run"))
        except Problem as problem:
            if problem.kind not in (federation.STUDY_STALLED, privacy.ROWS_WAIT):
                raise
            clock.now = (clock.now // DAY_S + 1) * DAY_S + 8 * 3600.0  # somebody looks at the screen in the morning
            study = goes_on_as(home, study)
            here = {entry.name for entry in StudyFolder(home / "studies" / study).signed_lock().lock.roster}
            out = tuple(name for name in sorted(world.gone) if world.gone[name] <= clock.now and name in here)
            found = departure(home, study, out)
            leave(home, study, found, later=True)
            noted(study, found)
            study = found.lock.study_id
            words = "".join(f" --without {name}" for name in out)
            story.commands.append((clock.now / DAY_S, f"leave{words} --run --later"))
    return _ended(story, home, study, clock)


def play_calmly(world: World, homes: Homes, lock: StudyLock, backups: Path, parts: Sequence[FollowedStudy]) -> Story:
    """The same studies, each left where the followed one was, by the same ones, with the same companions."""
    clock, story = PlayClock(), Story()
    study, home = lock.study_id, homes.coordinator
    happenings = Happenings(world, clock, homes, backup=partial(_backup, home, backups))
    for part in parts:
        days = Days(happenings, partial(_follow, happenings, part))
        if part.ends is None or part.ends.ran:
            try:
                story.result = _once(home, days, clock, study)
            except (Problem, LeaveNow) as problem:
                if part.ends is None or (isinstance(problem, Problem) and problem.kind != federation.STUDY_STALLED):
                    raise
        if part.ends is not None:
            for site in part.ends.left:
                world.happens(site, clock.now)
            happenings.look()
            found = departure(home, study, part.ends.without, {name: part.ends.companions.get(name, 0) for name in SETS})
            leave(home, study, found)
            _noted(story, home, happenings, study, found)
            study = found.lock.study_id
    return _ended(story, home, study, clock)


def _once(home: Path, days: Days, clock: PlayClock, study: str) -> StudyResult:
    return run_study(home, study, days, effects=Effects(clock.monotonic, clock.sleep, now=clock.moment))


def _noted(story: Story, home: Path, happenings: Happenings, left: str, found: Departure) -> None:
    """Keep how a study was left."""
    world, now, leaving = happenings.world, happenings.clock.now, found.lock.leaving
    assert leaving is not None
    story.ledger += _dated(home, left)
    gone = tuple(site for site, moment in {**world.gone, **world.withdrawals}.items() if moment <= now)
    counted = bool(kept_counts(StudyFolder(home / "studies" / left).signed_lock().lock, study_status.folder_of(home, left)))
    first = left == leaving.study
    without = tuple(leaving.gone)
    story.leavings.append(StudyLeft(found.lock.study_id, without, leaving.companions, gone, len(story.ledger), ran=counted or first))


def _forgotten(story: Story, home: Path) -> None:
    """An office that was put back has forgotten the studies that were published since its backup, and so does its story."""
    kept = [one for one in story.leavings if (home / "studies" / one.into).exists()]
    story.ledger = story.ledger[: kept[-1].entries if kept else 0]
    story.leavings = kept


def _ended(story: Story, home: Path, study: str, clock: PlayClock) -> Story:
    story.days = clock.now / DAY_S
    story.ledger += _dated(home, study)
    if story.result is not None:
        story.numbers = StudyNumbers.of(story.result, study_status.folder_of(home, study))
    forget_agents()
    return story


def _backup(home: Path, backups: Path) -> None:
    write(home, backups / "office.tar.gz")


def _due(happenings: Happenings, requests: Mapping[str, Message]) -> None:
    """What happens because this is asked now."""
    asked = _asked(requests)
    if asked is not None and asked[1] is not None:
        happenings.world.asked(asked[1], happenings.clock.now)


def _follow(happenings: Happenings, part: FollowedStudy, requests: Mapping[str, Message]) -> None:
    """In the calm play: who leaves before this round leaves now, and a study that had stalled before this is left."""
    asked = _asked(requests)
    if asked is None:
        return
    phase, number = asked
    if part.stalls(phase, number):
        raise LeaveNow
    for site, round in part.leaves_at.items():
        if site in requests and number is not None and number >= round:
            happenings.world.happens(site, happenings.clock.now)


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
    """The same without hours, outages and lost disks; when somebody leaves is what `play_calmly` follows."""
    gone, withdrawals = dict.fromkeys(world.gone, inf), dict.fromkeys(world.withdrawals, inf)
    return replace(world, calm=True, gone=gone, withdrawals=withdrawals, due={}, disk_lost=inf)


def parts_of(story: Story, lock: StudyLock, world: World) -> tuple[FollowedStudy, ...]:
    """What the calm play of a story follows, study by study."""
    found, begin = [], 0
    for ends in (*story.leavings, None):
        entries = [entry for _, entry in story.ledger[begin : ends.entries if ends is not None else None]]
        begin = ends.entries if ends is not None else begin
        rounds = [entry for entry in entries if entry.statistic in (UPDATE, *STARTS)]
        leaves_at = dict.fromkeys((*world.gone, *world.withdrawals), lock.study.training.rounds)
        for entry in rounds:
            if entry.outcome in ("missed", "refused"):
                for site in entry.missing.keys() & leaves_at.keys():
                    leaves_at[site] = min(leaves_at[site], turn(entry.statistic, entry.round))
        last = max((turn(entry.statistic, entry.round) for entry in rounds), default=NEVER)
        later = [entry.phase for entry in entries if entry.phase in AFTER_TRAINING]
        found.append(FollowedStudy(leaves_at, last, later[-1] if later and ends is not None else "training", ends))
    return tuple(found)


def _dated(home: Path, study: str) -> list[tuple[float, LedgerEntry]]:
    entries = asks(history(study_status.folder_of(home, study) / "ledger.jsonl"))
    return [((datetime.fromisoformat(entry.time) - BEGIN).total_seconds() / DAY_S, entry) for entry in entries]
