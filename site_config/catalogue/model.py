"""Problems 6xx: networks, weights, training, bundles."""

from __future__ import annotations

from site_config.problems import Exit, Kind

BATCH_NORM = Kind(
    601,
    "batch-norm-in-federation",
    "Batch normalisation cannot be federated",
    why="Its statistics mix the patients of one batch, so a hospital's gradient is no longer a sum over patients and four patients give no statistics.",
    fix="Set network.norm to frozen (with pretrained weights) or group in study.yaml; batch is for the pooled baseline of fedhcc-sim.",
)
FOREIGN_WEIGHTS = Kind(
    602,
    "foreign-weights",
    "The weights belong to another network",
    why="Names, shapes, number types and architecture of the weights must be those of the study's network; a part that fits by chance gives plausible, wrong scores.",
    fix="Use the weights or the bundle that this study made, with the study's network, organs and model unchanged.",
    exit=Exit.CONTENT,
)
BROKEN_WEIGHTS = Kind(
    603,
    "broken-weights",
    "The weights cannot be used",
    why="The file is not readable as weights or holds values that are not finite.",
    fix="Copy the file again from where it was made and compare its SHA-256.",
    exit=Exit.CONTENT,
)
