"""What a study would do with a table: the settings that decide it, from study.yaml or the defaults of every study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared_model.disclosure.limits import GROUP_PATIENTS
from site_config.study.plan_and_lock import Evaluation, Privacy

if TYPE_CHECKING:
    from site_config.study.plan_and_lock import Study


@dataclass(frozen=True)
class Settings:
    """Minima of a Cox model (patients, deaths a column) and of a group (patients), and the horizons of the evaluation."""

    minimum_cox_patients: int
    minimum_events_per_variable: int
    group_patients: int
    evaluation: Evaluation


def settings_of(study: Study) -> Settings:
    """The settings of a study; a demonstration on made-up patients lifts the minima, as it does in the study."""
    return _settings(study.privacy, study.evaluation, lifted=study.privacy.demonstration and study.simulated)


def default_settings() -> Settings:
    """Those of a study that declares nothing."""
    return _settings(Privacy(), Evaluation(), lifted=False)


def _settings(privacy: Privacy, evaluation: Evaluation, *, lifted: bool) -> Settings:
    return Settings(
        minimum_cox_patients=1 if lifted else privacy.minimum_cox_patients,
        minimum_events_per_variable=0 if lifted else privacy.minimum_events_per_variable,
        group_patients=2 if lifted else GROUP_PATIENTS.value,
        evaluation=evaluation,
    )
