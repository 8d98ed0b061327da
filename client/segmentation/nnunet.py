"""Segmentation by a genuine nnU-Net v2 model, in process.

Preprocessing, sliding window and labels are nnU-Net's own. What is left out is its last step, resampling the logits back:
the slice rule needs areas on the 5 mm grid only, so the label map goes there by nearest neighbour. A two-dimensional
model sees the grid's slices themselves; a three-dimensional one sees the scan at its own resolution.
"""

from __future__ import annotations

import contextlib
import io
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client.imaging.slices import Grid, stack
from client.imaging.volume import Volume
from client.segmentation.safe_load import ModelFiles
from client.training.device import choose_device, is_out_of_memory
from site_config.problems import segmentation as problems
from site_config.site import SegmentationModel

LabelMap = NDArray[np.uint8]
_ONE_AT_A_TIME = threading.Lock()  # nnU-Net changes torch's thread count for the whole process
SLICES_AT_ONCE = 16


@contextlib.contextmanager
def _quiet() -> Any:
    """Swallow what nnU-Net prints; problems are raised, not printed."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


SHARE_OF_FREE = 0.5
"""Of the GPU's free memory, what the logits of a whole scan may take; the rest is the network's and a tile's."""


def logits_on_gpu(heads: int, shape: tuple[int, ...], free_bytes: int) -> bool:
    """Whether logits of a scan of `shape` voxels for so many `heads` fit beside the network; else they gather on the host.

    nnU-Net keeps them and the weights of overlapping tiles in half precision, and needs a second copy of one for a moment.

    Example:
        >>> logits_on_gpu(3, (400, 512, 512), 70 * 2**30), logits_on_gpu(118, (400, 512, 512), 40 * 2**30)
        (True, False)
    """
    voxels = 1
    for size in shape:
        voxels *= size
    return 2 * (heads + 2) * voxels <= SHARE_OF_FREE * free_bytes


@dataclass(frozen=True)
class NnUNetModel:
    """A loaded model. `labels` are the label numbers it can give; `digest` names files and options."""

    name: str
    digest: str
    labels: frozenset[int]
    flat: bool
    reverse_in_plane: bool
    predictor: Any = field(repr=False, compare=False)

    def label_map(self, volume: Volume, grid: Grid) -> LabelMap:
        """Labels (k, y, x) on the grid. Raises FH-346 when the device fails or memory runs out."""
        spacing_z = float(grid.z_mm[1] - grid.z_mm[0]) if self.flat and len(grid) > 1 else volume.slice_mm
        image = stack(volume.hu, grid) if self.flat else volume.hu
        if self.reverse_in_plane:
            image = image[:, ::-1, ::-1]
        try:
            with _ONE_AT_A_TIME, _quiet():
                labels = self._predict(image, (spacing_z, *volume.spacing_mm))
        except (RuntimeError, MemoryError) as error:
            kind = "memory ran out" if is_out_of_memory(error) else "the device failed"
            raise problems.SEGMENTATION_FAILED.problem(f"the model {self.name} stopped: {kind}", where="segmentation") from None
        if self.reverse_in_plane:
            labels = labels[:, ::-1, ::-1]
        return np.ascontiguousarray(labels if self.flat else labels[grid.lower + (grid.upper_weight >= 0.5)])

    def _predict(self, image: NDArray[np.int16], spacing: tuple[float, float, float]) -> LabelMap:
        """Labels on the image's own voxels, (z, y, x)."""
        predictor = self.predictor
        plans, configuration = predictor.plans_manager, predictor.configuration_manager
        properties: dict[str, Any] = {"spacing": list(spacing)}
        preprocessor = configuration.preprocessor_class(verbose=False)
        data, _, properties = preprocessor.run_case_npy(
            image[None].astype(np.float32), None, properties, plans, configuration, predictor.dataset_json
        )
        heads = predictor.label_manager.num_segmentation_heads
        if predictor.device.type == "cuda":
            torch.cuda.empty_cache()
            predictor.perform_everything_on_device = logits_on_gpu(heads, data.shape[1:], torch.cuda.mem_get_info()[0])
        segmented = predictor.label_manager.convert_logits_to_segmentation(self._logits(data)).numpy().astype(np.uint8)
        if predictor.device.type == "cuda":
            torch.cuda.empty_cache()  # training shares the card
        cropped = tuple(int(n) for n in properties["shape_after_cropping_and_before_resampling"])
        resized = segmented[np.ix_(*(_nearest(now, then) for now, then in zip(segmented.shape, cropped, strict=True)))]
        whole = np.zeros(tuple(int(n) for n in properties["shape_before_cropping"]), dtype=np.uint8)
        whole[tuple(slice(low, high) for low, high in properties["bbox_used_for_cropping"])] = resized
        return whole.transpose(plans.transpose_backward)

    def _logits(self, data: NDArray[np.float32]) -> Any:
        """Logits of a preprocessed image; slices that fit one tile go through a flat network many at a time."""
        predictor = self.predictor
        tensor = torch.from_numpy(np.ascontiguousarray(data))
        tile = tuple(predictor.configuration_manager.patch_size)
        one_tile = len(tile) == 2 and all(n <= m for n, m in zip(tensor.shape[2:], tile, strict=True))
        if not one_tile or predictor.use_mirroring:
            return predictor.predict_logits_from_preprocessed_data(tensor).cpu()
        padding = [
            n for size, full in zip(tensor.shape[:1:-1], tile[::-1], strict=True) for n in ((full - size) // 2, (full - size + 1) // 2)
        ]
        padded = torch.nn.functional.pad(tensor, padding).permute(1, 0, 2, 3)
        network = predictor.network.to(predictor.device).eval()
        total: Any = 0
        with torch.inference_mode():
            for weights in predictor.list_of_parameters:
                if len(predictor.list_of_parameters) > 1:
                    network.load_state_dict(weights)
                parts = [network(part.to(predictor.device)).cpu() for part in torch.split(padded, SLICES_AT_ONCE)]
                total = total + torch.cat(parts)
        top, left = padding[2], padding[0]
        return total.permute(1, 0, 2, 3)[:, :, top : top + tensor.shape[2], left : left + tensor.shape[3]]


def _nearest(now: int, then: int) -> NDArray[np.intp]:
    """For each of `then` positions the nearest of `now`, ends aligned as skimage's resize aligns them."""
    return np.minimum(((np.arange(then) + 0.5) * now / then).astype(np.intp), now - 1)


def load(files: ModelFiles, options: SegmentationModel, device: str) -> NnUNetModel:
    """Build the network of verified files. Raises FH-342 when weights and plans do not fit each other, FH-605 without the GPU asked for."""
    chosen = choose_device(device)
    with _quiet():
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        plans = PlansManager(files.plans)
        configuration = plans.get_configuration(files.configuration)
        label_manager = plans.get_label_manager(files.dataset)
        predictor = nnUNetPredictor(
            tile_step_size=options.step,
            use_mirroring=options.mirroring,
            perform_everything_on_device=chosen.type == "cuda",
            device=chosen,
            allow_tqdm=False,
        )
        try:
            network = nnUNetTrainer.build_network_architecture(
                plans, configuration, 1, label_manager.num_segmentation_heads, enable_deep_supervision=False
            )
            weights = [dict(checkpoint["network_weights"]) for checkpoint in files.checkpoints]
            for one in weights:
                network.load_state_dict(one)
        except (RuntimeError, TypeError, KeyError, ValueError, AttributeError):
            raise problems.MODEL_UNSUPPORTED.problem(
                f"the weights of {files.name} do not fit the network that its plans.json describes",
                where=f"segmentation.models.{files.name}",
            ) from None
        axes = files.checkpoints[0].get("inference_allowed_mirroring_axes")
        predictor.manual_initialization(network, plans, configuration, weights, files.dataset, "nnUNetTrainer", axes)
    flat = len(configuration.patch_size) == 2 and list(plans.transpose_forward) == [0, 1, 2]
    reorients = files.plans.get("image_reader_writer") == "NibabelIOWithReorient"
    labels = frozenset(int(label) for label in label_manager.all_labels)
    return NnUNetModel(
        files.name, files.digest, labels, flat, reorients if options.orientation == "auto" else options.orientation == "RAS", predictor
    )
