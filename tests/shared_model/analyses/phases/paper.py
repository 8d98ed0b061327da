"""A study of the size of Xia et al. 2024 without its scans: 207 patients, 37 + 15 hospitals, five models, scores drawn at random.

`walk` runs the phases' plans one after the other as a study does, on plain numbers with rounding errors (every result read again
from its record) or on shares, and keeps what was opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evidence.accuracy.shares.paper_cohort import NAMES, PaperCohort, locked, paper_cohort, ragged
from shared_model.analyses.analysis_plan import plan_of
from shared_model.analyses.phases.phase_plan import SharedPlan
from shared_model.analyses.run_locally import Computed, compute_locally
from site_config.study.plan_and_lock import Phase, StudyLock
from tests.shared_model.analyses.recorded import on_record

__all__ = ["NAMES", "PaperCohort", "Walk", "locked", "paper_cohort", "ragged"]


@dataclass
class Walk:
    """What a study's phases found and opened."""

    lock: StudyLock
    cohort: PaperCohort
    found: dict[str, Any] = field(default_factory=dict)
    opened: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    plans: dict[str, SharedPlan] = field(default_factory=dict)
    costs: dict[str, Computed] = field(default_factory=dict)

    def run(self, phase: Phase, holders: int = 0, multiple: int = 8) -> Any:
        """The next phase: on plain numbers with rounding errors, or by holders."""
        plan = self.plans[phase] = plan_of(self.lock, phase, dict(self.opened))
        sites = self.cohort.contributed(plan)
        if holders:
            done = self.costs[phase] = compute_locally(
                plan.parts, sites, plan.declaration, plan.circuit, holders=holders, multiple=multiple
            )
            self.found[phase], self.opened[phase] = done.returned, dict(done.opened)
        else:
            slots = max(len(patients) for patients in sites)
            self.found[phase], a = on_record(plan.circuit, plan.declaration, plan.parts, sites, max(slots, 1))
            self.opened[phase] = a.opened
            self.costs[phase] = Computed(self.found[phase], a.openings)
        return self.found[phase]
