"""What the hospital permits: read out at admission, enforced again at every release.

The site's policy and the study's own minima hold together, the stricter of the two each. They are lifted only where every
patient is made up: the site says so (`simulated_patients`), the study says so (`simulated`) and asks for it
(`privacy.demonstration`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import shared_model.statistics.list_of_statistics  # noqa: F401 - fills the registry
from client.release.contributed_counts import Contributed, behind, held, in_a_step
from client.release.earlier_releases import Ledger, Minima, OpenedValue
from client.release.epsilon_spent import check_noise, trains_bare
from client.release.request_against_lock import check_numbers, study_floor_faults
from shared_model.analyses.analysis_plan import SharedPlan
from shared_model.privacy.noise_on_statistics import noise_of
from shared_model.secure_sum.federation_messages import Context, OpenedCounts
from shared_model.statistics.statistic_declaration import REGISTRY, Parameters, Statistic
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import OpenHours, Policy
from site_config.study.earlier_rosters import sums
from site_config.study.plan_and_lock import Role, Study, StudyLock
from site_config.study.policy_clashes import minima_clashes
from site_config.words_of_messages import plural

TRAINING = "training."
UPDATE = "training.update"


@dataclass(frozen=True)
class CohortFacts:
    """The rows that contribute to one release: HMAC ids under the site's secret, how many, and the site's role.

    A row is `ID.VALUES` where the hospital keeps generations, so that a corrected row is another one. `sets` gives the rows by
    the name of the set they are of; `generation` is the base set's number, 0 where there is none. `contributed` is what
    hospitals known here stated of themselves, with this one's own numbers by set.
    """

    keys: tuple[str, ...]
    n: int
    role: Role
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    generation: int = 0
    contributed: Contributed = field(default_factory=dict)

    def by_hospital(self, roster: Iterable[str]) -> dict[str, int]:
        """Patients of these sets at each known hospital of a roster, of all its sets where it has none of these (another role).

        Empty where this hospital knows nobody but itself.
        """
        if len(self.contributed) < 2:
            return {}
        found: dict[str, int] = {}
        for name in roster:
            of_set = self.contributed.get(name)
            if of_set is not None:
                shared = [number for one, number in of_set.items() if one in self.sets]
                found[name] = sum(shared or of_set.values())
        return found


@dataclass(frozen=True)
class Ask:
    """One request for a statistic, validated: what is asked, of whom, over which patients."""

    context: Context
    statistic: Statistic
    parameters: Parameters
    question: str
    roster: tuple[str, ...]
    cohort: CohortFacts
    counts: OpenedCounts | None

    def value(self) -> OpenedValue:
        """The request as the ledger compares it."""
        patients = self.counts.patients if self.counts else None
        sets = {name: frozenset(rows) for name, rows in self.cohort.sets.items()}
        behind = self.cohort.by_hospital(self.roster)
        return OpenedValue(self.context, self.question, frozenset(self.roster), frozenset(self.cohort.keys), patients, sets, behind)


def rows_value(context: Context, roster: tuple[str, ...], cohort: CohortFacts, lock: StudyLock) -> OpenedValue:
    """Rows that are about to be shared, as the ledger compares them."""
    sets = {name: frozenset(rows) for name, rows in cohort.sets.items()}
    whole, known = is_whole(lock, cohort.role, roster), cohort.by_hospital(roster)
    value = OpenedValue(context, "", frozenset(roster), frozenset(cohort.keys), None, sets, known, whole=whole)
    return _beside_earlier(value, lock)


def _beside_earlier(value: OpenedValue, lock: StudyLock) -> OpenedValue:
    return replace(value, sums=sums(lock))


def is_whole(lock: StudyLock, role: Role, roster: tuple[str, ...]) -> bool:
    """Whether a roster holds every hospital of a role."""
    return set(lock.names(role)) <= set(roster)


@dataclass(frozen=True)
class Floor:
    """The minima that hold for a study at a site."""

    sites: int
    patients: int
    cox_patients: int
    events_per_variable: int
    lifted: bool

    @property
    def difference(self) -> Minima:
        """What two rosters or cohorts have to differ by."""
        return Minima(self.sites, self.patients)


def demonstration(policy: Policy, study: Study) -> bool:
    """Whether minima are lifted: made-up patients by the word of the site and of the study."""
    return policy.simulated_patients and study.simulated and study.privacy.demonstration


def floor(policy: Policy, study: Study) -> Floor:
    """The stricter of the site's and the study's minima; one of everything in a demonstration."""
    if demonstration(policy, study):
        return Floor(1, 1, 1, 0, lifted=True)
    asked = study.privacy
    return Floor(
        sites=max(policy.minimum_roster, asked.minimum_sites),
        patients=max(policy.minimum_patients, asked.minimum_patients),
        cox_patients=max(policy.minimum_cox_patients, asked.minimum_cox_patients),
        events_per_variable=max(policy.minimum_events_per_variable, asked.minimum_events_per_variable),
        lifted=False,
    )


def clear_allowed(policy: Policy, study: Study) -> bool:
    """Whether vectors may leave unmasked: a simulation on one machine, by the word of both documents."""
    return not study.privacy.masks and not policy.masks_required and policy.simulated_patients and study.simulated


def check_whole_blocks(lock: StudyLock, site: str, roster: tuple[str, ...]) -> None:
    """Refuse (FH-508) a roster that is not a union of whole blocks of the site's role, the site's own among them."""
    role = lock.entry(site).role
    members = set(roster)
    if len(members) != len(roster) or site not in members:
        raise privacy.ROSTER_NOT_WHOLE.problem("the roster names a site twice or leaves this one out")
    for block in lock.blocks.get(role, ()):
        if members & set(block):
            if not set(block) <= members:
                raise privacy.ROSTER_NOT_WHOLE.problem("the roster holds a part of a block")
            members -= set(block)
    if members:
        raise privacy.ROSTER_NOT_WHOLE.problem(f"{plural(len(members), 'site')} of the roster in no block of the role {role}")


def check_role(policy: Policy, lock: StudyLock, site: str, statistic: Statistic, phase: str) -> None:
    """Refuse (FH-509) a statistic outside its phases, for another role, or for a role the hospital does not take."""
    role = lock.entry(site).role
    if policy.role not in ("any", role):
        raise privacy.ROLE_REFUSED.problem(f"the site takes part as {policy.role} only, the lock says {role}")
    if role not in statistic.roles:
        raise privacy.ROLE_REFUSED.problem(f"{statistic.name} is not for a site of the role {role}")
    if phase not in statistic.phases:
        raise privacy.ROLE_REFUSED.problem(f"{statistic.name} is not asked in the phase {phase}")


def known(policy: Policy, lock: StudyLock, site: str, roster: tuple[str, ...]) -> int:
    """How many other sites of a roster carry a fingerprint the hospital knows by itself."""
    if policy.known_peers is None:
        return 0
    trusted = set(policy.known_peers.fingerprints)
    return sum(lock.entry(peer).fingerprint in trusted for peer in roster if peer != site)


def check_roster(policy: Policy, lock: StudyLock, site: str, roster: tuple[str, ...]) -> None:
    """Refuse a roster below the minimum (FH-506), with too few known peers (FH-507), or not of whole blocks (FH-508)."""
    check_whole_blocks(lock, site, roster)
    least = floor(policy, lock.study).sites
    if len(roster) < least:
        raise privacy.ROSTER_TOO_SMALL.problem(f"{plural(len(roster), 'site')}, at least {least} are asked")
    if policy.known_peers is not None and known(policy, lock, site, roster) < policy.known_peers.at_least:
        raise privacy.PEERS_UNKNOWN.problem(
            f"fewer than {plural(policy.known_peers.at_least, 'site')} of the roster known to this hospital"
        )


def inside_hours(schedule: OpenHours, now: datetime) -> bool:
    """Whether a moment lies in the schedule's hours and days; 22 to 6 goes over midnight."""
    return schedule.includes_at(now)


def check_contributed(policy: Policy, lock: StudyLock, site: str, roster: tuple[str, ...], cohort: CohortFacts) -> OpenedCounts:
    """Refuse rows (FH-507, FH-511) unless hospitals known here contribute the minimum of patients to these sets themselves."""
    counts = behind(policy, site, roster, cohort.contributed, cohort.sets, None)
    _check_minimum(counts, floor(policy, lock.study))
    return counts


def _believed(policy: Policy, site: str, least: Floor, ask: Ask) -> OpenedCounts | None:
    """The counts that the minima are held against: as told where every patient is made up, else as known hospitals contributed them.

    The counts of a set may be small, so they are held against all sets of the hospital together.
    """
    if policy.known_peers is None:
        return ask.counts
    found, sets = ask.cohort.contributed, ask.cohort.sets
    if ask.statistic.resolution(ask.parameters) == "counts":
        _check_minimum(behind(policy, site, ask.roster, found, found.get(site, {}), None), least)
        return held(found, ask.roster, sets)
    return behind(policy, site, ask.roster, found, sets, ask.counts)


def _check_minimum(counts: OpenedCounts, least: Floor) -> None:
    if counts.sites < least.sites or counts.patients < least.patients:
        raise privacy.TOO_FEW_PATIENTS.problem(
            f"{plural(counts.patients, 'patient')} at {plural(counts.sites, 'site')}; at least {least.patients} at {least.sites} are asked"
        )


def _check_step(lock: StudyLock, ask: Ask, least: Floor) -> None:
    """Refuse (FH-511) an update of fewer patients than the minimum, though the block has enough: of a few each (`training.batch`)."""
    if ask.statistic.name != UPDATE or not ask.cohort.contributed:
        return
    patients = in_a_step(ask.cohort.contributed, ask.roster, ask.cohort.sets, patients_of_a_round(lock.study))
    if patients < least.patients:
        raise privacy.TOO_FEW_PATIENTS.problem(
            f"{plural(patients, 'patient')} in an update of batches of {lock.study.training.batch}; at least {least.patients} are asked"
        )


def patients_of_a_round(study: Study) -> int:
    """So many patients of a hospital at most stand behind one update."""
    return study.training.batch * study.training.local_steps


def check_patients(policy: Policy, site: str, least: Floor, ask: Ask) -> None:
    """Refuse (FH-511) what is finer than counts unless the patients behind it reach the minima."""
    level = ask.statistic.resolution(ask.parameters)
    if least.lifted:
        return
    counts = _believed(policy, site, least, ask)
    if level == "counts":
        return
    if counts is None:
        raise privacy.TOO_FEW_PATIENTS.problem(f"{ask.statistic.name} came without the opened counts of its roster")
    _check_minimum(counts, least)
    variables = ask.statistic.covariates(ask.parameters)
    if variables == 0:
        return
    if counts.patients < least.cox_patients or counts.events < least.events_per_variable * variables:
        raise privacy.TOO_FEW_PATIENTS.problem(
            f"{plural(counts.patients, 'patient')} with {plural(counts.events, 'event')}; "
            f"a Cox model of {plural(variables, 'variable')} asks for {least.cox_patients} and {least.events_per_variable * variables}"
        )


def check_release(policy: Policy, lock: StudyLock, site: str, ask: Ask, ledger: Ledger, now: datetime) -> str:
    """The rule that allows a release, in words for the journal; raises the `Problem` of the first rule that forbids it."""
    name, level = ask.statistic.name, ask.statistic.resolution(ask.parameters)
    if policy.statistics is not None and name not in policy.statistics:
        raise privacy.STATISTIC_REFUSED.problem(f"{name} is not among the site's permitted statistics")
    if level not in policy.resolutions:
        raise privacy.RESOLUTION_REFUSED.problem(f"{name} at the resolution {level} is not permitted")
    if not ask.statistic.asked_in(lock.study):
        raise privacy.OUTSIDE_LOCK.problem(f"{name}, which this study of the resolution {lock.study.resolution} does not open")
    check_role(policy, lock, site, ask.statistic, ask.context.phase)
    check_roster(policy, lock, site, ask.roster)
    if not inside_hours(policy.schedule, now):
        raise privacy.OUTSIDE_SCHEDULE.problem(f"the site computes from {policy.schedule.from_hour} to {policy.schedule.to_hour} o'clock")
    least = floor(policy, lock.study)
    check_noise(lock, ask.parameters)
    if policy.epsilon_budget is not None and name.startswith(TRAINING) and trains_bare(lock.study):
        raise privacy.EPSILON_SPENT.problem("the study trains a network without noise, which no budget bounds")
    check_numbers(policy, lock, lock.entry(site).role, name, ask.parameters, ledger, lifted=least.lifted)
    if noise_of(ask.parameters) is not None:  # holds for a single patient, so no minimum speaks of the patients behind it
        return f"noise of the lock, {plural(len(ask.roster), 'site')} (at least {least.sites})"
    check_patients(policy, site, least, ask)
    _check_step(lock, ask, least)
    check_ledger(policy, lock, ask, ledger)
    words = [f"resolution {level}", f"{plural(len(ask.roster), 'site')} (at least {least.sites})"]
    if ask.counts is not None:
        asked = least.cox_patients if ask.statistic.covariates(ask.parameters) else least.patients
        words.append(f"{plural(ask.counts.patients, 'patient')} (at least {asked})")
    if least.lifted:
        words.append("minima lifted: simulated patients")
    if ledger.consented(ask.context.study):
        words.append("hospital consented to small differences")
    return "; ".join(words)


def check_ledger(policy: Policy, lock: StudyLock, ask: Ask, ledger: Ledger) -> None:
    """The release ledger's rules for one request; asked before a release and again before the mask is opened.

    What leaves with noise may be subtracted from anything: its own ledger counts what it costs.
    """
    if noise_of(ask.parameters) is not None:
        return
    budget = policy.query_budget.get(ask.statistic.name)
    value = _beside_earlier(replace(ask.value(), whole=is_whole(lock, ask.cohort.role, ask.roster)), lock)
    ledger.check(value, floor(policy, lock.study).difference, budget)


def expected_statistics(study: Study, role: Role) -> tuple[str, ...]:
    """Names a site of this role will be asked in the course of a study, for the list shown at admission."""
    phases = {"evaluation"} if role == "evaluation" else {"clinical", "training", "fusion", "evaluation"}
    found = (REGISTRY[name] for name in REGISTRY)
    return tuple(one.name for one in found if role in one.roles and phases & one.phases and one.asked_in(study))


def check_holding(policy: Policy, lock: StudyLock, site: str) -> None:
    """Refuse (FH-527) to hold shares where the lock does not name this hospital, or its policy does not allow it."""
    if site not in lock.holders:
        raise privacy.HOLDERS_REFUSED.problem("the lock does not name this hospital as a holder of shares")
    for problem in _refused_holders(policy, lock, site):
        raise problem


def check_sharing(policy: Policy, lock: StudyLock, site: str, plan: SharedPlan, roster: tuple[str, ...], now: datetime) -> str:
    """The rule that allows sharing rows for a plan, in words for the journal; raises the problem of the first rule that forbids it."""
    if lock.study.privacy.dp is not None and not all(one.noise and not one.bit for one in plan.declaration.results.values()):
        raise privacy.ONLY_WITH_NOISE.problem("results on shares without noise")
    if not lock.study.shares_rows or "shares" not in policy.resolutions:
        raise privacy.RESOLUTION_REFUSED.problem("rows are not shared in this study, or this hospital does not share rows")
    for problem in _refused_holders(policy, lock, site):
        raise problem
    role = lock.entry(site).role
    if policy.role not in ("any", role) or role not in plan.roles:
        raise privacy.ROLE_REFUSED.problem(f"rows of a site of the role {role} are not read in the phase {plan.phase}")
    if not plan.permits(lock, roster):
        raise privacy.ROSTER_NOT_WHOLE.problem("the roster is not the whole of the hospitals whose rows are read in this phase")
    check_roster(policy, lock, site, tuple(name for name in lock.names(role) if name in roster))
    if not inside_hours(policy.schedule, now):
        raise privacy.OUTSIDE_SCHEDULE.problem(f"the site computes from {policy.schedule.from_hour} to {policy.schedule.to_hour} o'clock")
    least = floor(policy, lock.study)
    words = (
        f"shared among {len(lock.holders)} holders, {lock.collusion} may collude; {plural(len(roster), 'site')} (at least {least.sites})"
    )
    return words + ("; minima lifted: simulated patients" if least.lifted else "")


def _small_batches(policy: Policy, study: Study, block: tuple[str, ...]) -> list[Problem]:
    """FH-532 where no round of a block can sum the minimum of patients, however many it has."""
    least, most = floor(policy, study), patients_of_a_round(study) * len(block)
    if not study.reads_scans or study.kind != "develop" or study.privacy.dp is not None or least.lifted or most >= least.patients:
        return []
    what = f"batches of {study.training.batch}, of {plural(len(block), 'hospital')} at most {plural(most, 'patient')} in an update"
    return [privacy.OUTSIDE_LOCK.problem(f"the study declares {what}; at least {least.patients} are asked")]


def _refused_holders(policy: Policy, lock: StudyLock, site: str) -> list[Problem]:
    if not lock.study.shares_rows:
        return []
    found = []
    if len(lock.holders) < policy.share_holders.at_least:
        what = f"{plural(len(lock.holders), 'holder')} of shares; this hospital asks for {policy.share_holders.at_least}"
        found.append(privacy.HOLDERS_REFUSED.problem(what))
    if site in lock.holders and not policy.share_holders.here:
        found.append(privacy.HOLDERS_REFUSED.problem("the study makes this hospital a holder of shares, which its policy does not allow"))
    return found


def refusals(policy: Policy, lock: StudyLock, site: str) -> tuple[Problem, ...]:
    """Everything in a study that the hospital's policy would refuse, known before the first number is asked."""
    study = lock.study
    if site not in {entry.name for entry in lock.roster}:
        return (privacy.ROLE_REFUSED.problem(f"{site} does not stand in the study's roster"),)
    role = lock.entry(site).role
    found: list[Problem] = []
    if policy.role not in ("any", role):
        found.append(privacy.ROLE_REFUSED.problem(f"the site takes part as {policy.role} only, the lock says {role}"))
    if not study.privacy.masks and not clear_allowed(policy, study):
        found.append(privacy.MASKS_REQUIRED.problem("the study asks for values in the clear"))
    if study.privacy.demonstration and not demonstration(policy, study):
        found.append(privacy.PATIENTS_NOT_SIMULATED.problem("the study lifts minima, this site's patients are not declared simulated"))
    own = [block for block in lock.blocks.get(role, ()) if site in block]
    if not own:
        found.append(privacy.ROSTER_NOT_WHOLE.problem(f"{site} stands in no block of the role {role}"))
    for block in own:
        try:
            check_roster(policy, lock, site, block)
        except Problem as problem:
            found.append(problem)
        found += _small_batches(policy, study, block) if role == "development" else []
    if not demonstration(policy, study):
        found += [privacy.OUTSIDE_LOCK.problem(f"the study declares {words}") for words in study_floor_faults(policy, study)]
    asked: dict[str, str] = {"hazard": study.training.hazard_resolution}
    if study.privacy.dp is None or study.shares_rows:
        asked["analyses"] = study.resolution
    for part, level in asked.items():
        if level in ("exact", "shares") and level not in policy.resolutions:
            found.append(privacy.RESOLUTION_REFUSED.problem(f"the study's {part} part asks for the resolution {level}"))
    found += _refused_holders(policy, lock, site)
    if policy.statistics is not None:
        missing = [name for name in expected_statistics(study, role) if name not in policy.statistics]
        found += [privacy.STATISTIC_REFUSED.problem(f"{name} is not among the site's permitted statistics") for name in missing]
    return (*found, *minima_clashes(policy, study))
