"""Where a study differs from Xia et al. 2024, which it follows, and why: one list for the command line, the report and the docs.

Every row is decided by the study's own settings; a study whose setting is the paper's has no such row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS, PAPER_MODELS

CITED = "Xia et al. 2024, Insights into Imaging, doi 10.1186/s13244-024-01784-8"
UPDATES = 1600
RANDOM_START = "random start: not the paper"


@dataclass(frozen=True)
class Deviation:
    """One deviation: of what, as published, as here, and the reason."""

    what: str
    paper: str
    here: str
    why: str


def random_start(study: Study) -> bool:
    """Whether the paper's network starts from random weights instead of ImageNet's."""
    return bool(MODELS.networks(study.models)) and study.network.pretrained_sha256 is None


def warning(study: Study) -> str:
    """The sentence for `study check` and `lock`; empty where the start is the paper's or the network is another anyway."""
    if not random_start(study) or study.network.backbone != "efficientnet-b0":
        return ""
    return (
        f"{RANDOM_START}. Put the ImageNet file (efficientnet-b0-355c32eb.pth) into the coordinator's folder `pretrained`, named by its "
        "SHA-256, name that in `network.pretrained_sha256` and set `network.norm: frozen`."
    )


def differences(study: Study) -> list[Deviation]:
    """Every deviation of a study's settings, in the order of a paper's methods."""
    return [*_patients(study), *_images(study), *_networks(study), *_statistics(study)]


def _patients(study: Study) -> Iterator[Deviation]:
    yield Deviation(
        "where patients' records are",
        "pooled in one place",
        "in the hospitals; results computed on secret shares are opened, or sums where every hospital chose `exact`",
        "it is the purpose",
    )
    if study.validation_fraction:
        yield Deviation(
            "training and validation",
            "a random split of the development patients",
            f"a hash keyed with a hospital's own secret, share {study.validation_fraction:g}",
            "a patient falls on the same side in every study, and nobody outside knows on which",
        )
    ordinal = [variable.name for variable in study.clinical if variable.kind == "ordinal"]
    if MODELS.read_variables(study.models) and ordinal:
        yield Deviation(
            f"{', '.join(ordinal)} in the clinical model",
            "dummy variables",
            "one term over the ordered levels",
            "levels with few patients would have no finite coefficient, and would name those patients",
        )
    if set(study.models) != set(PAPER_MODELS):
        yield Deviation("models", ", ".join(PAPER_MODELS), ", ".join(study.models), "declared by the study")


def _images(study: Study) -> Iterator[Deviation]:
    imaging = study.imaging
    if not study.reads_scans:
        return
    if imaging.rule == "careful":
        yield Deviation(
            "which slices",
            "the three with the largest tumour",
            "rule `careful`: tumour within 10 mm of the organ, islands under 100 mm³ dropped, ties resolved in a declared order",
            "false islands and ties decided slices by chance; `rule: paper` keeps them",
        )
    if imaging.size != 224:
        yield Deviation("pixels of a slice", "224 × 224", f"{imaging.size} × {imaging.size}", "declared by the study")
    if imaging.field != "whole":
        yield Deviation("field of a slice", "whole", "cropped to the organ", "declared by the study")
    if imaging.missing_followup_chest == "carry_forward":
        yield Deviation(
            "follow-up chest not scanned",
            "one normal-lung image (authors' code)",
            "the baseline's slices, flagged and counted",
            "one made-up image in many patients would be learned",
        )
    yield Deviation(
        "flips while training",
        "drawn for every slice (authors' code)",
        "one draw a patient and step",
        "the slices of one patient stay comparable, and a draw repeats on resume",
    )


def _networks(study: Study) -> Iterator[Deviation]:
    network, training = study.network, study.training
    if not MODELS.networks(study.models):
        return
    if network.backbone != "efficientnet-b0":
        yield Deviation("extractor", "EfficientNet-b0", network.backbone, "declared by the study")
    if random_start(study):
        yield Deviation("first weights", "ImageNet", RANDOM_START, "the file is not part of this software; a study names its SHA-256")
    elif network.warm_start == "phantom":
        yield Deviation("first weights", "ImageNet", "learned on simulated scans", "for simulated studies only")
    if network.norm != "batch":
        yield Deviation(
            "normalisation",
            "statistics of each batch",
            {"frozen": "ImageNet's statistics kept", "group": "group normalisation"}[network.norm],
            "batch statistics mix patients of a hospital: with four patients a hospital a gradient is no sum over patients any more",
        )
    yield Deviation(
        "loss of a batch",
        "Cox partial likelihood within a batch of 16",
        "the likelihood of all patients, by a broadcast cumulative hazard",
        "a batch's risk sets hold four patients; the broadcast hazard has exactly the pooled gradient",
    )
    if training.rounds * training.local_steps != UPDATES or training.batch != 16:
        here = f"{training.rounds} rounds of {training.local_steps} step(s), batches of {training.batch}"
        yield Deviation("updates", f"{UPDATES} (200 epochs of about 8 batches of 16)", here, "declared by the study")
    if (training.server.name, training.server.rate) != ("adam", 5e-5):
        yield Deviation("optimiser", "Adam at 5e-5", f"{training.server.name} at {training.server.rate:g}", "declared by the study")


def _statistics(study: Study) -> Iterator[Deviation]:
    yield Deviation(
        "comparison of two models",
        "survcomp's t test, one-sided although called two-sided",
        "paired jackknife, two-sided; the published test beside it where its correlation is opened",
        "the published test takes the scores' rank correlation for that of the two C-indices",
    )
    yield Deviation(
        "combined C of validation and test",
        "inverse variance, most likely with Noether's errors",
        "inverse variance with the jackknife's; Noether's where days and scores are single and untied",
        "Noether's drops tied scores; a set whose error means nothing does not enter",
    )
    yield Deviation(
        "cut-off",
        "0.66 on a logarithmic scale of the score",
        "the training median of the linear predictor",
        "one scale, stored with the cut-off",
    )
