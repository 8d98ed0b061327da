"""A further fused model, as somebody would add one: a value and nothing else."""

from __future__ import annotations

from site_config.study.prognostic_models import CLN, RAD_S, PrognosticModel

TOY = PrognosticModel(name="RadCLN-T", rank=0.5, parts=(RAD_S, CLN), label="Toy score", colour="#009E73", risk_figure="Figure T")
