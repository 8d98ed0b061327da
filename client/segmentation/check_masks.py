"""The masks of a row as `data prepare` will read them, for `check`: their place, their values, and whether anything is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from client.imaging.volume import Volume
from client.intake.masks.read_mask import read_any_mask
from site_config.problems import scans as problems
from site_config.problems.base import Problem
from site_config.site_yaml import Target
from site_config.study.plan_and_lock import Organ
from site_config.tables.table_values import Scan

MOST_PLANES = 128


def about_masks(scan: Scan, place: Volume, sources: Mapping[str, Target], organs: Sequence[Organ], role: str) -> list[Problem]:
    """What is wrong with the supplied masks of a scan that lies at `place`; a target without an entry in site.yaml is supplied."""
    found: list[Problem] = []
    planes = np.unique(np.linspace(0, place.shape[0] - 1, min(place.shape[0], MOST_PLANES)).astype(np.intp))
    for organ in organs:
        if scan.region not in (organ.region, "whole"):
            continue
        for target in organ.targets:
            source = sources.get(target, Target(masks=True))
            if target not in scan.masks or not (source.masks or source.model is None):
                continue
            labels = source.labels if source.model is None else ()
            called = f"{role}'s mask of {target}"
            try:
                mask = read_any_mask(scan.masks[target], place, target, labels, source.structures, called, planes)
            except Problem as problem:
                found.append(problem)
                continue
            if target == organ.targets[0] and not mask.any():
                found.append(problems.ORGAN_EMPTY.problem(f"{called} marks nothing", where=role))
    return found
