"""Which numbers of a network's vector a study with differential privacy trains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared_model.networks.weight_vector import Schema
from site_config.study.differential_privacy import Trainable

HEAD, RECURRENT, LAST_BIAS = "cls_", "LSTM_", "cls_2.bias"


def is_trained(name: str, which: Trainable) -> bool:
    """Whether a parameter is trained. The last bias is: the public baseline is not fitted, so nothing else sets its level."""
    return which == "all" or name.startswith(HEAD) or (which == "lstm+head" and name.startswith(RECURRENT))


def trained_places(schema: Schema, which: Trainable) -> NDArray[np.bool_]:
    """(D,) True at the numbers that leave a hospital and move; buffers never do."""
    found = np.zeros(schema.size, dtype=bool)
    for entry in schema.entries:
        found[entry.start : entry.stop] = (entry.trained or entry.name == LAST_BIAS) and is_trained(entry.name, which)
    return found
