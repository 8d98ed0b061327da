"""Problems 6xx: networks, weights, training, bundles."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

BATCH_NORM = Kind(
    601,
    "batch-norm-in-federation",
    "Batch normalisation cannot be federated",
    why="Its statistics mix the patients of one batch, so a hospital's gradient is no longer a sum over patients, and four patients are too few for such statistics.",
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
OUT_OF_MEMORY = Kind(
    604,
    "out-of-memory",
    "One patient does not fit into memory",
    why="Training works on fewer patients at a time when memory is short; less than one patient is not possible.",
    fix="Free the device for this program, or set compute.device to cpu in site.yaml (about 1.5 GB a patient at 224 × 224).",
    exit=Exit.ACCESS,
)
NO_GPU = Kind(
    605,
    "no-gpu",
    "The configured GPU is not there",
    why="compute.device asks for a GPU and torch sees none: the driver, the container's device access or the CUDA build of torch is missing.",
    fix="Run nvidia-smi as the same user in the same container; set compute.device to auto or cpu to do without.",
    exit=Exit.ACCESS,
)
PRETRAINED_MISSING = Kind(
    607,
    "pretrained-missing",
    "The pretrained weights' file is missing",
    why="The study declares ImageNet weights by their SHA-256; they are never downloaded silently.",
    fix="Fetch efficientnet-b0-355c32eb.pth from its publisher, compare its SHA-256, and give its path to the coordinator's run command.",
    exit=Exit.ACCESS,
)
FOREIGN_FILE = Kind(
    608,
    "foreign-file",
    "A file is not the declared one",
    why="Its SHA-256 differs from the one declared: it is another file, an incomplete download, or was changed.",
    fix="Fetch the file again from its publisher and compare its SHA-256 with the declared one.",
    exit=Exit.CONTENT,
)
NOT_IN_BUNDLE = Kind(
    609,
    "not-in-bundle",
    "The bundle does not hold this model",
    why="A bundle holds the models its study made; a model that could not be estimated is not in it.",
    fix="Look into the bundle's card.md for the models it holds.",
    exit=Exit.CONTENT,
)
CHANGED_BUNDLE = Kind(
    610,
    "changed-bundle",
    "The bundle is not as it was made",
    why="A file in it is missing, incomplete or changed, or it is another bundle than the one named.",
    fix="Copy the whole folder again from where the study was finished, and compare the SHA-256 of bundle.json.",
    exit=Exit.CONTENT,
)
EXPORT_DIFFERS = Kind(
    611,
    "export-differs",
    "An exported network gives other scores",
    why="The exported program and the network must agree to 1e-4 on the same slices; this version of torch or MONAI computes something else.",
    fix="Install the versions of requirements/ and export again; use the weights_*.safetensors files meanwhile.",
    exit=Exit.CONTENT,
)
UNKNOWN_VALUE = Kind(
    612,
    "unknown-value",
    "A clinical value is not one of the bundle's",
    why="The model knows the variables and values of its study only; another value would be read as a number it never saw.",
    fix="Give values as NAME=NUMBER with a name and number of the bundle's lock.json.",
    exit=Exit.USAGE,
)
TOO_FEW_TO_SHOW = Kind(
    613,
    "too-few-to-show",
    "There are too few patients with images",
    why="Both ends of the risk scale are shown, and no patient stands on both.",
    fix="Ask for fewer with `--extremes`, or prepare the cohort first with `fedhcc-site data prepare`.",
    exit=Exit.CONTENT,
)
BUNDLE_DIFFERS = Kind(
    614,
    "bundle-differs",
    "The validation study measures patients differently than the bundle",
    why="Endpoint, clinical variables, organs, imaging and network must be those the models were made with; otherwise a score means something else.",
    fix="Copy these parts of the bundle's lock.json into study.yaml, and lock the study again.",
)
DEAD_START = Kind(
    615,
    "dead-start",
    "The first weights cannot learn",
    why="Every hidden unit of the head is off on made-up images, so no gradient reaches any weight and training would change nothing.",
    fix="Declare another file of first weights in network.pretrained_sha256, or none, and lock the study again.",
    exit=Exit.CONTENT,
)
GPU_LOST = Kind(
    616,
    "gpu-lost",
    "The GPU went away",
    why="The program had a GPU and has lost it: a system update reloaded the container engine's device rules, the driver was replaced, or the card failed. A process cannot get it back.",
    fix="Restart the container (`docker compose restart site`); where that does not help, run nvidia-smi on the host. The program ends by itself, and its restart policy starts it again.",
    exit=Exit.ACCESS,
)
OTHER_VERSION = Kind(
    617,
    "other-version",
    "The bundle was made with another version",
    why="The weights fit the code they were made with; another version may build the network in another way and give other scores.",
    fix="Install the version named, in an environment of its own, or export the bundle again with the version installed here.",
)
