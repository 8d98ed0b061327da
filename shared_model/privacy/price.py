"""The price of a study's differential privacy in plain words, for whoever writes, locks or approves it."""

from __future__ import annotations

from math import isfinite

from shared_model.privacy.accounting import outcome_auc
from shared_model.privacy.schedule import NoiseSchedule
from site_config.names import plural
from site_config.study.model import Study

BARE_AUC = 0.92
"""Measured without noise, a block of 33 (docs/threat-model.md)."""


def price_lines(study: Study, n_blocks: int) -> list[str]:
    """What the noise promises and what it costs; empty where the study adds none.

    Example:
        >>> from site_config.study.presets import preset
        >>> price_lines(preset("tiny"), 1)
        []
    """
    if study.privacy.dp is None:
        return []
    schedule = NoiseSchedule.of(study, n_blocks)
    dp, releases = schedule.dp, schedule.networks * (schedule.updates + 1)
    where = (
        f"each hospital adds a share, and the shares of any {plural(dp.honest, 'hospital')} carry all of it"
        if dp.placement == "distributed"
        else "each hospital adds all of it by itself"
    )
    return [
        f"Noise: {plural(releases, 'release')} a patient are noised; {where}.",
        f"What it costs a patient at δ = {dp.delta:g}: ε = {number(schedule.epsilon(secure_sum=True))} with the secure sum,"
        f" {number(schedule.epsilon(secure_sum=False))} for whoever sees one hospital's vector without it.",
        f"Whether a patient died is then told apart with an AUC of at most {outcome_auc(schedule.promised):.2f}"
        f" from everything opened ({BARE_AUC} was measured from one round without noise).",
        "Nothing else is opened: no count, no table, no loss, no evaluation; held-out patients are for a study of `kind: validate`.",
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
