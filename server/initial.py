"""Where training starts: seeded random weights, or a declared file verified by its hash."""

from __future__ import annotations

import zlib
from typing import Any, Literal

from numpy.typing import NDArray

from site_config.study import Study


def initial_weights(study: Study, model: str) -> NDArray[Any]:
    """The flat weights (D,) of the first broadcast: the same for the same study."""
    from shared_model.networks import build
    from shared_model.weights import to_vector

    name: Literal["Rad-S", "Rad-D"] = "Rad-S" if model == "Rad-S" else "Rad-D"
    network = build(study, name, seed=study.training.seed * 1009 + zlib.crc32(name.encode()) % 1000)
    return to_vector(network)
