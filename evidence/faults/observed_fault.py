"""What a play saw of a fault: when it was noticed, who was told, what the ledger keeps, and how the study ended."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evidence.faults.faulty_federation import Stage, StageRun
from server.study.study_results import LedgerEntry
from site_config.problems.base import Exit

ENDS = {
    0: "completed",
    int(Exit.STALLED): "STALLED",
    int(Exit.IDENTITY): "refused (identity)",
    int(Exit.REFUSED): "refused",
    -9: "killed",
    int(Exit.INTERRUPTED): "stopped",
}
RESUME = "fedhcc-coordinator resume STUDY"
COMMAND = re.compile(r"`((?:fedhcc-[a-z]+|timedatectl) [^`]+)`")
FOLDER = re.compile(r" --home \S+")


@dataclass(frozen=True)
class Observed:
    """One play: seconds until somebody was told (None: never) and who, codes, the ledger's words, how the first run ended, and the end.

    `next_command` is what the program that ended printed, or the resuming where it was killed; `seconds` is the whole play.
    """

    detected_s: float | None
    told: str
    codes: tuple[str, ...]
    ledger: str
    first_end: str
    resumed: bool
    label: str
    weights_equal: bool
    next_command: str
    seconds: float


def ledger_words(entries: Sequence[LedgerEntry]) -> str:
    """What the ledger tells apart from sums opened undisturbed, each kind once with its count."""
    told: dict[str, int] = {}
    for entry in entries:
        if not (entry.missing or entry.disturbed):
            continue
        without = ", ".join(f"{site} {code}" for site, code in sorted(entry.missing.items()))
        meanwhile = ", ".join(f"{name} {code}" for name, code in sorted(entry.disturbed.items()))
        words = f"{entry.statistic} {entry.outcome}"
        words += f" without {without}" * bool(without) + f", meanwhile {meanwhile}" * bool(meanwhile)
        told[words] = told.get(words, 0) + 1
    return "; ".join(f"{words} ({count}×)" if count > 1 else words for words, count in told.items())


def commands(output: str) -> str:
    """The next commands that a program's output names, in order, each once; without the folder, which lies elsewhere on every machine.

    >>> commands("fix: `fedhcc-site run --home /srv/site`, or `fedhcc-site run`")
    'fedhcc-site run'
    """
    return "; ".join(dict.fromkeys(FOLDER.sub("", found) for found in COMMAND.findall(output)))


def see_through(
    stage: Stage,
    run: StageRun,
    detected_s: float,
    told: str,
    mend: Callable[[], None] = lambda: None,
    codes: tuple[str, ...] = (),
    killed: bool = False,
    said: str = "",
) -> Observed:
    """Wait for the run's end; where it did not complete, mend and resume. The play began with the run.

    `codes` were seen outside the ledger, `said` is what a program at a site printed when it ended, and `killed` says that
    `run` already resumes one that was killed.
    """
    status = run.wait()
    resumed = status != 0
    last = run
    if resumed:
        mend()
        last = stage.begin("resume")
    complete = last.wait() == 0
    result = stage.result() if complete else None
    entries = stage.ledger()
    printed = commands(said + run.output) if resumed and status > 0 else commands(said)
    found = {code for entry in entries for code in (*entry.missing.values(), *entry.disturbed.values())}
    stalled = {code for code in re.findall(r"FH-\d{3}", run.output) if resumed and status > 0}
    return Observed(
        detected_s=round(detected_s, 1) if math.isfinite(detected_s) else None,
        told=told,
        codes=tuple(sorted(found | stalled | set(codes))),
        ledger=ledger_words(entries),
        first_end="killed" if killed else ENDS.get(status, f"status {status}"),
        resumed=resumed or killed,
        label=result.label if result else "NONE",
        weights_equal=result is not None and result.weights == stage.weights,
        next_command=printed or (RESUME if resumed or killed else "none"),
        seconds=round(time.monotonic() - run.began, 1),
    )


def in_ledger(stage: Stage) -> Callable[[], bool]:
    """Whether the ledger tells of the suffering site."""
    return lambda: any(stage.victim in entry.missing or stage.victim in entry.disturbed for entry in stage.ledger())


def site_log(stage: Stage, what: str) -> Callable[[], bool]:
    """Whether the suffering site's log says something from now on."""
    path = stage.site.state / "logs" / "site.log"

    def read() -> str:
        return path.read_text(errors="replace") if path.exists() else ""

    before = len(read())
    return lambda: what in read()[before:]
