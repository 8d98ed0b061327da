"""What Table 1 and the groupings of an evaluation on shares read of this hospital's patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from client.cohort.prepared_cohort import Patients
from client.statistics.count_statistics import entered
from shared_model.analyses.phases.table1_slots import (
    AGE_STEP,
    AGE_STEPS,
    CONTINUOUS_STEPS,
    HELD_MANUFACTURER,
    HELD_RESPONSE,
    INTERVAL,
    LONGEST_INTERVAL,
    SET,
    clinical_read,
    sets_of,
)
from shared_model.statistics.statistic_parameters import FLAGS, MANUFACTURERS, RESPONSES
from site_config.study.plan_and_lock import Role, Study


def described(study: Study, patients: Patients, role: Role) -> dict[str, NDArray[np.float64]]:
    """What groupings and Table 1 read; -1 where it is not known."""
    n = len(patients)
    held = np.ones(n, dtype=np.bool_) if role == "evaluation" else patients.is_validation
    place = np.full(n, sets_of(study).index("test")) if role == "evaluation" else np.where(held, 1, 0)
    manufacturer = _place(patients.manufacturer, MANUFACTURERS, "other")
    response = _place(patients.response, RESPONSES, "UNKNOWN")
    found = {
        SET: place.astype(np.float64),
        HELD_RESPONSE: np.where(held, response == RESPONSES.index("PD"), -1.0),
        HELD_MANUFACTURER: np.where(held, manufacturer, -1.0),
        "table.sex": _known(patients.male),
        "table.age": _known(np.rint(np.clip(patients.age, 0, AGE_STEP * AGE_STEPS) / AGE_STEP)),
        INTERVAL: _known(np.rint(np.clip(patients.scan_interval, 0, LONGEST_INTERVAL))),
        "table.manufacturer": manufacturer,
        "table.response": response,
        **{f"table.{flag}": np.array([float(flag in flags) for flags in patients.flags]) for flag in FLAGS},
    }
    for variable in clinical_read(study):
        held_value = entered(patients, variable)
        if variable.coded:
            found[f"table.{variable.name}"] = _known(held_value)
        else:
            low, high = variable.span
            found[f"table.{variable.name}"] = _known(np.rint((np.clip(held_value, low, high) - low) / (high - low) * CONTINUOUS_STEPS))
    return found


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(values), -1.0, values)


def _place(values: Sequence[str | None], names: tuple[str, ...], other: str) -> NDArray[np.float64]:
    """Where each value stands among the names; whatever is no name counts as `other`."""
    return np.array([names.index(value if value in names else other) for value in values], dtype=np.float64)
