"""One CT by itself: from a file or folder with supplied masks to slices, the way every patient's scans go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from client.cohort.one_scan import OrganView, look_at
from client.segmentation.segmenter import Segmenter
from site_config.problems import scans as problems
from site_config.problems.base import Problem
from site_config.site_yaml import Segmentation, Target
from site_config.study.plan_and_lock import Study
from site_config.tables.cohort_csv import Scan


@dataclass(frozen=True)
class MaskFile:
    """A mask file and the labels of it that mean the target; () takes everything above 0."""

    path: Path
    labels: tuple[int, ...] = ()


@dataclass(frozen=True)
class SingleCase:
    """What one scan gave: a view per organ found, remarks, and the tensor (V, O, S, H, W) with what stands in for the rest."""

    views: tuple[OrganView, ...]
    findings: tuple[Problem, ...]
    tensor: NDArray[np.float32]
    stand_ins: tuple[str, ...]

    @property
    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Pictures by `visit.organ`."""
        return {f"{view.scan.visit}.{view.organ}": view.picture for view in self.views}


class NoModels:
    """A site without segmentation models."""

    def get(self, name: str) -> Any:
        """Refuse every name (FH-322)."""
        raise problems.NO_MASK_SOURCE.problem(f"no model is called {name}")

    def digest(self, name: str) -> str:
        """Refuse every name (FH-322)."""
        raise problems.NO_MASK_SOURCE.problem(f"no model is called {name}")


def case_to_slices(
    image: Path,
    masks: Mapping[str, MaskFile],
    study: Study,
    *,
    followup: tuple[Path, Mapping[str, MaskFile]] | None = None,
    region: Literal["abdomen", "chest", "whole"] = "whole",
    series_uid: str | None = None,
) -> SingleCase:
    """Slices of one baseline scan, and of one follow-up scan where given; else the baseline stands in for it.

    An organ without a mask is zeros. Raises problems 3xx and access problems of the named files.
    """
    views: list[OrganView] = []
    findings: list[Problem] = []
    visits: list[tuple[Literal["baseline", "followup"], Path, Mapping[str, MaskFile]]] = [("baseline", image, masks)]
    if followup is not None:
        visits.append(("followup", *followup))
    for visit, path, supplied in visits:
        paths = {target: mask.path for target, mask in supplied.items()}
        scan = Scan("case", visit, None, None, region, None, path, paths, series_uid, None, 0)
        targets = {target: Target(masks=True, labels=mask.labels) for target, mask in supplied.items()}
        found, remarks = look_at(scan, study, Segmenter(Segmentation(targets=targets), study, NoModels()))
        if not found:
            raise remarks[0] if remarks else problems.NO_MASK_SOURCE.problem("no mask of an organ of the study was supplied")
        views += found
        findings += [*remarks, *(finding for view in found for finding in view.findings)]
    tensor, stand_ins = _tensor(views, study)
    return SingleCase(tuple(views), tuple(findings), tensor, stand_ins)


def _tensor(views: list[OrganView], study: Study) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    imaging = study.imaging
    found = {(view.scan.visit, view.organ): view.tensor for view in views}
    blank = np.zeros((imaging.slices, imaging.size, imaging.size), dtype=np.float32)
    stand_ins: list[str] = []
    parts: list[NDArray[np.float32]] = []
    for visit in ("baseline", "followup"):
        for organ in study.organs:
            part = found.get((visit, organ.name))
            if part is None and visit == "followup" and ("baseline", organ.name) in found:
                part = found["baseline", organ.name]
                stand_ins.append(f"follow-up {organ.name}: the baseline's slices")
            elif part is None:
                part = blank
                stand_ins.append(f"{visit} {organ.name}: zeros")
            parts.append(part)
    return np.stack(parts).reshape(2, len(study.organs), *blank.shape), tuple(stand_ins)
