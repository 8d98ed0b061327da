"""How the models' scores are formed, from what earlier phases opened: the same at the coordinator and at every hospital."""

from __future__ import annotations

from collections.abc import Mapping

from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.phases.clinical_plan import ClinicalEstimate, clinical
from shared_model.analyses.phases.phase_plan import Earlier
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import CLN, MODELS, PrognosticModel


def clinical_found(lock: StudyLock, earlier: Earlier) -> ClinicalEstimate | None:
    """What the clinical phase opened; None where it was not run."""
    if "clinical" not in earlier:
        return None
    found: ClinicalEstimate = clinical(lock, {}).read(earlier["clinical"])
    return found


def clinical_spec(found: ClinicalEstimate | None) -> ScoreSpec | None:
    """The clinical score; None where it was not estimated."""
    if found is None or found.fit is None or found.fit.coefficient is None:
        return None
    return ScoreSpec(model=CLN.name, columns=found.kept, coefficients=tuple(float(value) for value in found.fit.coefficient))


def single_specs(lock: StudyLock, earlier: Earlier) -> dict[str, ScoreSpec]:
    """The scores as fusion reads them: every network's, and the clinical one."""
    specs = {name: ScoreSpec(model=name, radiology=name) for name in MODELS.networks(lock.study.models)}
    clinical_one = clinical_spec(clinical_found(lock, earlier))
    return specs | ({CLN.name: clinical_one} if clinical_one else {})


def centred(specs: Mapping[str, ScoreSpec], centres: Mapping[str, float]) -> dict[str, ScoreSpec]:
    """The single scores after fusion: those of networks count from their median over the training patients."""
    return {name: spec.model_copy(update={"centre": centres.get(name, 0.0)}) if spec.radiology else spec for name, spec in specs.items()}


def fused_spec(model: PrognosticModel, specs: Mapping[str, ScoreSpec], fit: CoxEstimate | None) -> ScoreSpec | None:
    """The score of a fused model of centred ones; None where it was not estimated."""
    if fit is None or fit.coefficient is None or any(part not in specs for part in model.needs):
        return None
    image, rows = (specs[part] for part in model.needs)
    first, second = (float(value) for value in fit.coefficient)
    return rows.model_copy(update={"model": model.name, "radiology": image.radiology, "mix": (first, second), "centre": image.centre})
