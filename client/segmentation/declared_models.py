"""The segmentation models a site declares, each verified, loaded once a process and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from client.segmentation.nnunet import load
from client.segmentation.safe_load import ModelFiles, read_model
from site_config.problems import scans as problems
from site_config.problems import segmentation
from site_config.site_yaml import SegmentationModel, SiteConfig
from site_config.study.plan_and_lock import Study
from site_config.tables.cohort_csv import Scan

if TYPE_CHECKING:
    from client.segmentation.nnunet import NnUNetModel

_LOADED: dict[tuple[str, str, str], NnUNetModel] = {}  # by place, options and device: one network a process


@dataclass(frozen=True)
class SiteModels:
    """Models by the names of `site.yaml`."""

    site: SiteConfig

    def get(self, name: str) -> NnUNetModel:
        """The loaded model. Raises FH-340 … FH-345."""
        options = self.options(name)
        place = (str(self.site.path(options.folder)), options.model_dump_json(), self.site.compute.device)
        if place not in _LOADED:
            files = self.files(name)
            content = (files.digest, options.orientation, self.site.compute.device)
            if content not in _LOADED:
                _LOADED[content] = load(files, options, self.site.compute.device)
            _LOADED[place] = _LOADED[content]
        return _LOADED[place]

    def options(self, name: str) -> SegmentationModel:
        """What `site.yaml` says about a model. Raises FH-322 when it declares none of that name."""
        try:
            return self.site.segmentation.models[name]
        except KeyError:
            raise problems.NO_MASK_SOURCE.problem(f"no model is called {name}", where="segmentation.targets") from None

    def digest(self, name: str) -> str:
        """What the model's verified files and options are, without building the network."""
        return self.files(name).digest

    def files(self, name: str) -> ModelFiles:
        """The model's verified files."""
        options = self.options(name)
        return read_model(name, self.site.path(options.folder), options, self.site.policy.simulated_patients)


def check_targets(site: SiteConfig, study: Study, scans: tuple[Scan, ...]) -> None:
    """Verify, before any scan is opened, that every model the study needs can be loaded and has the labels asked of it.

    Raises FH-322 for an organ that no model and no row of scans.csv supplies, FH-340 … FH-345 for the models' files, FH-343 for labels.
    """
    models = SiteModels(site)
    verified: dict[str, ModelFiles] = {}
    for organ in study.organs:
        wanted = [scan for scan in scans if scan.region in (organ.region, "whole")]
        source = site.segmentation.targets.get(organ.targets[0])
        if wanted and (source is None or source.model is None) and not any(organ.targets[0] in scan.masks for scan in wanted):
            raise problems.NO_MASK_SOURCE.problem(
                f"the {organ.name} has neither a model nor a mask in any row", where=f"segmentation.targets.{organ.targets[0]}"
            )
    for target in (target for organ in study.organs for target in organ.targets):
        source = site.segmentation.targets.get(target)
        if source is None or source.model is None:
            continue
        if source.model not in verified:
            verified[source.model] = models.files(source.model)
        known = label_numbers(verified[source.model])
        if not source.labels or not known >= set(source.labels):
            listed = ", ".join(str(label) for label in sorted(known))
            asked = ", ".join(str(label) for label in source.labels) or "none"
            raise segmentation.LABEL_UNKNOWN.problem(
                f"{target} asks for label {asked} of {source.model}, which has {listed}", where=f"segmentation.targets.{target}"
            )


def label_numbers(files: ModelFiles) -> set[int]:
    """Foreground label numbers of a model's dataset.json; of a region-based model, those its regions are written as."""
    order = files.dataset.get("regions_class_order")
    labels = files.dataset["labels"]
    if isinstance(order, list):
        return {int(label) for label in order}
    return {value for key, value in labels.items() if isinstance(value, int) and value > 0 and key != "ignore"}
