"""What a study reads of each patient's table row, variable by variable, however a model codes it."""

from __future__ import annotations

import numpy as np

from client.cohort.prepared_cohort import Patients
from client.statistics.count_statistics import entered
from site_config.study.clinical_variables import ClinicalVariable
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

PERSON = ("age", "male")
"""With the outcome, what tells a patient under another id."""


def values_held(patients: Patients, study: Study) -> dict[str, list[str]]:
    """Name → the value of every patient: the code, or the number, not its place, dummy or logarithm; age, sex and response too."""
    known = set(patients.clinical_names)
    columns = {one.variable.name for one in study.design if one.name in known and MODELS.read_variables(study.models)}
    found = {one.name: _values(patients, one) for one in study.clinical if one.name in columns}
    if study.reads_scans or any(one is not None for one in patients.response):  # what a study does not read is no other value
        found["response"] = [str(one) for one in patients.response]
    return found | {name: [f"{value:.9g}" for value in values] for name, values in (("age", patients.age), ("male", patients.male))}


def _values(patients: Patients, variable: ClinicalVariable) -> list[str]:
    held = entered(patients, variable)
    if variable.coded:
        codes = variable.codes
        return [str(codes[int(place)]) if np.isfinite(place) and 0 <= place < len(codes) else "" for place in held]
    return [f"{value:.6g}" for value in (np.exp(held) if variable.log else held)]
