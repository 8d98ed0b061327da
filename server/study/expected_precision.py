"""What a study of a given size can hope for, before it is run: events a variable, and how sharp its C-index will be.

With continuous scores and no censoring the C-index is (1 + Kendall's tau)/2, and tau of n unrelated pairs has variance
(4n + 10)/(9n(n − 1)), about 4/(9n) (Kendall 1938). With censoring the number of events stands in for n, since a pair is
comparable only through an event. The half-width 1.96/(3·sqrt(events)) is 0.12 at 46 patients of whom 28 died.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

from shared_model.disclosure.limits import PAIRED_PATIENTS
from site_config.problems import configuration as kinds
from site_config.problems import shares
from site_config.problems.base import Problem
from site_config.study.lock_study import resolve_roles
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS
from site_config.words_of_messages import plural

Z95 = 1.959964
ENOUGH = 10
ORDINARY_SHARE = 0.2


@dataclass(frozen=True)
class ExpectedSize:
    """Hospitals, patients and events to expect in one set."""

    sites: int
    patients: int
    events: int

    @property
    def c_half_width(self) -> float | None:
        """Half-width of the 95 % interval of the C-index; None without events."""
        return Z95 / (3 * sqrt(self.events)) if self.events else None


@dataclass(frozen=True)
class Expectation:
    """What to expect of a study under stated assumptions."""

    patients_a_site: float
    event_share: float
    training: ExpectedSize
    validation: ExpectedSize
    test: ExpectedSize
    variables: int
    events_a_variable: float
    paired: bool
    sizes: tuple[Problem, ...] = ()

    def findings(self) -> list[Problem]:
        """Minima that are never reached, fewer than ten events a variable, more patients than pairs on shares allow."""
        return [*self.sizes, *self._of_events()]

    def _of_events(self) -> list[Problem]:
        everybody = self.training.patients + self.validation.patients + self.test.patients
        if self.paired and everybody > PAIRED_PATIENTS.value:
            return [shares.TOO_MANY_PATIENTS.problem(f"{everybody} patients are to be expected, at most {PAIRED_PATIENTS.value}")]
        if self.variables and self.events_a_variable < ENOUGH:
            return [kinds.FEW_EVENTS.problem(f"{self.events_a_variable:.1f} events a variable are to be expected")]
        return []


def expect(study: Study, patients_a_site: float = 4.0, event_share: float = 0.6) -> Expectation:
    """Sizes under `patients_a_site` (the study this follows had 207 in 52) and the share of patients who die under observation."""
    roles = list(resolve_roles(study).values())

    def size(sites: int, share: float) -> ExpectedSize:
        patients = round(sites * patients_a_site * share)
        return ExpectedSize(sites, patients, round(patients * event_share))

    development, evaluation = roles.count("development"), roles.count("evaluation")
    training = size(development, 1 - study.validation_fraction)
    both = size(development, 1.0)
    validation = ExpectedSize(development, both.patients - training.patients, both.events - training.events)
    variables = len(study.design) if MODELS.read_variables(study.models) and study.kind == "develop" else 0  # a frozen model fits nothing
    a_variable = training.events / variables if variables else 0.0
    test = size(evaluation, 1.0)
    sizes = tuple(_sizes(study, training.patients, both.patients, test.patients))
    return Expectation(patients_a_site, event_share, training, validation, test, variables, a_variable, study.pairs_patients, sizes)


def _sizes(study: Study, training: int, development: int, test: int) -> Iterator[Problem]:
    """Minima and a share for validation that the expected sets cannot reach, and a minimum of one patient."""
    if study.privacy.demonstration:
        return
    share_too_large = _kept_back(study, training, development)
    minima = {"privacy": study.privacy.minimum_patients, "blocks": study.blocks.minimum_patients}
    sets = {"development": development, "test": test}
    least = {name: patients for name, patients in sets.items() if patients}
    for field, minimum in minima.items():
        place = f"study.yaml: {field}.minimum_patients"
        short = [f"{name} {patients}" for name, patients in least.items() if minimum > patients and (field, name) != ("blocks", "test")]
        if short:
            what = f"`{field}: minimum_patients: {minimum}`, and fewer patients are to be expected: {', '.join(short)}"
            yield kinds.SIZE_OF_SETS.problem(what, where=place)
    if minima["privacy"] == 1:
        what = "`privacy: minimum_patients: 1`: a sum of one patient is that patient's row, and only hospitals' own policies refuse it"
        yield kinds.SIZE_OF_SETS.problem(what, fix="Write 5 or more, as left out.", where="study.yaml: privacy.minimum_patients")
    if share_too_large:
        fix = "Write a smaller share, such as 0.2; 0 keeps nobody back."
        yield kinds.SIZE_OF_SETS.problem(share_too_large, fix=fix, where="study.yaml: validation_fraction")


def _kept_back(study: Study, training: int, development: int) -> str:
    """What is wrong with the share for validation; '' where enough patients are left to train on."""
    least = max(study.privacy.minimum_patients, study.blocks.minimum_patients)
    share = study.validation_fraction
    if training >= least or (1 - ORDINARY_SHARE) * development < least:  # with a fair share, too, they would be too few
        return ""
    return f"`validation_fraction: {share:g}` leaves {plural(training, 'patient')} of {development} to train on, fewer than {least}"
