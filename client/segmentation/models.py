"""The segmentation models a site declares, each loaded once a process."""

from __future__ import annotations

from dataclasses import dataclass

from client.segmentation.segmenter import Model
from site_config.catalogue import scans as catalogue
from site_config.site import SiteConfig
from site_config.study import Study


@dataclass(frozen=True)
class SiteModels:
    """Models by name."""

    site: SiteConfig

    def get(self, name: str) -> Model:
        """The loaded model. Raises FH-340 … FH-345."""
        raise catalogue.MODEL_UNSUPPORTED.problem(f"the model {name} cannot be loaded yet", where="segmentation.models")


def models_for(site: SiteConfig, study: Study) -> SiteModels:
    """The site's models, checked against what the study needs."""
    return SiteModels(site)
