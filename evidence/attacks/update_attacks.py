"""Attacks on model updates: e (one patient's update inverted) and i (site means from sampled sums)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evidence.attacks.attack_result import AttackResult, control, statistical
from evidence.attacks.attacked_cohorts import LEVELS, AttackedCohort, Floats, controls, draw, encode
from evidence.attacks.attacked_federation import seeded_bytes
from evidence.attacks.claims_about_patients import Claims, score, summary
from shared_model.secure_sum import pairwise_masks
from shared_model.statistics.statistic_declaration import Segment

HIDDEN = 8
SITES, DIMENSION, ROUNDS, BLOCK = 52, 64, 200, 13
UPDATE = Segment("update", (HIDDEN * 8,), bound=1024.0, ring=32, resolution=0.0)


def _network(seed: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.5, (HIDDEN, 7)), rng.normal(0, 0.1, HIDDEN), rng.normal(0, 0.5, HIDDEN)


def one_patient_update(x: Floats, day: float, event: bool, rate: float, network: tuple[Floats, Floats, Floats]) -> Floats:
    """Gradient of e^f·H(t) − δ·f of a two-layer network, first layer's weights and bias (HIDDEN, 8), flat."""
    w1, b1, w2 = network
    hidden = np.tanh(w1 @ x + b1)
    outer = np.exp(w2 @ hidden) * rate * day - float(event)
    back = outer * w2 * (1 - hidden**2)
    return np.asarray(np.concatenate([back[:, None] * x[None, :], back[:, None]], axis=1).reshape(-1), dtype=np.float64)


def invert(update: Floats, rate: float, network: tuple[Floats, Floats, Floats]) -> tuple[Floats, float]:
    """The patient behind a one-patient update: weights over bias give the covariates, the residual gives the day."""
    w1, b1, w2 = network
    gradient = update.reshape(HIDDEN, 8)
    unit = int(np.argmax(np.abs(gradient[:, 7])))
    if gradient[unit, 7] == 0:
        return np.zeros(7), 0.0
    x = np.clip(np.rint(gradient[unit, :7] / gradient[unit, 7]), 0, np.array(LEVELS) - 1)
    hidden = np.tanh(w1 @ x + b1)
    outer = gradient[unit, 7] / (w2[unit] * (1 - hidden[unit] ** 2))
    risk = float(np.exp(w2 @ hidden)) * rate
    # The event is not known: a residual below 0 can only be a death, one above is taken as censored.
    return x, float((outer + 1) / risk if outer < 0 else outer / risk)


def _claims(cohort: AttackedCohort, seed: int, masked: bool) -> Claims:
    rate, network = 1 / 700.0, _network(seed)
    entropy = seeded_bytes(f"update {seed}")
    rows, days = [], []
    for i in range(cohort.n):
        update = one_patient_update(cohort.x[i].astype(np.float64), cohort.day[i], bool(cohort.event[i]), rate, network)
        vectors = {"update": pairwise_masks.quantise(UPDATE, update, SITES)}
        if masked:
            keys = {f"peer-{k}": entropy(32) for k in range(3)}
            pairwise_masks.add_pair_masks(vectors, "site", keys)
            pairwise_masks.seed_mask(vectors, entropy(32), bytes(32), "site")
        seen = vectors["update"].view("<i4").astype(np.float64) * pairwise_masks.step(UPDATE, SITES)
        x, day = invert(seen, rate, network)
        rows.append(x)
        days.append(day)
    return Claims(encode(np.array(rows)), np.array(days))


def attack_e(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Inversion of a one-patient update, as it is and as it leaves."""
    title = "Inversion of a one-patient update"
    chosen = [(draw(n, seed), controls(n, seed), seed) for seed in seeds]
    plain = summary([score(_claims(cohort, seed, masked=False), cohort, others) for cohort, others, seed in chosen])
    masked = summary([score(_claims(cohort, seed, masked=True), cohort, others) for cohort, others, seed in chosen])
    results = [control("e", f"{title}: unmasked", plain, plain["unique_hit_share"] >= 0.6, n)]
    return [*results, statistical("e", f"{title}: masked", n, masked)]


def _cosines(estimate: Floats, true: Floats) -> Floats:
    norms = np.linalg.norm(estimate, axis=1) * np.linalg.norm(true, axis=1)
    return np.asarray((estimate * true).sum(axis=1) / np.where(norms > 0, norms, 1.0))


def least_squares(groups_of_round: Sequence[Sequence[Sequence[int]]], seed: int) -> tuple[float, float]:
    """Median cosine of estimated and true mean updates of the sites, and of the estimates with another draw's sites.

    `groups_of_round`: a round's groups of sites whose sum is opened. A site's update in a round is its mean plus noise of
    a tenth of its size.
    """
    rng = np.random.default_rng(seed)
    mean, other = rng.normal(0, 1, (2, SITES, DIMENSION))
    rows, values = [], []
    for groups in groups_of_round:
        noisy = mean + 0.1 * rng.normal(0, 1, mean.shape)
        for group in groups:
            rows.append(np.isin(np.arange(SITES), group).astype(np.float64))
            values.append(noisy[list(group)].sum(axis=0))
    estimate = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    return float(np.median(_cosines(estimate, mean))), float(np.median(_cosines(estimate, other)))


def attack_i(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Two hundred rounds of sums: least squares for every site's mean update, under site sampling and in fixed blocks.

    In fixed blocks every round opens the same sums, so that least squares gives a block's mean and no more: a site's share of
    it has cosine 1/√sites, which is what knowing the opened sum means. `holds` asks for at most that plus five hundredths.
    """
    title = "Site updates from 200 rounds of sums"
    sampled, fixed, chance = [], [], []
    blocks = [list(range(start, start + BLOCK)) for start in range(0, SITES, BLOCK)]
    for seed in seeds:
        rng = np.random.default_rng([seed, 9])
        half = [[np.flatnonzero(rng.uniform(size=SITES) < 0.5).tolist()] for _ in range(ROUNDS)]
        sampled.append(least_squares(half, seed)[0])
        found = least_squares([blocks] * ROUNDS, seed)
        fixed.append(found[0])
        chance.append(found[1])
    cosine = float(np.median(sampled))
    in_blocks = {"cosine": float(np.median(fixed)), "cosine_of_a_share": BLOCK**-0.5, "cosine_with_other_sites": float(np.median(chance))}
    held = in_blocks["cosine"] <= in_blocks["cosine_of_a_share"] + 0.05
    return [
        control("i", f"{title}: half of the sites sampled", {"cosine": cosine, "rounds": ROUNDS}, cosine >= 0.99),
        AttackResult("i", f"{title}: fixed blocks of {BLOCK}", "default", "a block's mean only" if held else "succeeds", held, in_blocks),
    ]
