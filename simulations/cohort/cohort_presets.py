"""The cohorts one asks for by name: who is in them, how their CT looks, and how their study is set.

`demo` is what the whole demonstration runs; `tiny` is for tests; `paper` has the marginals of Xia et al. 2024;
`clinical-only` has no images and lets survival depend on the seven variables alone, so a Cox model is well specified.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from simulations.cohort.phantom_ct import PhantomOptions
from simulations.cohort.scan_files import GeometryFault
from simulations.cohort.simulated_patients import SurvivalOptions, simulate
from site_config.problems import host
from site_config.study.prognostic_models import CLN
from site_config.study.study_presets import DEMO, PAPER, TINY
from site_config.words_of_messages import choice, plural


@dataclass(frozen=True)
class CohortOptions:
    """A cohort's options. `study` holds fields of `Study`; `faults` names patients (by key) whose DICOM geometry is broken."""

    name: str
    title: str
    survival: SurvivalOptions
    phantom: PhantomOptions | None
    study: dict[str, Any] = field(default_factory=dict)
    format: Literal["nifti", "dicom"] = "nifti"
    segmenter: Literal["nnunet", "masks"] = "nnunet"
    truth_masks: bool = False
    strict_policy: bool = False
    policy_resolutions: tuple[Literal["counts", "update", "shares", "exact"], ...] = ()
    faults: dict[str, GeometryFault] = field(default_factory=dict)


PRESETS: Final[dict[str, CohortOptions]] = {
    "demo": CohortOptions(
        name="demo",
        title="fedhcc demonstration on phantoms",
        # Strong effects, so that a study of a hundred patients shows what the parts add: evidence.demo_story.measure.
        survival=SurvivalOptions(patients=(62, 36), sites=(12, 3), lone_sites=3, clinical_effect=2.0, image_effect=1.2, growth_weight=1.0),
        phantom=PhantomOptions(lesion_contrast=2.5),
        study=DEMO,
        truth_masks=True,
    ),
    "tiny": CohortOptions(
        name="tiny",
        title="A tiny study on phantoms",
        survival=SurvivalOptions(patients=(9, 5), sites=(4, 2), lone_sites=1, image_effect=1.5),
        phantom=PhantomOptions(matrix=64, slice_mm=6.0, lesion_contrast=2.5),
        study=TINY,
        segmenter="masks",
    ),
    "paper": CohortOptions(
        name="paper",
        title="A cohort with the marginals of Xia et al. 2024, on phantoms",
        survival=SurvivalOptions(),
        phantom=PhantomOptions(matrix=192, slice_mm=3.0, lesion_contrast=1.0),
        study={name: value for name, value in PAPER.items() if name != "draw"},
        truth_masks=True,
        strict_policy=True,
    ),
    "clinical-only": CohortOptions(
        name="clinical-only",
        title="A cohort of tables without images",
        survival=SurvivalOptions(image_effect=0.0),
        phantom=None,
        study={"models": (CLN.name,)},
    ),
}


def _check_sizes(survival: SurvivalOptions) -> None:
    """A usage problem where patients, hospitals and the largest hospital do not go together."""
    for lone, sites, patients in zip((survival.lone_sites, 0), survival.sites, survival.patients, strict=True):
        most = patients if survival.largest_site is None else min(lone, sites) + (sites - min(lone, sites)) * survival.largest_site
        if patients < sites or (sites == 0) != (patients == 0) or patients > most:
            raise host.USAGE.problem(f"{plural(patients, 'patient')} cannot be dealt to {plural(sites, 'hospital')}")


@dataclass(frozen=True)
class CohortChange:
    """What a command line asks of a preset; None leaves the preset's own value."""

    sites: tuple[int, int] | None = None
    patients: tuple[int, int] | None = None
    skew: float | None = None
    event_fraction: float | None = None
    lone_sites: int | None = None
    largest_site: int | None = None
    followup_chest_missing: float | None = None
    image_effect: float | None = None
    lesion_contrast: float | None = None
    scanner_shift: float | None = None
    format: str | None = None
    masks: bool = False
    tilt: int = 0
    gaps: int = 0

    def applied(self, preset: str, seed: int) -> CohortOptions:
        """The preset so changed. A configuration problem names an unknown preset or format, or sizes that cannot be."""
        if preset not in PRESETS:
            raise host.USAGE.problem(f"there is no preset {preset}", fix=choice(preset, PRESETS))
        if self.format not in (None, "nifti", "dicom"):
            raise host.USAGE.problem(f"the format {self.format} is neither nifti nor dicom")
        base = PRESETS[preset]
        wanted = ("sites", "patients", "skew", "event_fraction", "image_effect", "lone_sites", "largest_site", "followup_chest_missing")
        survival = replace(base.survival, **self._given(*wanted))
        _check_sizes(survival)
        looks = self._given("lesion_contrast", "scanner_shift")
        changed = replace(base, survival=survival, phantom=base.phantom and replace(base.phantom, **looks))
        if self.format == "dicom":
            changed = replace(changed, format="dicom")
        if self.masks:
            changed = replace(changed, segmenter="masks")
        return replace(changed, faults=self._faults(changed, seed)) if self.tilt or self.gaps else changed

    def _given(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _faults(self, options: CohortOptions, seed: int) -> dict[str, GeometryFault]:
        """The first patients are tilted, the next ones lack slices 20 and 21."""
        if options.format != "dicom":
            raise host.USAGE.problem("tilt and gaps are written into DICOM series only", fix="Add --format dicom.")
        keys = [patient.key for patient in simulate(options.survival, seed).patients]
        if self.tilt + self.gaps > len(keys):
            raise host.USAGE.problem(f"{self.tilt + self.gaps} faulty patients are more than there are")
        tilted = {key: GeometryFault(tilt_degrees=12.0) for key in keys[: self.tilt]}
        return tilted | {key: GeometryFault(missing=(20, 21)) for key in keys[self.tilt : self.tilt + self.gaps]}
