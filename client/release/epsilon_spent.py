"""What differential privacy has cost this hospital's patients: a fold of the journal, over all studies.

A charge is written before the noised vector leaves, and concerns every patient behind it. Patients are known by their HMAC under
the site's own secret, so a new study, another container, a corrected row or another export of the same table goes on where the
last one stood; a patient under a new local id is another patient, which nobody here can see. Charges are μ² (`NoiseShare.shift`),
which add up exactly; ε is worked out of their sum at δ = 1e-5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt

from pydantic import Field

from client.release.journal_entries import COHORT, CohortSeen, DoorRecord
from shared_model.analyses.noised.noise_budget import ResultsNoise
from shared_model.privacy.epsilon_accounting import epsilon_of
from shared_model.privacy.noise_on_statistics import PrivateHazard, PrivateUpdate, noise_of
from shared_model.privacy.noise_schedule import NoiseSchedule
from shared_model.statistics.day_grids import training_cuts
from shared_model.statistics.statistic_declaration import Parameters
from site_config.hash_chained_journal import Entry, Fold
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import Role, Study, StudyLock
from site_config.study.prognostic_models import MODELS

CHARGE = "epsilon"
DELTA = 1e-5
UNNOISED = 1e12
"""μ² of what somebody sees without any noise, as a number that can be added: its ε is without bound."""
SLACK = 1e-6
"""A study that plans ε = 4 is within a budget of 4."""


class Charged(DoorRecord):
    """One noised vector is about to leave: which value, of which patients, what it costs, and the vector's own hash.

    `squared` is the μ² the study promises; `alone` what somebody pays for who sees this hospital's vector without the secure sum.
    """

    study: str
    value: str
    cohort: str
    squared: float = Field(ge=0)
    alone: float = Field(ge=0)
    hash: str


@dataclass(frozen=True)
class Cost:
    """μ² of releases, as promised and without the secure sum."""

    squared: float = 0.0
    alone: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.squared + other.squared, self.alone + other.alone)

    @property
    def epsilon(self) -> float:
        """ε at δ = 1e-5, as promised: with the secure sum where the noise is in shares."""
        return epsilon_of(sqrt(self.squared), DELTA)

    @property
    def epsilon_alone(self) -> float:
        """ε at δ = 1e-5 without the secure sum."""
        return epsilon_of(sqrt(self.alone), DELTA)


@dataclass
class EpsilonLedger(Fold):
    """The fold: feed it every entry of the journal in order."""

    _cohorts: dict[str, frozenset[str]] = field(default_factory=dict)
    _spent: dict[str, Cost] = field(default_factory=dict)
    _sent: dict[str, str] = field(default_factory=dict)
    _by_study: dict[str, dict[str, Cost]] = field(default_factory=dict)

    def feed(self, entry: Entry) -> None:
        """Take in one entry; kinds that charge nothing pass by."""
        if entry.kind == COHORT:
            seen = CohortSeen.model_validate(entry.data)
            self._cohorts[seen.cohort] = people(seen.patients)
        elif entry.kind == CHARGE:
            charged = Charged.model_validate(entry.data)
            cost = Cost(charged.squared, charged.alone)
            self._spent[charged.cohort] = self._spent.get(charged.cohort, Cost()) + cost
            of_study = self._by_study.setdefault(charged.study, {})
            of_study[charged.cohort] = of_study.get(charged.cohort, Cost()) + cost
            self._sent[charged.value] = charged.hash

    def sent(self, value: str) -> str | None:
        """The hash of the noised vector that was charged last for a value."""
        return self._sent.get(value)

    def spent(self, patients: Iterable[str], study: str | None = None) -> Cost:
        """The most that any of these patients (HMAC ids, with or without their rows' digests) was charged; of one study, or of all."""
        wanted, worst = people(patients), Cost()
        by_cohort = self._spent if study is None else self._by_study.get(study, {})
        costs: dict[str, Cost] = {}
        for cohort, cost in by_cohort.items():
            for patient in wanted & self._cohorts.get(cohort, frozenset()):
                costs[patient] = costs.get(patient, Cost()) + cost
        for cost in costs.values():
            worst = Cost(max(worst.squared, cost.squared), max(worst.alone, cost.alone))
        return worst


def people(rows: Iterable[str]) -> frozenset[str]:
    """Patients of rows `ID.VALUES`: the id alone, so that a corrected row is the same patient."""
    return frozenset(row.partition(".")[0] for row in rows)


def schedule_of(lock: StudyLock) -> NoiseSchedule | None:
    """The noise a lock declares; None where it declares none."""
    return None if lock.study.privacy.dp is None else NoiseSchedule.of(lock.study, len(lock.blocks.get("development", ())))


def release_cost(schedule: NoiseSchedule, parameters: Parameters) -> Cost:
    """μ² of one release."""
    noise = noise_of(parameters)
    if noise is None:
        raise ValueError("what leaves without noise has no cost that is finite")
    dp, alone = schedule.dp, noise.shift(1) ** 2
    return Cost(noise.shift(dp.honest) ** 2 if dp.placement == "distributed" else alone, alone)


def results_cost(study: Study) -> Cost:
    """μ² of a study's noised results. Their noise is the holders', so whoever rebuilds a hospital's counts from shares sees none."""
    noise = ResultsNoise.of(study)
    return Cost() if noise is None else Cost(noise.squared, UNNOISED)


def study_cost(lock: StudyLock, role: Role = "development") -> Cost:
    """μ² of a whole study for a patient of a hospital of this role, nothing repeated."""
    schedule, results = schedule_of(lock), results_cost(lock.study)
    if schedule is None or role == "evaluation":
        return results
    return results + Cost(schedule.promised**2, schedule.shift(1) ** 2)


def check_noise(lock: StudyLock, parameters: Parameters) -> None:
    """Refuse what is without noise in a study that declares it (FH-540), noise in one that does not, and other noise than the lock's."""
    schedule, noise = schedule_of(lock), noise_of(parameters)
    if (schedule is None) != (noise is None):
        what = "a statistic without noise" if noise is None else "a noised statistic in a study without noise"
        raise privacy.ONLY_WITH_NOISE.problem(what)
    if schedule is None:
        return
    wanted = schedule.hazard if isinstance(parameters, PrivateHazard) else schedule.update
    if noise != wanted:
        raise privacy.OUTSIDE_LOCK.problem("other noise than the lock's")
    if isinstance(parameters, PrivateHazard) and parameters.cut_days != training_cuts(lock.study.training):
        raise privacy.OUTSIDE_LOCK.problem("other cut points than the lock's")
    if isinstance(parameters, PrivateUpdate) and parameters.round >= lock.study.training.rounds:
        raise privacy.OUTSIDE_LOCK.problem("a round beyond the lock's")


def trains_bare(study: Study) -> bool:
    """Whether a study trains networks without noise."""
    return study.kind == "develop" and study.privacy.dp is None and bool(MODELS.networks(study.models))


def check_budget(policy: Policy, spent: Cost, more: Cost) -> None:
    """Refuse (FH-541) what would take a patient beyond the hospital's budget."""
    budget = policy.epsilon_budget
    if budget is None:
        return
    total = (spent + more).epsilon
    if total > budget + SLACK:
        raise privacy.EPSILON_SPENT.problem(f"ε would be {total:.2f} at δ = {DELTA:g} after {spent.epsilon:.2f}; the budget is {budget:g}")


SECOND_CHARGE = (
    "What was charged cannot be sent again: a holder has other keys, or the sent values are gone. A hospital that permits a second charge "
    "sets `policy.epsilon_budget` (`fedhcc-site privacy` shows what was spent); then, at the office, `fedhcc-coordinator resume STUDY`."
)


def check_promise(lock: StudyLock, spent: Cost, more: Cost, role: Role = "development") -> None:
    """Refuse (FH-541) what would cost a patient more than the study declares."""
    whole = study_cost(lock, role)
    if lock.study.privacy.dp is not None and (spent + more).squared > whole.squared * (1 + SLACK):
        raise privacy.EPSILON_SPENT.problem(f"more than the ε = {whole.epsilon:.2f} that the study declares", fix=SECOND_CHARGE)


def budget_faults(
    policy: Policy, lock: StudyLock, ledger: EpsilonLedger, patients: Iterable[str], role: Role = "development"
) -> list[Problem]:
    """What a whole study would exceed, known before it begins. What it spent already, before a restart, counts once."""
    if policy.epsilon_budget is None:
        return []
    if lock.study.privacy.dp is None:
        bare = trains_bare(lock.study)
        what = "the study trains a network without noise, which no budget bounds"
        return [privacy.EPSILON_SPENT.problem(what)] if bare else []
    rows = tuple(patients)
    whole, begun, before = study_cost(lock, role), ledger.spent(rows, lock.study_id), ledger.spent(rows)
    left = Cost(max(whole.squared - begun.squared, 0.0), max(whole.alone - begun.alone, 0.0))
    try:
        check_budget(policy, before, left)
    except Problem as problem:
        return [problem]
    return []
