"""What the declared bounds must hold."""

import numpy as np
import pytest

import shared_model.statistics.list_of_statistics  # noqa: F401  registers the statistics
from shared_model.secure_sum import pairwise_masks
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import Covariates, Moments, ScoreSpec


@pytest.mark.parametrize("n_sites", [2, 52, 208])
def test_moments_hold_scores_far_from_zero_and_keep_their_grid(n_sites: int) -> None:
    spec = ScoreSpec(model="RadCLN-D", radiology="Rad-D", columns=("pvtt",), coefficients=(1.0,), mix=(1800.0, 0.5))
    asked = Moments(split="train", covariates=Covariates(scores=(spec,)), origin=(0.0,))
    segment = next(one for one in REGISTRY["moments"].segments(asked) if one.name == "products")
    score = np.random.default_rng(n_sites).normal(9000.0, 9.0, (n_sites, 20))
    own = [float(site @ site) for site in score]
    total = np.zeros(1, dtype=pairwise_masks.dtype(segment))
    for value in own:
        total += pairwise_masks.quantise(segment, np.array([[value]]), n_sites)
    opened = float(pairwise_masks.dequantise(segment, total, n_sites).reshape(-1)[0])
    assert opened == pytest.approx(sum(own), abs=n_sites * 2.0**-20)
