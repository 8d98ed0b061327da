"""How an attack ends, in the form the command line, the evidence and the threat model show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from client.release.policy import Ask, CohortFacts, check_patients, floor
from shared_model.secure_sum.protocol import Context, OpenedCounts
from shared_model.statistics.base import REGISTRY, Parameters
from site_config.problems.base import Problem
from site_config.site import Policy
from site_config.study.model import Study, StudySite

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
    """A default judged by its excess over control cohorts: more than two standard errors is a success of the attack."""
    beyond = bool(figures["beyond_two_se"] == 1.0)
    verdict = "succeeds" if beyond else "no better than chance"
    return AttackResult(attack, title, setting, verdict, None if setting != "default" else not beyond, figures, n)


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
