"""Rad-S and Rad-D: a convolutional network an organ, a recurrent one over the two visits, one score a patient.

Xia et al. 2024 and DESIGN section 3: every slice of an organ passes through that organ's extractor (32 features), the
slices' features are averaged, a two-layer LSTM(32) an organ reads baseline and follow-up (Rad-D; Rad-S has the baseline
alone and no recurrent layer), and the organs' vectors are concatenated into linear 32·O → 8 → 1 with dropout and ReLU
between. The tensors' names are those of the authors' published code, so its weights fit. The score is a log hazard.

All slices, visits and patients of an organ go through its extractor as one batch: one forward pass instead of twelve.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shared_model.networks.dropout import PatientNoise
from shared_model.networks.extractors import FEATURES, extractor
from site_config.problems import model as problems
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS, NetworkName

HIDDEN = 8


class RadNetwork(nn.Module):
    """Images (N, V, O, S, H, W) to risk scores (N,).

    V is the visit (0 baseline, 1 follow-up; Rad-S reads visit 0), O the organ in the study's order, S the slice.
    `noise` draws dropout and drop-connect masks patient by patient; without `noise.seeds` nothing is dropped, also in
    training mode. `norm="frozen"` keeps the normalisation's statistics whatever `train()` is told. The bias of the last
    layer is not trained: the baseline hazard takes its place.
    """

    def __init__(self, model: NetworkName, organs: Sequence[str], *, backbone: str, norm: str, dropout: float) -> None:
        super().__init__()
        self.model, self.organs, self.backbone, self.norm = model, tuple(organs), backbone, norm
        self.noise = PatientNoise()
        for organ in self.organs:
            self.add_module(f"extractor_{organ}", extractor(backbone, norm, self.noise, dropout > 0))
        if self.visits > 1:
            for organ in self.organs:
                self.add_module(f"LSTM_{organ}", nn.LSTM(input_size=FEATURES, hidden_size=FEATURES, num_layers=2, batch_first=True))
        self.cls_1 = nn.Linear(FEATURES * len(self.organs), HIDDEN)
        self.cls_2 = nn.Linear(HIDDEN, 1)
        self.cls_2.bias.requires_grad_(False)
        self.drop = dropout

    @property
    def architecture(self) -> str:
        """What the tensors belong to; part of the schema's hash."""
        return f"{self.model} {self.backbone} {self.norm} {'+'.join(self.organs)}"

    @property
    def visits(self) -> int:
        """Visits the network reads: 1 (Rad-S) or 2 (Rad-D)."""
        return MODELS[self.model].visits

    def features(self, images: Tensor) -> Tensor:
        """Mean features of the slices, (N, V, O, 32), of the visits the network reads."""
        patients, slices, height, width = images.shape[0], images.shape[3], images.shape[4], images.shape[5]
        organs = []
        for index, organ in enumerate(self.organs):
            stack = images[:, : self.visits, index].reshape(-1, 1, height, width)
            out = self.get_submodule(f"extractor_{organ}")(stack.contiguous(memory_format=torch.channels_last))
            organs.append(out.reshape(patients, self.visits, slices, FEATURES).mean(dim=2))
        return torch.stack(organs, dim=2)

    def head(self, features: Tensor) -> Tensor:
        """Scores (N,) of slice-averaged features (N, V, O, 32)."""
        if self.visits > 1:
            joined = [self.get_submodule(f"LSTM_{organ}")(features[:, :, index])[0][:, -1] for index, organ in enumerate(self.organs)]
        else:
            joined = [features[:, 0, index] for index in range(len(self.organs))]
        hidden = self.cls_1(torch.cat(joined, dim=1))
        score: Tensor = self.cls_2(torch.relu(self.noise.dropout(hidden, self.drop, active=self.training)))
        return score.squeeze(1)

    def forward(self, images: Tensor) -> Tensor:
        """Risk scores (N,) of images (N, V, O, S, H, W)."""
        return self.head(self.features(images))

    def train(self, mode: bool = True) -> RadNetwork:
        """Training mode; frozen normalisation stays at its statistics."""
        super().train(mode)
        if self.norm == "frozen":
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def build(study: Study, model: NetworkName, *, seed: int | None = None, pooled: bool = False) -> RadNetwork:
    """The study's network with random weights; the same `seed` gives the same weights.

    Batch normalisation is refused unless `pooled`: its statistics are those of a hospital's few patients, they are not a
    sum over patients, and a micro-batch would change the gradient.
    """
    if study.network.norm == "batch" and not pooled:
        raise problems.BATCH_NORM.problem("network.norm is batch in a federated study", where="study.yaml: network.norm")
    names = [organ.name for organ in study.organs]
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        network = RadNetwork(
            model, names, backbone=study.network.backbone, norm=study.network.norm, dropout=study.network.dropout.get(model, 0.0)
        )
    network.to(dtype=torch.float64 if study.training.precision == "float64" else torch.float32)
    network.to(memory_format=torch.channels_last)
    return network.eval()
