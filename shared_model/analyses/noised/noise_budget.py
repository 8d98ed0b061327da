"""How much noise a study's results carry under differential privacy: a part of its budget, in thousandths of a patient.

A patient is counted once in the table of survival and once in each variable's. Patients are whole, so quantising moves nothing:
one more moves the first by 1 in one coordinate, the k variables together by √k. Of the results' part of μ² the survival table has
one half and the variables the other. Holder h adds noise of the variance v, and m − t of m holders are honest, so that (m − t)·v is
at least what the part asks; all m together make m·v in what is opened. Counts are opened on a grid of 2^-10 patients: noise in
whole patients of σ = 3 would cost 5 % more δ than the closed form says.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from shared_model.analyses.phases.table1_slots import counted
from shared_model.privacy.epsilon_accounting import mu_of
from site_config.study.lock_study import planned_holders
from site_config.study.plan_and_lock import Study

UNIT_BITS = 10


@dataclass(frozen=True)
class ResultsNoise:
    """Variance of a holder's share in squared units of 2^-UNIT_BITS patients: of the survival table, and of each variable's counts."""

    holders: int
    variables: int
    survival: int
    table: int

    @classmethod
    def of(cls, study: Study) -> ResultsNoise | None:
        """The noise a study declares; None where it opens no results under differential privacy."""
        dp = study.privacy.dp
        if dp is None or not study.shares_rows:
            return None
        holders, variables = len(planned_holders(study)), len(counted(study))
        part = dp.results * mu_of(dp.epsilon, dp.delta) ** 2 / (2 if variables else 1)
        honest = holders - (holders - 1) // 2
        survival, table = (ceil(4**UNIT_BITS * square / part / honest) for square in (1, max(variables, 1)))
        return cls(holders, variables, survival, table)

    @property
    def honest(self) -> int:
        """Fewest holders who keep their noise to themselves."""
        return self.holders - (self.holders - 1) // 2

    @property
    def squared(self) -> float:
        """μ² of all results together, for whom fewer holders than that collude with."""
        return float(4**UNIT_BITS * (1 / self.survival + self.variables / self.table) / self.honest)

    @property
    def releases(self) -> tuple[tuple[float, int], ...]:
        """(noise multiplier, how many) of the two tables, as an accountant asks for it."""
        survival, table = (2.0**-UNIT_BITS * sqrt(self.honest * variance) for variance in (self.survival, self.table))
        return (survival, 1), *(((table / sqrt(self.variables), 1),) if self.variables else ())

    @property
    def survival_deviation(self) -> float:
        """Standard deviation of the noise in an opened count of the survival table, in patients."""
        return 2.0**-UNIT_BITS * sqrt(self.holders * self.survival)

    @property
    def table_deviation(self) -> float:
        """The same of a variable's count."""
        return 2.0**-UNIT_BITS * sqrt(self.holders * self.table)
