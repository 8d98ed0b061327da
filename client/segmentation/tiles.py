"""nnU-Net's sliding window in bounded memory: labels plane by plane, equal to nnU-Net's own export.

nnU-Net keeps the logits of every label for the whole scan and resamples them back: gigabytes for a hundred labels. Here
tiles are worked through row by row along the first axis; a plane that no later tile touches is finished, resampled to the
scan's own grid by nnU-Net's rule (linear, nearest between thick slices), turned into labels, and let go.

With many labels the last layer, a 1 × 1 convolution, is applied after averaging and resampling instead of before. Both are
linear, so the result is the same, and a few dozen features are kept instead of a hundred logits. Logits are kept in half
precision, as nnU-Net keeps them, so that labels are the same bit for bit; features in single precision.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LabelMap = NDArray[np.uint8]
BUFFER_BYTES = 2**30  # above: on disk
FEATURES_PAY = 2  # heads for one feature from which on features are kept
SLICES_AT_ONCE = 16
USUAL_RESAMPLING = "resample_data_or_seg_to_shape"


@dataclass(frozen=True)
class Way:
    """How planes of the network's grid become planes of the cropped scan: sizes, and linear or nearest along the first axis."""

    size: tuple[int, int, int]
    target: tuple[int, int, int]
    nearest: bool

    def sources(self, plane: int) -> tuple[int, int, float]:
        """The two planes an output plane lies between, and the upper one's weight."""
        last = self.size[0] - 1
        at = min(max((plane + 0.5) * self.size[0] / self.target[0] - 0.5, 0.0), float(last))
        if self.nearest:
            return (int(np.floor(at + 0.5)),) * 2 + (0.0,)
        low = int(np.floor(at))
        return low, min(low + 1, last), at - low


@dataclass
class Rolling:
    """Sums of weighted outputs for the planes from `first` on, and the last finished plane before them."""

    sums: Any
    weights: Any
    first: int = 0
    before: Any = None

    def plane(self, k: int) -> Any:
        """A finished plane (channels, y, x)."""
        if k == self.first - 1:
            return self.before
        return self.sums[:, k - self.first] / self.weights[k - self.first]

    def advance(self, to: int) -> None:
        """Let go of the planes before `to`."""
        if to <= self.first:
            return
        self.before = self.plane(to - 1).clone()
        step, depth = to - self.first, self.sums.shape[1]
        for low in range(depth - step):
            self.sums[:, low], self.weights[low] = self.sums[:, low + step], self.weights[low + step]
        self.sums[:, max(depth - step, 0) :], self.weights[max(depth - step, 0) :] = 0, 0
        self.first = to


@dataclass(frozen=True)
class Head:
    """The last layer, (labels, features) and (labels,), where it is applied late; None where outputs are logits already."""

    weight: Any = None
    bias: Any = None

    def logits(self, plane: Any) -> Any:
        """Logits of a plane (channels, y, x)."""
        import torch

        if self.weight is None:
            return plane
        made = torch.einsum("lf,fyx->lyx", self.weight, plane)
        return made if self.bias is None else made + self.bias[:, None, None]


def can_stream(predictor: Any, spacing: Sequence[float]) -> bool:
    """Whether nnU-Net's export of this model is one that is done here plane by plane."""
    kwargs = predictor.configuration_manager.configuration.get("resampling_fn_probabilities_kwargs", {})
    name = predictor.configuration_manager.configuration.get("resampling_fn_probabilities")
    _, axis = _separate(predictor, spacing)
    return name == USUAL_RESAMPLING and int(kwargs.get("order", 1)) == 1 and int(kwargs.get("order_z", 0)) == 0 and axis in (None, 0)


def _separate(predictor: Any, spacing: Sequence[float]) -> tuple[bool, int | None]:
    """nnU-Net's decision whether thick slices are resampled by themselves, and along which axis."""
    from nnunetv2.preprocessing.resampling.default_resampling import determine_do_sep_z_and_axis

    kwargs = predictor.configuration_manager.configuration.get("resampling_fn_probabilities_kwargs", {})
    own = list(predictor.configuration_manager.spacing)
    current = own if len(own) == 3 else [spacing[0], *own]
    threshold = {key: kwargs[key] for key in ("separate_z_anisotropy_threshold",) if key in kwargs}
    separate, axis = determine_do_sep_z_and_axis(kwargs.get("force_separate_z", False), current, list(spacing), **threshold)
    return bool(separate), None if axis is None else int(axis)


def labels_by_plane(
    predictor: Any, data: NDArray[np.float32], target: tuple[int, int, int], spacing: Sequence[float], wanted: Sequence[int]
) -> LabelMap:
    """Labels of a preprocessed image (1, z, y, x) on the cropped scan's voxels; planes outside `wanted` stay 0.

    `target` is the cropped scan's size and `spacing` its voxel size, both in the network's order of axes.
    """
    import torch
    from acvl_utils.cropping_and_padding.padding import pad_nd_image  # type: ignore[import-untyped]

    patch = tuple(int(n) for n in predictor.configuration_manager.patch_size)
    padded, inside = pad_nd_image(torch.from_numpy(np.ascontiguousarray(data)), patch, "constant", {"value": 0}, True, None)
    size = (int(data.shape[1]), int(data.shape[2]), int(data.shape[3]))
    separate, _ = _separate(predictor, spacing)
    way = Way(size, target, separate)
    out: LabelMap = np.zeros(target, dtype=np.uint8)
    pending = sorted(wanted)
    begin = int(inside[1].start or 0)  # the first plane that is not padding
    with _late_head(predictor) as head, torch.inference_mode():
        for rolling, finished in _rows(predictor, padded, patch, head):
            ready = [plane for plane in pending if way.sources(plane)[1] + begin < finished]
            for plane in ready:
                out[plane] = _labels(predictor, rolling, head, way, plane, begin, inside)
            pending = pending[len(ready) :]
    return out


def _labels(predictor: Any, rolling: Rolling, head: Head, way: Way, plane: int, begin: int, inside: Any) -> LabelMap:
    """One output plane: between its two source planes, in plane by linear interpolation, to labels."""
    import torch

    low, high, weight = way.sources(plane)
    kind = rolling.sums.dtype
    mixed = rolling.plane(low + begin).double()
    if weight > 0:
        mixed = mixed * (1 - weight) + rolling.plane(high + begin).double() * weight
    mixed = mixed[:, inside[2], inside[3]]
    if mixed.shape[1:] != way.target[1:]:
        mixed = torch.nn.functional.interpolate(mixed[None], size=way.target[1:], mode="bilinear", align_corners=False)[0]
    labels = predictor.label_manager.convert_logits_to_segmentation(head.logits(mixed.to(kind))[:, None])[0]
    return np.asarray(labels.cpu().numpy(), dtype=np.uint8)


@contextlib.contextmanager
def _late_head(predictor: Any) -> Iterator[Head]:
    """Take the last layer out of the network where that saves memory, and put it back afterwards."""
    import torch

    network = predictor.network
    layers: Any = getattr(getattr(network, "decoder", None), "seg_layers", None)
    last: Any = layers[-1] if layers is not None and len(layers) else None
    single = len(predictor.list_of_parameters) == 1 and isinstance(last, (torch.nn.Conv2d, torch.nn.Conv3d))
    if not single or set(last.kernel_size) != {1} or last.out_channels < FEATURES_PAY * last.in_channels:
        yield Head()
        return
    network.load_state_dict(predictor.list_of_parameters[0])
    device = predictor.device
    weight = last.weight.detach().reshape(last.out_channels, last.in_channels).float().to(device)
    layers[-1] = torch.nn.Identity()
    try:
        yield Head(weight, None if last.bias is None else last.bias.detach().float().to(device))
    finally:
        layers[-1] = last


def _rows(predictor: Any, data: Any, patch: tuple[int, ...], head: Head) -> Iterator[tuple[Rolling, int]]:
    """Work through the tiles row by row; yields the sums and how many planes are finished."""
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

    shape = tuple(int(n) for n in data.shape[1:])
    flat = len(patch) == 2
    network = predictor.network.to(predictor.device).eval()
    channels = head.weight.shape[1] if head.weight is not None else predictor.label_manager.num_segmentation_heads
    step = predictor.tile_step_size
    in_plane = compute_steps_for_sliding_window(shape[1:], patch[-2:], step)
    depth = min(SLICES_AT_ONCE, shape[0]) if flat else patch[0]
    starts = list(range(0, shape[0], depth)) if flat else compute_steps_for_sliding_window(shape[:1], patch[:1], step)[0]
    with tempfile.TemporaryFile(prefix="fedhcc-tiles-") as disk:
        half = head.weight is None
        rolling = Rolling(*_buffers((channels, depth, *shape[1:]), predictor, disk, half))
        gaussian = _gaussian(patch, predictor.device)
        for row, start in enumerate(starts):
            rolling.advance(start)
            for number, weights in enumerate(predictor.list_of_parameters):
                if head.weight is None and (len(predictor.list_of_parameters) > 1 or row == 0):
                    network.load_state_dict(weights)
                for y in in_plane[0]:
                    for x in in_plane[1]:
                        place = (slice(start, start + depth), slice(y, y + patch[-2]), slice(x, x + patch[-1]))
                        _add(predictor, data[(slice(None), *place)], rolling, place[1:], gaussian, flat, number == 0)
            yield rolling, starts[row + 1] if row + 1 < len(starts) else shape[0]


def _add(predictor: Any, tile: Any, rolling: Rolling, place: tuple[slice, slice], gaussian: Any, flat: bool, first: bool) -> None:
    """Run one tile through the network and add it with nnU-Net's weights."""
    import torch

    device = predictor.device
    image = tile.permute(1, 0, 2, 3) if flat else tile[None]
    context = torch.autocast(device.type, enabled=True) if device.type == "cuda" else contextlib.nullcontext()
    with context:
        made = predictor._internal_maybe_mirror_and_predict(image.to(device))
    made = made.permute(1, 0, 2, 3) if flat else made[0]
    made = made.to(rolling.sums.device)
    weight = gaussian.to(rolling.sums.device)
    where = (slice(0, made.shape[1]), *place)
    for channel in range(made.shape[0]):
        rolling.sums[(channel, *where)] += made[channel] * weight
    if first:
        rolling.weights[where] += weight * len(predictor.list_of_parameters)


def _gaussian(patch: tuple[int, ...], device: Any) -> Any:
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    return compute_gaussian(patch, sigma_scale=1.0 / 8, value_scaling_factor=10, device=device)


def _buffers(shape: tuple[int, ...], predictor: Any, disk: Any, half: bool) -> tuple[Any, Any]:
    """Room for sums (channels, planes, y, x) and weights: on the device where it has room, in memory, or on disk."""
    import torch

    kind, plain = (torch.float16, np.float16) if half else (torch.float32, np.float32)
    size = int(np.prod(shape)) * (2 if half else 4)
    weights = torch.zeros(shape[1:], dtype=kind)
    device = predictor.device
    if device.type == "cuda" and predictor.perform_everything_on_device and size < torch.cuda.mem_get_info(device)[0] // 3:
        return torch.zeros(shape, dtype=kind, device=device), weights.to(device)
    if size <= BUFFER_BYTES:
        return torch.zeros(shape, dtype=kind), weights
    disk.truncate(size)
    return torch.from_numpy(np.memmap(disk, dtype=plain, mode="r+", shape=shape)), weights
