"""Who is awaited while a question is asked: since when, for how long yet, and whether that is longer than usual.

`awaited.json` in a study's run folder is rewritten while the study waits, for `status` and the live page. A hospital that needs
three times its usual seconds is named at once (FH-765), not at the phase's deadline; nothing is ended for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from shared_model.secure_sum.federation_messages import Message, step_of
from site_config.atomic_files import read_limited, write_atomic
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.step_times import StepTimes

NAME = "awaited.json"
LEAST_S, MOST_S = 20.0, 3600.0
WRITE_S, SLEPT_S = 1.0, 30.0
TOLD_S, TOLD_AGAIN_S = 10.0, 600.0
GO_ON = "`fedhcc-coordinator sites` shows who is connected; Ctrl-C stops here, `fedhcc-coordinator resume` goes on."
SLOW = federation.SITE_SLOW
Keep = Callable[[str, str], None]


class Awaiting(BaseModel):
    """One question on its way: the step, when it began and ends at the latest (seconds since 1970), and who has not answered.

    `usual_s` is the longest of the usual seconds of those asked, 0 while nothing is known; `slow` names who needs longer.
    """

    step: str = ""
    phase: str = ""
    round: int = 0
    began: float = 0.0
    until: float = 0.0
    awaited: tuple[str, ...] = ()
    asked: int = 0
    usual_s: float = 0.0
    slow: tuple[str, ...] = ()


class Awaited:
    """Follows one question after the other; `keep(site, words)` is told of each who needs longer than usual, once a question.

    `tell` gets a line for whoever watches once a step is waited for longer than a moment, and now and then after that: silence of a
    terminal is read as a fault.
    """

    def __init__(
        self, path: Path, keep: Keep, clock: Callable[[], float] = time.time, tell: Callable[[str], None] = lambda _text: None
    ) -> None:
        self._path, self._keep, self._clock, self._tell = path, keep, clock, tell
        self._asking: tuple[str, str, int] | None = None
        self._due = 0.0
        self.steps = StepTimes()
        self._now = Awaiting()
        self._written = self._looked = 0.0

    def asked(self, requests: Mapping[str, Message], deadline_s: float) -> None:
        """A question was sent to these hospitals."""
        first = next(iter(requests.values()), None)
        if first is None:
            return
        moment, step = self._clock(), step_of(first)
        raw = first.body.get("context")
        context = raw if isinstance(raw, dict) else first.body
        usual = [seconds for site in requests if (seconds := self.steps.usual(f"{site} {step}")) is not None]
        self._now = Awaiting(
            step=step,
            phase=str(context.get("phase", first.kind)),
            round=int(context.get("round", 0)),
            began=moment,
            until=moment + deadline_s,
            awaited=tuple(sorted(requests)),
            asked=len(requests),
            usual_s=max(usual, default=0.0),
        )
        self._looked = moment
        asking = (self._now.step, self._now.phase, self._now.round)
        if asking != self._asking:  # the same question again, after a moment, is the same wait
            self._asking, self._due = asking, moment + TOLD_S
        self._say(moment)
        self._write(moment)

    def answered(self, site: str, reply: Message | None) -> None:
        """A hospital has answered; only what it did is learned, no refusal and no failure. Its admission tells what its rehearsal took."""
        moment, now = self._clock(), self._now
        if site in now.awaited and reply is not None and reply.kind != "refusal":
            self.steps.learn(f"{site} {now.step}", moment - now.began)
        seconds = reply.body.get("step_seconds") if reply is not None and reply.kind == "admission" else 0
        if isinstance(seconds, int) and seconds > 0:
            self.steps.declare(f"{site} release training.update", float(seconds))
        left = tuple(name for name in now.awaited if name != site)
        self._now = now.model_copy(update={"awaited": left, "slow": tuple(name for name in now.slow if name in left)})
        self._write(moment)

    def look(self) -> None:
        """One look while waiting: who needs longer than usual. A machine that slept itself blames nobody."""
        moment, now = self._clock(), self._now
        gap, self._looked = moment - self._looked, moment
        if gap > SLEPT_S:
            self._now = now = now.model_copy(update={"began": now.began + gap, "until": now.until + gap})
        waited = moment - now.began
        late = {site for site in now.awaited if waited > self.steps.patience(f"{site} {now.step}", LEAST_S, MOST_S)} - set(now.slow)
        for site in sorted(late):
            usual = self.steps.usual(f"{site} {now.step}")
            words = f"{site} needs longer than usual for {now.step}: {waited:.0f} s"
            self._keep(site, f"{words}, usually {usual:.0f} s: {SLOW.label}" if usual is not None else f"{words}: {SLOW.label}")
        if late:
            self._now = now.model_copy(update={"slow": tuple(sorted({*now.slow, *late}))})
        self._say(moment)
        self._write(moment)

    def _say(self, moment: float) -> None:
        if moment >= self._due and self._now.awaited:
            self._due = moment + TOLD_AGAIN_S
            self._tell(f"{said(self._now)}. {GO_ON}")

    def over(self) -> None:
        """Nobody is awaited any more: the study ended, or stopped."""
        self._path.unlink(missing_ok=True)

    def _write(self, moment: float) -> None:
        if moment - self._written >= WRITE_S:
            self._written = moment
            write_atomic(self._path, self._now.model_dump_json().encode())


def awaiting(folder: Path) -> Awaiting | None:
    """What a study waits for, by its run folder; None where it waits for nothing, or does not run."""
    try:
        return Awaiting.model_validate_json(read_limited(folder / NAME, 1 << 20))
    except (Problem, ValidationError):
        return None


def waiting_words(folder: Path, now: float | None = None) -> str:
    """What a running study waits for and until when (local time), in one line; '' where it waits for nobody."""
    found = awaiting(folder)
    if found is None or not found.awaited:
        return ""
    moment = time.time() if now is None else now
    return said(found, f" for {max(moment - found.began, 0.0):.0f} s")


def said(found: Awaiting, since: str = "") -> str:
    """Whom a question waits for and until when (local time)."""
    who = ", ".join(found.awaited[:3]) + (f" and {len(found.awaited) - 3} more" if len(found.awaited) > 3 else "")
    until = datetime.fromtimestamp(found.until).astimezone().strftime("%m-%d %H:%M")
    return f"{found.step}: waits for {who}{since}, until {until} at the latest"
