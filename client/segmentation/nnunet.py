"""Segmentation by a genuine nnU-Net v2 model, in process.

Preprocessing, sliding window and labels are nnU-Net's own, done plane by plane (`tiles`), and only for the planes that lie
on the study's grid. A two-dimensional model sees the grid's slices themselves; a three-dimensional one sees the scan at its
own resolution.
"""

from __future__ import annotations

import contextlib
import io
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.imaging.slices import Grid, stack
from client.imaging.volume import Volume
from client.segmentation.safe_load import ModelFiles
from client.segmentation.tiles import can_stream, labels_by_plane
from client.training.training_device import choose_device, is_out_of_memory
from site_config.problems import segmentation as problems
from site_config.site_yaml import SegmentationModel

LabelMap = NDArray[np.uint8]
_ONE_AT_A_TIME = threading.Lock()  # nnU-Net changes torch's thread count for the whole process


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
        image = stack(volume.values, grid) if self.flat else volume.hu
        if self.reverse_in_plane:
            image = image[:, ::-1, ::-1]
        try:
            with _ONE_AT_A_TIME, _quiet():
                planes = np.arange(len(image)) if self.flat else np.unique(grid.lower + (grid.upper_weight >= 0.5))
                labels = self._predict(image, (spacing_z, *volume.spacing_mm), planes)
        except (RuntimeError, MemoryError) as error:
            kind = "memory ran out" if is_out_of_memory(error) else "the device failed"
            raise problems.SEGMENTATION_FAILED.problem(f"the model {self.name} stopped: {kind}", where="segmentation") from None
        if self.reverse_in_plane:
            labels = labels[:, ::-1, ::-1]
        return np.ascontiguousarray(labels if self.flat else labels[grid.lower + (grid.upper_weight >= 0.5)])

    def _predict(self, image: NDArray[np.int16], spacing: tuple[float, float, float], planes: NDArray[np.intp] | None = None) -> LabelMap:
        """Labels on the image's own voxels, (z, y, x); planes along z that are not asked for may stay 0 (None: all)."""
        import torch

        predictor = self.predictor
        plans, configuration = predictor.plans_manager, predictor.configuration_manager
        properties: dict[str, Any] = {"spacing": list(spacing)}
        preprocessor = configuration.preprocessor_class(verbose=False)
        data, _, properties = preprocessor.run_case_npy(
            image[None].astype(np.float32), None, properties, plans, configuration, predictor.dataset_json
        )
        if predictor.device.type == "cuda":
            torch.cuda.empty_cache()
            heads = predictor.label_manager.num_segmentation_heads
            predictor.perform_everything_on_device = logits_on_gpu(heads, data.shape[1:], torch.cuda.mem_get_info()[0])
        turned = [spacing[axis] for axis in plans.transpose_forward]
        if not can_stream(predictor, turned):
            return self._exported(data, properties)
        cropped = tuple(int(n) for n in properties["shape_after_cropping_and_before_resampling"])
        box = properties["bbox_used_for_cropping"]
        upright = plans.transpose_forward[0] == 0
        asked = np.arange(len(image)) if planes is None else planes
        wanted = [int(k) - box[0][0] for k in asked if box[0][0] <= k < box[0][1]] if upright else list(range(cropped[0]))
        labels = labels_by_plane(predictor, data, (cropped[0], cropped[1], cropped[2]), turned, wanted)
        whole = np.zeros(tuple(int(n) for n in properties["shape_before_cropping"]), dtype=np.uint8)
        whole[tuple(slice(low, high) for low, high in box)] = labels
        if predictor.device.type == "cuda":
            torch.cuda.empty_cache()  # training shares the card
        return whole.transpose(plans.transpose_backward)

    def _exported(self, data: NDArray[np.float32], properties: dict[str, Any]) -> LabelMap:
        """nnU-Net's own way, for resamplings that are not done plane by plane; needs the logits of the whole scan."""
        import torch
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape as export

        predictor = self.predictor
        logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(np.ascontiguousarray(data))).cpu()
        made = export(logits, predictor.plans_manager, predictor.configuration_manager, predictor.label_manager, properties)
        return np.asarray(made, dtype=np.uint8)


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
