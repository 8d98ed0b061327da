"""What somebody who decides must know of the shares, in plain words: who holds them, who would have to collude, what is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from types import MappingProxyType

from shared_model.analyses.analysis_plan import computed_phases, results_at_most
from shared_model.analyses.count_minimum import MINIMUM_TEST
from shared_model.analyses.phases.phase_plan import group_minimum, minima
from shared_model.shares.circuits.declared_results import Result
from site_config.study.plan_and_lock import Phase, StudyLock
from site_config.study.prognostic_models import MODELS
from site_config.words_of_messages import plural

MOST_WORDS = 8


def trust_lines(holders: Sequence[str], *, counts: bool = False) -> list[str]:
    """The sentence a data-protection officer signs, for 3 or 5 holders; `counts`: under differential privacy, no row is shared."""
    few = (len(holders) - 1) // 2
    alone = "Any one of them" if few == 1 else f"Any {few} of them"
    if counts:
        return [
            f"{', '.join(holders)} hold secret shares of every hospital's counts, and each adds noise before any sum is opened.",
            f"{alone} and the coordinator together learn nothing but the noised sums below.",
            f"{few + 1} of them who pool what they hold see every hospital's counts without noise.",
        ]
    return [
        f"{', '.join(holders)} hold secret shares of every patient's row.",
        f"{alone} and the coordinator together learn nothing but the results below.",
        f"{few + 1} of them who pool what they hold rebuild the rows, without names but still personal data; "
        "with the coordinator's help also by hospital.",
    ]


def opened_results(lock: StudyLock) -> dict[Phase, tuple[Result, ...]]:
    """Phase → the results that may be opened there at most: those of a model that cannot be fitted are not."""
    found: dict[Phase, tuple[Result, ...]] = {}
    for phase in computed_phases(lock):
        found[phase] = results_at_most(lock, phase)
    return found


def opened_lines(lock: StudyLock) -> list[str]:
    """One line a kind of analysis, over all its scores: which results, how many numbers, how fine, and what stands before them."""
    lines = []
    for phase, kind, members in results_by_kind(lock):
        shown = [result for result in members if result.guard != MINIMUM_TEST]
        tests = len(shown) < len(members)
        if not shown:
            lines.append(f"{phase}, {kind}: bits that test a minimum")
            continue
        analyses = plural(len({result.name.split(".")[0] for result in members}), "analysis", "analyses")
        numbers = sum(prod(result.shape) for result in shown)
        guards = "; ".join(dict.fromkeys(result.guard for result in shown))
        fine = max(result.bits for result in shown)
        what = f"{result_words(shown)}: at most {plural(numbers, 'number')} in {analyses}, grids no finer than 2^-{fine}"
        lines.append(f"{phase}, {kind}: {what}; before it: {guards}" + ("; and bits that test these minima" if tests else ""))
    return lines


def results_by_kind(lock: StudyLock) -> Iterator[tuple[Phase, str, Sequence[Result]]]:
    """Phase, kind of analysis, and what may be opened of it over all scores, minimum tests included."""
    for phase, results in opened_results(lock).items():
        kinds: dict[str, list[Result]] = {}
        for result in results:
            kinds.setdefault(analysis_kind(result.name.split(".")[0]), []).append(result)
        for kind, members in kinds.items():
            yield phase, kind, members


def analysis_kind(analysis: str) -> str:
    """An analysis' name without the model it is of and without its number."""
    of = next((f"{model.name}-" for model in MODELS if analysis.startswith(f"{model.name}-")), "")
    return re.sub(r"(-\d+)+$", "", analysis.removeprefix(of))


def result_words(results: Sequence[Result], words: Mapping[str, str] = MappingProxyType({})) -> str:
    """The kinds of numbers among results, in `words` where these know them; scores and pairs of scores are not listed one by one."""
    found = dict.fromkeys(result.name.split(".")[1] for result in results)
    if len(found) > MOST_WORDS or any(word in {model.name for model in MODELS} for word in found):
        return "values with their errors for every score and pair of scores"
    return ", ".join(words.get(word, word.replace("_", " ")) for word in found)


def closed_lines(lock: StudyLock) -> list[str]:
    """What stays closed whatever is found, and why."""
    if lock.study.privacy.dp is not None:
        return ["C-indices, AUC, log-rank tests, hazard ratios, calibration, cut-offs and means: refused, not approximated (FH-540)."]
    least = group_minimum(lock.study)
    patients, events = minima(lock.study)
    fitted = [
        f"Cox models of fewer than {patients} patients or {events} events a column.",
        "Columns that fewer than 5 patients or 3 hospitals have, or are without.",
    ]
    return [
        f"Groups of fewer than {least} patients, or whose set has fewer than {least} others: their curves, hazard ratios and C-indices.",
        "Points of a curve where fewer than 5 are at risk, numbers at risk and deaths from 1 to 4, and what would give these away.",
        "Points between half-years of sets under 100 patients; days and rows of patients everywhere.",
        *(fitted if lock.study.kind == "develop" else ()),
        "Points of ROC curves except between groups of calibration: a threshold would have to be found by comparing secret scores.",
        "Slopes of calibration: a score is fitted on the training patients and nowhere else.",
        "Score tests of a set with fewer than 10 deaths, or of a score whose quarters of the training patients are one number.",
        "Restricted mean survival until other days than horizons that are points of the curve, and finer than a sixteenth of a month.",
        "AUC with fewer than 5 cases or controls" + ("; cut-offs that leave too few on one side." if lock.study.kind == "develop" else "."),
    ]


def trust_text(lock: StudyLock) -> str:
    """Everything above for a terminal; empty where a study shares nothing."""
    if not lock.holders:
        return ""
    return "\n".join(
        [
            "",
            *trust_lines(lock.holders, counts=lock.study.privacy.dp is not None),
            "What the holders may open:",
            *(f"  {line}" for line in opened_lines(lock)),
            "What stays closed:",
            *(f"  {line}" for line in closed_lines(lock)),
        ]
    )
