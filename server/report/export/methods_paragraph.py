"""A methods paragraph from the lock: what was planned and locked, in the words of a paper; results are not in it."""

from __future__ import annotations

from collections.abc import Iterator

from server.report import number_text
from server.report.parts.part import ReportedStudy
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS
from site_config.study.time_points import zero_words

BACKBONES = {"efficientnet-b0": "an EfficientNet-b0", "small": "a small convolutional network"}


def paragraph(report: ReportedStudy) -> str:
    """All sentences as one paragraph."""
    return " ".join(sentences(report))


def sentences(report: ReportedStudy) -> Iterator[str]:
    """Design, outcome, predictors, images, models, training, evaluation, protection, software."""
    yield from _design(report)
    yield from _outcome(report.study)
    yield from _predictors(report.study)
    if report.study.reads_scans:
        yield from _images(report.study)
    yield from _models(report.study)
    yield from _evaluation(report)
    yield from _protection(report)
    yield from _software(report)


def _design(report: ReportedStudy) -> Iterator[str]:
    lock, study = report.result.lock, report.study
    roles = [entry["role"] for entry in lock.get("roster", [])]
    develop, evaluate = roles.count("development"), roles.count("evaluation")
    kind = "evaluated a frozen prognostic model" if study.kind == "validate" else "developed and evaluated prognostic models"
    yield (
        f"This federated multi-centre study {kind} without moving patients' records: "
        f"{number_text.plural(develop, 'hospital')} took part in development and "
        f"{number_text.plural(evaluate, 'hospital')} in evaluation alone."
    )
    if report.simulated:
        yield "All patients were simulated."
    if study.draw is not None:
        yield f"The evaluation hospitals were drawn at random (seed {study.draw.seed}) before the study was locked."
    if study.validation_fraction:
        share = number_text.number(study.validation_fraction)
        yield (
            f"In every development hospital a patient fell into validation with probability {share}, by a "
            "hash of the pseudonym keyed with a secret of the hospital."
        )


def _outcome(study: Study) -> Iterator[str]:
    horizons = number_text.listed([f"{horizon}" for horizon in study.evaluation.horizons])
    yield (
        f"The outcome was {study.endpoint.label[:1].lower()}{study.endpoint.label[1:]}: days from {zero_words(study)} to "
        f"{study.endpoint.event_label}, censored on the right. Predictions were evaluated at {horizons} days."
    )


def _predictors(study: Study) -> Iterator[str]:
    if MODELS.read_variables(study.models):
        names = [f"{variable.titled} ({variable.kind})" for variable in study.clinical]
        yield f"Clinical predictors were {number_text.listed(names)}; patients who lacked one were left out."


def _images(study: Study) -> Iterator[str]:
    imaging = study.imaging
    organs = number_text.listed([f"{o.name} (window {o.window.width:g}/{o.window.level:g} HU)" for o in study.organs])
    yield (
        f"CT at baseline and at the first follow-up ({imaging.interval_days[0]} to {imaging.interval_days[1]} days later) was resampled to "
        f"{imaging.spacing_mm:g} mm in z; of each organ ({organs}) {imaging.slices} slices were selected by tumour area "
        f"(rule: {imaging.rule}), at {imaging.size} × {imaging.size} pixels."
    )
    if imaging.missing_followup_chest == "carry_forward":
        yield "Where the chest was not scanned at follow-up, the baseline slices stood in for it."


def _models(study: Study) -> Iterator[str]:
    models = MODELS.fitted(study.models)
    yield f"Models were {number_text.listed([_described(model.name) for model in models])}."
    if MODELS.networks(study.models):
        training, network = study.training, study.network
        start = "ImageNet weights" if network.pretrained_sha256 and network.warm_start == "none" else _start(study)
        yield (
            f"Each network was {BACKBONES[network.backbone]} per organ, averaged over slices, with a recurrent layer over the visits "
            f"(normalisation: {network.norm}; start: {start}). It was trained for {training.rounds} rounds with batches of "
            f"{training.batch}, the server's {training.server.name.capitalize()} at {training.server.rate:g}, on the Cox partial "
            f"likelihood by way of a broadcast baseline hazard ({training.ties.capitalize()} ties); the weights of the "
            f"{training.keep} round were kept."
        )
    if any(model.is_fused for model in models):
        yield "A fused score is the linear predictor of a Cox model of the radiological and the clinical score."


def _start(study: Study) -> str:
    return "weights learned on simulated scans" if study.network.warm_start == "phantom" else "random"


def _described(name: str) -> str:
    model = MODELS[name]
    if model.is_fused:
        return f"{name} ({number_text.listed(list(model.needs))} fused)"
    return f"{name} ({model.scans})" if model.is_network else f"{name} (a Cox model of the clinical predictors)"


def _evaluation(report: ReportedStudy) -> Iterator[str]:
    yield (
        "Risk groups were parted at the median training score, frozen before a hospital of the evaluation was opened. Discrimination "
        "was measured by Harrell's C-index (infinitesimal-jackknife standard errors) and by the cumulative/dynamic area under the ROC "
        "curve (inverse probability of censoring), calibration by groups of predicted risk and by the slope; survival was estimated by "
        "Kaplan–Meier (log-log intervals) and compared by log-rank tests and Cox hazard ratios. C-indices of the two held-out sets "
        "were combined by inverse variance, two models compared by the paired jackknife. Tests are two-sided, without correction for "
        "multiple comparisons."
    )


def _protection(report: ReportedStudy) -> Iterator[str]:
    privacy = report.study.privacy
    if report.analyses is not None or report.study.resolution == "shares":
        holders = report.result.lock.get("holders", [])
        yield (
            f"Statistics were computed on secret shares of patients' rows held by {number_text.plural(len(holders), 'hospital')}; only the "
            "declared results were opened."
        )
    if privacy.masks:
        yield (
            "Model updates and sums were added up under pairwise masks; no sum of fewer than "
            f"{privacy.minimum_sites} hospitals or {privacy.minimum_patients} patients was opened. No differential privacy was used."
        )


def _software(report: ReportedStudy) -> Iterator[str]:
    code = str(report.result.lock.get("code_digest", ""))[:12]
    yield f"The plan was locked and signed (study {report.result.study_id[:12]}, code {code}). Software: {report.result.software}."
