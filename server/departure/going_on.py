"""A run that goes on by itself where what stopped it was agreed before: one companion more, or a later withdrawal.

`leave` says what leaving costs before somebody agrees to it. Where the holders then find that too few left, nothing was opened, and the
next try takes one companion more. Where it was agreed for later withdrawals too, a study that a further one stops goes on without that
patient in the same way. Neither goes so far that a set may fall below the minimum by the counts that the office knows, and no hospital is
ever left out by itself: that is for a person to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from server.asking.hospital_refusals import REFUSALS, are_final
from server.departure.companions import refused_sets
from server.departure.leave_study import Departure, departure, later_too, leave
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult
from server.watch import study_status
from shared_model.analyses.phases.admission_plan import SETS, SETS_OF
from site_config.problems import federation, privacy
from site_config.problems.base import Problem

MOST_TRIES = 12
"""Studies in a row that a run goes on as without anybody being asked."""


def run_and_go_on(
    home: Path, study: str, run: Callable[[str], StudyResult], tell: Callable[[str, Problem, Departure], None]
) -> tuple[str, StudyResult]:
    """Run a study to its result; the id of the study that came to it, and the result. tell: hears of each study that was
    left, what had stopped it, and the one that goes on from it.

    Raises what stopped it where that was not agreed before.
    """
    for _ in range(MOST_TRIES):
        try:
            return study, run(study)
        except Problem as problem:
            found = agreed(home, study, problem)
            if found is None:
                raise
            leave(home, study, found, later=later_too(home, study))
            tell(study, problem, found)
            study = found.lock.study_id
    return study, run(study)


def agreed(home: Path, study: str, problem: Problem) -> Departure | None:
    """How a stopped study goes on by what was agreed when somebody left; None where a person has to decide."""
    lock = StudyFolder(home / "studies" / study).signed_lock().lock
    each: dict[str, int] | None = None
    if lock.leaving is None:
        return None
    if problem.kind == privacy.ROWS_WAIT:
        if not refused_sets(lock, study_status.folder_of(home, study)):
            return None
    elif problem.kind == federation.STUDY_STALLED and later_too(home, study) and (withdrew := _only_withdrawals(home, study)):
        touched = {name for site in withdrew for name in SETS_OF[lock.entry(site).role]}
        each = {name: 0 for name in SETS if name not in touched}  # where more left than these, the holders find that out
    else:
        return None
    try:
        found = departure(home, study, each=each)
    except Problem:
        return None
    return None if found.may_close - found.planned else found


def _only_withdrawals(home: Path, study: str) -> frozenset[str]:
    """The hospitals whose rows of this study became fewer, where nobody refused for another reason; none where one was only away."""
    entries = study_status.ledger_of(home, study)
    if not entries or entries[-1].outcome != "refused":
        return frozenset()
    refused = {site: code for site, code in entries[-1].missing.items() if are_final([code], REFUSALS)}
    return frozenset(refused) if set(refused.values()) <= {privacy.ROWS_WAIT.label, privacy.COHORT_EMPTIED.label} else frozenset()
