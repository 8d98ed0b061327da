"""Where a network looked: Grad-CAM (Selvaraju et al. 2017) of the risk score, slice by slice.

MONAI's `visualize.GradCAM` is asked once an organ and visit, with that organ's slices as its batch and everything else of
the patient held fixed. The map is read at the deepest layer that still has 7 × 7 places, because deeper ones cannot point
at anything in a small image. Positive values raise the risk score; maps are brought to the slice's size, unscaled.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared_model.networks.rad_networks import RadNetwork

PLACES = 7
Floats = NDArray[np.float32]


class _OneOrgan(nn.Module):
    """The score as a function of one organ's slices (S, 1, H, W) of one visit; other features are fixed."""

    def __init__(self, network: RadNetwork, images: Tensor, visit: int, organ: int) -> None:
        super().__init__()
        self.network, self.visit, self.organ = network, visit, organ
        with torch.no_grad():
            self.fixed = network.features(images)
        self.extractor = network.get_submodule(f"extractor_{network.organs[organ]}")

    def forward(self, slices: Tensor) -> Tensor:
        """The score as one class, repeated for every slice (S, 1)."""
        features = self.fixed.clone()
        features[0, self.visit, self.organ] = self.extractor(slices).mean(dim=0)
        return self.network.head(features).expand(slices.shape[0]).unsqueeze(1)


def grad_cam(network: RadNetwork, images: NDArray[np.float32]) -> Floats:
    """Maps (V, O, S, H, W) ≥ 0 of one patient's slices (V, O, S, H, W); V as many visits as the network reads."""
    from monai.visualize import GradCAM

    network = copy.deepcopy(network).cpu().eval()  # scores may have left it on a GPU
    tensor = torch.from_numpy(np.array(images))[None].to(next(network.parameters()).dtype)[:, : network.visits]
    maps = np.zeros(tensor.shape[1:], dtype=np.float32)
    layer = target_layer(network, tensor.shape[-1])
    for visit in range(tensor.shape[1]):
        for organ in range(tensor.shape[2]):
            view = _OneOrgan(copy.deepcopy(network), tensor, visit, organ)
            cam = GradCAM(
                nn_module=view, target_layers=f"network.extractor_{network.organs[organ]}.{layer}", postprocessing=lambda values: values
            )
            with torch.backends.cudnn.flags(enabled=False):  # a recurrent layer in eval mode has no backward pass in cuDNN
                found = cam(x=tensor[0, visit, organ].unsqueeze(1), class_idx=0)
            maps[visit, organ] = np.maximum(found.detach().numpy()[:, 0], 0.0)
    return maps


def target_layer(network: RadNetwork, size: int) -> str:
    """Name of the deepest layer of an extractor whose map of a `size` × `size` slice has at least 7 × 7 places."""
    if network.backbone == "small":
        by_stride = {2: "stages.0", 4: "stages.1", 8: "stages.2", 16: "stages.3"}
    else:
        by_stride = {2: "_blocks.0", 4: "_blocks.1", 8: "_blocks.2", 16: "_blocks.4", 32: "_blocks.6"}
    fitting = [stride for stride in by_stride if size // stride >= PLACES]
    return by_stride[max(fitting, default=2)]
