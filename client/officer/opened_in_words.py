"""What may be opened of shares, in words for a data-protection officer: what is stated for each analysis once is not said again."""

from __future__ import annotations

import re
from math import prod

from shared_model.analyses.count_minimum import MINIMUM_TEST
from shared_model.analyses.trust_in_words import result_words, results_by_kind
from site_config.study.plan_and_lock import StudyLock
from site_config.words_of_messages import plural

WORDS = {
    "patients": "numbers of patients", "deaths": "deaths", "at_risk": "numbers at risk", "hazard": "hazards", "greenwood": "their errors",
    "logrank": "log-rank tests", "score": "score test", "variance": "variances", "step": "coefficients while they are fitted",
    "fine": "final coefficients", "digit": "a cut-off or median, found bit by bit", "nobody_beyond": "whether a range holds all scores",
    "predicted": "mean predictions",
}  # fmt: skip
COMMON = re.compile(r"^\d+ patients in the group and in the rest of its set$")


def plain_lines(lock: StudyLock) -> list[str]:
    """One line a kind of analysis, over all its scores; the last line has the clause that stands before every group's result."""
    lines, common = [], dict[str, None]()
    for phase, kind, members in results_by_kind(lock):
        shown = [result for result in members if result.guard != MINIMUM_TEST]
        if not shown:
            lines.append(f"{phase}, {kind}: yes or no, whether a minimum is reached")
            continue
        clauses = dict.fromkeys(part.removeprefix("and ") for one in shown for part in re.split(r"[,;] ", one.guard))
        common |= {part: None for part in clauses if COMMON.match(part)}
        rest = [part for part in clauses if not COMMON.match(part)]
        numbers = plural(sum(prod(result.shape) for result in shown), "number")
        before = f"; asked before: {', '.join(rest)}" if rest else ""
        lines.append(f"{phase}, {kind}: {result_words(shown, WORDS)}; at most {numbers}{before}")
    if common:
        lines.append(f"Before any group's result: {', '.join(common)}. Each minimum is tested on shares; only yes or no is opened.")
    return lines
