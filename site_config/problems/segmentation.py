"""Problems 34x: segmentation models and what they make."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

MODEL_CHANGED = Kind(
    340,
    "model-changed",
    "A segmentation model's file is not the one that was approved",
    why="Its SHA-256 differs from the one in `site.yaml`, or `site.yaml` states none. Model files can carry code, so nothing was read from it.",
    fix="Fetch the model again from its source; only when its checksum is confirmed there, write it under `segmentation.models` in `site.yaml`.",
    exit=Exit.CONTENT,
)
MODEL_UNSAFE = Kind(
    341,
    "model-unsafe",
    "A segmentation model asks for something that is not on the allowed list",
    why="An nnU-Net model names classes that get called and can carry code inside its checkpoint. This one names a class, operator or object outside the list that genuine models use, so it was refused before anything of it ran.",
    fix="Use a genuine nnU-Net v2 model of plain U-Net or residual-encoder architecture; report this file to the people who supplied it.",
    exit=Exit.REFUSED,
)
MODEL_UNSUPPORTED = Kind(
    342,
    "model-unsupported",
    "A segmentation model is of a kind that is not supported",
    why="Cascades need a second model's output, and models with several input channels, or made for another modality, need other images than one CT. The message says which.",
    fix="Use a single-channel CT model with configuration 2d, 3d_lowres or 3d_fullres, or supply masks.",
    exit=Exit.CONFIGURATION,
)
LABEL_UNKNOWN = Kind(
    343,
    "label-unknown",
    "A target names a label that the model does not have",
    why="`segmentation.targets` in `site.yaml` maps a target to label numbers, and the model's dataset.json lists others.",
    fix="Choose among the labels the message lists and correct `segmentation.targets`.",
    exit=Exit.CONFIGURATION,
)
PHANTOMS_ONLY = Kind(
    344,
    "phantoms-only",
    "A demonstration model was offered for real patients",
    why="The model was trained on phantoms and finds nothing in a real scan (liver Dice 0.05); it exists so that the whole chain can be tried.",
    fix="Configure a model trained on patients, or supply masks; only a site whose patients are all simulated may use this one (`policy.simulated_patients: true`).",
    exit=Exit.REFUSED,
)
MODEL_INCOMPLETE = Kind(
    345,
    "model-incomplete",
    "A segmentation model's folder is not a complete nnU-Net v2 model",
    why="dataset.json, plans.json or a fold's checkpoint is missing or does not hold what nnU-Net v2 writes; version 1 models cannot be read.",
    fix="Export the model with `nnUNetv2_export_model_to_zip`, unpack it, and name the folder that holds dataset.json and plans.json.",
    exit=Exit.CONFIGURATION,
)
SEGMENTATION_FAILED = Kind(
    346,
    "segmentation-failed",
    "A segmentation stopped",
    why="The network ran out of memory or the device failed. The scan itself is not at fault.",
    fix="Run the command again with `compute.workers: 1`, or with `compute.device: cpu` in `site.yaml`; finished patients are kept.",
    exit=Exit.ACCESS,
)
PACK_NOT_FETCHED = Kind(
    347,
    "pack-not-fetched",
    "A model pack has not been fetched yet",
    why="Model files are published by their makers, hundreds of megabytes each; this program opens no connection but the study's own unless a person asks for it.",
    fix="With a network: `fedhcc-site models add PACK --fetch`. Without: fetch the file that `fedhcc-site models list` names elsewhere, and add it with `fedhcc-site models add PACK --from FILE`.",
    exit=Exit.CONFIGURATION,
)
PACK_UNKNOWN = Kind(
    348,
    "pack-unknown",
    "No model pack has this name",
    why="Packs are recipes for published models; they are called by their own name or by a target that one of them supplies.",
    fix="Run `fedhcc-site models list`; a model of your own is entered under `segmentation.models` of site.yaml by hand.",
    exit=Exit.CONFIGURATION,
)
SEG_NOT_WRITTEN = Kind(
    349,
    "segmentation-not-exported",
    "A segmentation was not written as DICOM SEG",
    why="A DICOM SEG belongs to the series it was made on and takes patient, study, series and frame of reference from its files. This scan is not a DICOM series, or its files do not state one of these; or the scan shows nothing of what was looked for; or the file that was read back differs from what was written.",
    fix="Name the DICOM series of this scan in scans.csv, prepare it with `fedhcc-site data prepare`, and export again.",
    exit=Exit.FINDINGS,
)
PACK_FETCH_FAILED = Kind(
    370,
    "pack-fetch-failed",
    "A model pack could not be fetched",
    why="The server could not be reached, broke off, refused, or offered a file larger than any model; or the address is one that is not asked without a checksum. What had arrived is kept.",
    fix="Run the same command again: it goes on where it stopped. Behind a proxy set HTTPS_PROXY; without a network fetch the file elsewhere and add it with `--from FILE`.",
    exit=Exit.ACCESS,
)
PACK_OTHER_FILE = Kind(
    371,
    "pack-other-file",
    "A model pack's archive is not the one that was expected",
    why="Its SHA-256 differs from the one that was given on the command line. No part of it was unpacked.",
    fix="Compare the checksum with the one that the coordinator or another hospital of the study has; give that checksum only after they confirmed it.",
    exit=Exit.CONTENT,
)
