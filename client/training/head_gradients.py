"""Gradients of many patients at once above a frozen backbone: `torch.func.vmap` over patients.

The layers above the features are written out as a function of one patient, since torch's LSTM kernels have no rule for `vmap`:

    i, f, g, o = W_ih x + b_ih + W_hh h + b_hh,    c' = σ(f) c + σ(i) tanh g,    h' = σ(o) tanh c'

Each patient brings its features, the mask of its dropout, its baseline hazard and its event, and gets the gradient that a backward
pass of it alone would give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.func import grad, vmap

from shared_model.networks.rad_networks import HIDDEN, RadNetwork
from shared_model.survival.training_loss import broadcast_loss

LAYERS = 2
Parameters = Mapping[str, Tensor]


def head_gradients(network: RadNetwork, names: Sequence[str], features: Tensor, masks: Tensor, hazard: Tensor, event: Tensor) -> Tensor:
    """Gradients (N, D) of the parameters named, in their order, as float64.

    features (N, V, O, 32), masks (N, 8) of the dropout (ones for none), hazard (N,) float64 and event (N,) bool.
    """
    known = {name: tensor.detach() for name, tensor in network.named_parameters()}
    trained = {name: known[name] for name in names}
    found = vmap(grad(_loss(network.organs, network.visits, known)), in_dims=(None, 0, 0, 0, 0))(trained, features, masks, hazard, event)
    return torch.cat([found[name].double().reshape(len(features), -1) for name in names], dim=1)


def dropout_mask(network: RadNetwork, like: Tensor) -> Tensor:
    """The mask (1, 8) of one patient's dropout, drawn from its seed where the features' draws left off."""
    return network.noise.dropout(torch.ones((1, HIDDEN), dtype=like.dtype, device=like.device), network.drop, active=network.training)


def _loss(organs: Sequence[str], visits: int, frozen: Parameters) -> Callable[..., Tensor]:
    def loss(trained: Parameters, features: Tensor, mask: Tensor, hazard: Tensor, event: Tensor) -> Tensor:
        score = _score(organs, visits, {**frozen, **trained}, features, mask).double().reshape(1)
        return broadcast_loss(score, hazard.reshape(1), event.reshape(1), centre=0.0).sum()

    return loss


def _score(organs: Sequence[str], visits: int, p: Parameters, features: Tensor, mask: Tensor) -> Tensor:
    """One patient's score: features (V, O, 32), mask (8,)."""
    joined = [_recurrent(p, f"LSTM_{name}", features[:, k]) if visits > 1 else features[0, k] for k, name in enumerate(organs)]
    hidden = p["cls_1.weight"] @ torch.cat(joined) + p["cls_1.bias"]
    score: Tensor = p["cls_2.weight"] @ torch.relu(hidden * mask) + p["cls_2.bias"]
    return score.reshape(())


def _recurrent(p: Parameters, name: str, steps: Tensor) -> Tensor:
    """The last state (32,) of the upper layer after all visits (V, 32)."""
    inputs: list[Tensor] = list(steps)
    for layer in range(LAYERS):
        w_in, w_state, b_in, b_state = (p[f"{name}.{kind}_l{layer}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        state = cell = torch.zeros_like(inputs[0])
        states: list[Tensor] = []
        for x in inputs:
            i, f, g, o = (w_in @ x + b_in + w_state @ state + b_state).chunk(4)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            state = torch.sigmoid(o) * torch.tanh(cell)
            states.append(state)
        inputs = states
    return inputs[-1]
