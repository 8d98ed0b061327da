"""What of a patient Table 1 and the groupings read: the parts of a slot, and the words for their levels."""

from __future__ import annotations

from dataclasses import dataclass

from shared_model.analyses.groups.means_and_medians_on_shares import Measure, Number
from shared_model.analyses.patient_slots import OneHot
from shared_model.statistics.statistic_parameters import FLAGS, MANUFACTURERS, RESPONSES
from site_config.study.clinical_variables import ClinicalVariable
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

SETS = ("train", "validation", "test")
SET, HELD_RESPONSE, HELD_MANUFACTURER = "set", "held.response", "held.manufacturer"
PROGRESSION = ("no known progression", "progression")
"""Groups of validation and test together: RECIST says PD, or it does not or nobody knows."""
AGE_STEP, AGE_STEPS = 0.1, 1200
INTERVAL, LONGEST_INTERVAL = "table.interval_days", 400
"""Days between baseline and follow-up scan, and beyond how many no more is said of them."""
CONTINUOUS_STEPS = 1000


@dataclass(frozen=True)
class TableVariable:
    """A variable that is counted: its name, and the words for its levels."""

    name: str
    labels: tuple[str, ...]

    @property
    def part(self) -> OneHot:
        """What a slot holds of it; a value of −1 is not known."""
        return OneHot(f"table.{self.name}", len(self.labels))


def clinical_read(study: Study) -> tuple[ClinicalVariable, ...]:
    """The clinical variables that a model of the study reads."""
    return study.clinical if MODELS.read_variables(study.models) else ()


def own_columns(study: Study) -> frozenset[str]:
    """Names of the clinical variables that a model reads: a study's own `age` or `sex` stands in the table's place."""
    return frozenset(one.name for one in clinical_read(study))


def counted(study: Study) -> tuple[TableVariable, ...]:
    """Every variable of Table 1 that is counted."""
    coded = (TableVariable(one.name, tuple(one.values[code] for code in one.codes)) for one in clinical_read(study) if one.coded)
    found = [*([] if "sex" in own_columns(study) else [TableVariable("sex", ("female", "male"))]), *coded]
    if study.reads_scans:
        found += [TableVariable("manufacturer", MANUFACTURERS), TableVariable("response", RESPONSES)]
        found += [TableVariable(flag, ("no", "yes")) for flag in FLAGS]
    return tuple(found)


def measured(study: Study) -> tuple[Measure, ...]:
    """Every variable of Table 1 that has a mean: age in tenths of a year, days between scans, numbers in thousandths of their range."""
    found = [] if "age" in own_columns(study) else [Measure(Number("table.age", AGE_STEPS), 0.0, AGE_STEP)]
    if study.reads_scans:
        found.append(Measure(Number(INTERVAL, LONGEST_INTERVAL)))
    for one in clinical_read(study):
        if not one.coded:
            low, high = one.span
            found.append(Measure(Number(f"table.{one.name}", CONTINUOUS_STEPS), low, (high - low) / CONTINUOUS_STEPS))
    return tuple(found)


def sets_of(study: Study) -> tuple[str, ...]:
    """The sets a study's evaluation reads: a frozen model meets held-out patients only."""
    return SETS if study.kind == "develop" else ("test",)


def set_part(study: Study) -> OneHot:
    """The set of a patient."""
    return OneHot(SET, len(sets_of(study)))


def held_parts(study: Study) -> tuple[OneHot, ...]:
    """Groupings of validation and test together; −1 for who trains."""
    if not study.reads_scans:
        return ()
    return (OneHot(HELD_RESPONSE, len(PROGRESSION)), OneHot(HELD_MANUFACTURER, len(MANUFACTURERS)))
