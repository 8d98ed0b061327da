"""The per-patient training loss under a broadcast hazard (the only torch file of this package).

loss_i = e^{f_i − c} H_i − δ_i (f_i − c), with H_i from `hazard.*.for_patients` at the broadcast weights. Summed over all
patients its gradient at the broadcast scores is exactly that of the pooled negative log partial likelihood, and with H
frozen the sum is a tangent upper bound of it (DESIGN, section 3).
"""

from __future__ import annotations

import torch
from torch import Tensor

EXPONENT_LIMIT = 30.0


def bounded_exp(exponent: Tensor, limit: Tensor | float) -> Tensor:
    """e^x up to `limit`, its tangent beyond: continuous, once differentiable, never infinite. Shape as `exponent`."""
    ceiling = torch.as_tensor(limit, dtype=exponent.dtype, device=exponent.device)
    below = torch.minimum(exponent, ceiling)
    return torch.exp(below) * (1 + (exponent - below))


def broadcast_loss(
    score: Tensor,
    hazard_i: Tensor,
    event: Tensor,
    *,
    centre: float | Tensor,
    broadcast_score: Tensor | None = None,
    step_limit: float = 2.0,
) -> Tensor:
    """Loss (n,) of every patient; sum it over a batch and divide by a count the whole federation agrees on.

    score (n,) with gradient; hazard_i (n,) ≥ 0 relative to `centre`; event (n,) bool. Where `broadcast_score` (n,) is
    given, the exponential is continued by its tangent once a score has risen by more than `step_limit` above it, so
    that several local steps cannot diverge; without it the tangent starts at an expected count of e^30.
    """
    hazard = hazard_i.to(score.dtype)
    shifted = score - centre
    exponent = shifted + torch.log(hazard)
    if broadcast_score is None:
        limit: Tensor | float = EXPONENT_LIMIT
    else:
        limit = (broadcast_score.detach() - centre + step_limit + torch.log(hazard)).clamp(max=EXPONENT_LIMIT)
    # H = 0 (nobody died before): exponent and limit are −∞, and their difference is no number.
    expected = torch.where(hazard > 0, bounded_exp(torch.where(hazard > 0, exponent, torch.zeros_like(exponent)), _finite(limit)), 0.0)
    return expected - torch.where(event.bool(), shifted, torch.zeros_like(shifted))


def _finite(limit: Tensor | float) -> Tensor | float:
    return torch.nan_to_num(limit, neginf=0.0) if isinstance(limit, Tensor) else limit


def local_risk_set_loss(score: Tensor, day: Tensor, event: Tensor) -> Tensor:
    """Negative log partial likelihood (scalar, Breslow) of the patients given, each site its own risk sets.

    What federated averaging with an ordinary Cox loss does; here for comparison only: it is 0 for one patient.
    """
    later = day[None, :] >= day[:, None]
    spread = score[None, :].expand(len(score), -1).masked_fill(~later, float("-inf"))
    terms = torch.logsumexp(spread, dim=1) - score
    return torch.where(event.bool(), terms, torch.zeros_like(terms)).sum()
