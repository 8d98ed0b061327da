"""How an attack ends, in the form the command line, the evidence and the threat model show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from client.release.site_policy import Ask, CohortFacts, check_patients, floor
from shared_model.secure_sum.federation_messages import Context, OpenedCounts
from shared_model.statistics.statistic_declaration import REGISTRY, Parameters
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import Study, StudySite

SUCCEEDS, CHANCE, NOTHING = "succeeds", "no better than chance", "nothing it needs is opened"
FAMILY_ERROR = 0.05
Setting = Literal["default", "positive control", "if it were permitted"]


@dataclass(frozen=True)
class AttackResult:
    """One attack in one setting.

    `verdict` is `refused` (the door does not open what the attack needs), `no better than chance`, `succeeds`, or, for a
    positive control, `works` and `does not work`. `holds` is what a bar asks: a default that is refused or no better than
    chance, a positive control that works; None where nothing is asked.
    """

    attack: str
    title: str
    setting: Setting
    verdict: str
    holds: bool | None
    figures: dict[str, float]
    n: int = 0
    code: str = ""


def statistical(attack: str, title: str, n: int, figures: dict[str, float], setting: Setting = "default") -> AttackResult:
    """A default judged by how likely chance does as well: alone here, together with all the others by `judged`.

    Where nothing was claimed on any cohort, what the attack needs was not opened, and there is nothing to judge.
    """
    if not figures["claims"]:
        figures = {name: value for name, value in figures.items() if name != "p"}
        return AttackResult(attack, title, setting, NOTHING, None if setting != "default" else True, figures, n)
    beyond = figures["p"] <= FAMILY_ERROR
    verdict = SUCCEEDS if beyond else CHANCE
    return AttackResult(attack, title, setting, verdict, None if setting != "default" else not beyond, figures, n)


def judged(results: Sequence[AttackResult]) -> tuple[AttackResult, ...]:
    """The same results with all defaults that rest on a probability judged together: Holm's procedure, error 5 % of the family."""
    tested = [at for at, one in enumerate(results) if one.setting == "default" and "p" in one.figures]
    found, beaten = list(results), True
    for rank, at in enumerate(sorted(tested, key=lambda at: results[at].figures["p"])):
        beaten = beaten and results[at].figures["p"] <= FAMILY_ERROR / (len(tested) - rank)
        found[at] = replace(results[at], verdict=SUCCEEDS if beaten else CHANCE, holds=not beaten)
    return tuple(found)


def control(attack: str, title: str, figures: dict[str, float], worked: bool, n: int = 0) -> AttackResult:
    """A positive control: the same attack where it must succeed, so that the harness is known to work."""
    return AttackResult(attack, title, "positive control", "works" if worked else "does not work", worked, figures, n)


def refused(attack: str, title: str, code: str, figures: dict[str, float] | None = None, n: int = 0) -> AttackResult:
    """A default whose release the door refused with this code."""
    return AttackResult(attack, title, "default", "refused", True, figures or {}, n, code)


def gate(statistic: str, parameters: Parameters, *, sites: int, patients: int, events: int) -> str:
    """The code with which a hospital at the default policy refuses a statistic of these opened counts; empty when it releases."""
    study = Study(title="attack", sites=(StudySite(name="a"),))
    policy = Policy()
    declared = REGISTRY[statistic]
    if declared.resolution(parameters) not in policy.resolutions:
        return "FH-504"
    blank = Context(study="", phase="", round=0, attempt=1, statistic=statistic, parameters="", state="", roster="")
    counts = OpenedCounts(sites=sites, patients=patients, events=events)
    ask = Ask(blank, declared, parameters, "", (), CohortFacts((), 0, "development"), counts)
    try:
        check_patients(policy, "a", floor(policy, study), ask)
    except Problem as problem:
        return problem.code
    return ""
