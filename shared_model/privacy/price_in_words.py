"""The price of a study's differential privacy in plain words, for whoever writes, locks or approves it."""

from __future__ import annotations

from math import isfinite, sqrt

from shared_model.analyses.noised.noise_budget import ResultsNoise
from shared_model.privacy.epsilon_accounting import composed, epsilon_of, outcome_auc
from shared_model.privacy.noise_schedule import NoiseSchedule
from site_config.study.plan_and_lock import Study
from site_config.words_of_messages import plural

BARE_AUC = 0.92
"""Measured without noise, a block of 33 (docs/threat-model.md)."""


def price_lines(study: Study, n_blocks: int) -> list[str]:
    """What the noise promises and what it costs; empty where the study adds none.

    Example:
        >>> from site_config.study.study_presets import preset
        >>> price_lines(preset("tiny"), 1)
        []
    """
    if study.privacy.dp is None:
        return []
    schedule, results = NoiseSchedule.of(study, n_blocks), ResultsNoise.of(study)
    dp, releases = schedule.dp, schedule.networks * (schedule.updates + 1)
    counts = sqrt(results.squared) if results else 0.0
    summed, alone = (epsilon_of(composed([schedule.shift(shares), counts]), dp.delta) for shares in (dp.honest, 1))
    where = (
        f"each hospital adds a share, and the shares of any {plural(dp.honest, 'hospital')} carry all of it"
        if dp.placement == "distributed"
        else "each hospital adds all of it by itself"
    )
    return [
        f"Noise: {plural(releases, 'release')} a patient are noised; {where}.",
        f"What it costs a patient at δ = {dp.delta:g}: ε = {number(summed)} with the secure sum,"
        f" {number(alone)} for somebody who sees one hospital's vector without it.",
        f"Whether a patient died is then told apart with an AUC of at most {outcome_auc(composed([schedule.promised, counts])):.2f}"
        f" from everything opened ({BARE_AUC} was measured from one round without noise).",
        *_results_lines(study),
    ]


def _results_lines(study: Study) -> list[str]:
    """What is opened besides the networks, with how much noise."""
    noise, dp = ResultsNoise.of(study), study.privacy.dp
    if noise is None or dp is None:
        return [
            "Nothing else is opened: no count, no table, no loss, no evaluation; held-out patients are for a study of `kind: validate`."
        ]
    alone = number(epsilon_of(sqrt(noise.squared), dp.delta))
    return [
        f"Opened besides: counts by set with the noise of all {noise.holders} holders (standard deviation"
        f" {noise.survival_deviation:.1f} patients in each cell of survival, {noise.table_deviation:.1f} in each other count), sized for"
        f" {noise.honest} honest ones; Kaplan-Meier curves are computed from them. ε = {alone} of the whole for these; a held-out patient"
        " pays no more.",
        f"{noise.holders - noise.honest + 1} holders who pool their shares see a hospital's counts without noise.",
        "Nothing else is opened: no C-index, AUC, log-rank test, hazard ratio, calibration, cut-off or mean (FH-540).",
    ]


def signal_line(study: Study, n_blocks: int, trained: int) -> str:
    """The signal-to-noise estimate of one update of so many weights; '' where the study adds no noise."""
    if study.privacy.dp is None:
        return ""
    schedule = NoiseSchedule.of(study, n_blocks)
    ratio = schedule.signal_to_noise(trained, schedule.dp.patients)
    words = "noise drowns the update" if ratio < 0.5 else "barely above the noise" if ratio < 2 else "the update stands out"
    return (
        f"Trained: {trained:,} numbers ({schedule.dp.trainable}). Signal over noise of one update at most {ratio:.2g} with"
        f" {plural(schedule.dp.patients, 'patient')}: {words}."
    )


def number(epsilon: float) -> str:
    """An ε for a reader."""
    return f"{epsilon:.2f}" if isfinite(epsilon) and epsilon < 100 else f"{epsilon:,.0f}" if isfinite(epsilon) else "without bound"
