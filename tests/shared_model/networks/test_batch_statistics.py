"""After recomputing, eval mode sees what training mode saw."""

from __future__ import annotations

import torch

from shared_model.networks.batch_statistics import recompute
from shared_model.networks.rad_networks import build
from site_config.study.plan_and_lock import Study, StudySite


def test_one_batch_gives_the_scores_of_training_mode() -> None:
    network_fields = {"backbone": "small", "norm": "batch"}
    study = Study.model_validate(
        {"title": "t", "sites": [StudySite(name="a")], "network": network_fields, "training": {"precision": "float64"}}
    )
    network = build(study, "Rad-S", seed=1, pooled=True)
    images = 5 + 3 * torch.randn(6, 1, 2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before = network(images)
    recompute(network, [images])
    after = network(images)
    network.train()
    trained = network(images)
    # The running variance is the unbiased one, so the two modes differ by n/(n − 1) and no more.
    assert (after - trained).abs().max() < 0.1 * (before - trained).abs().max()
    assert network.get_submodule("extractor_liver.stages.0.1").momentum == 0.1
