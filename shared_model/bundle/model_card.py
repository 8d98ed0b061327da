"""The model card: intended use, limits, cohort and metrics, as Markdown beside the weights."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import MODELS

if TYPE_CHECKING:
    from shared_model.bundle.manifest_values import Formula, Manifest


def model_card(manifest: Manifest, lock: StudyLock) -> str:
    """The card (Mitchell et al. 2019, "Model Cards for Model Reporting") of a bundle."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Markdown, not HTML: escaping would spoil it; what people wrote freely is made plain before.
    environment = Environment(loader=PackageLoader("shared_model"), undefined=StrictUndefined, autoescape=False)  # noqa: S701
    study = lock.study
    names = list(dict.fromkeys(key for figures in manifest.metrics.values() for key in figures))
    return environment.get_template("card.md.j2").render(
        manifest=manifest,
        title=plain(manifest.title),
        notes=[plain(note) for note in manifest.notes],
        study=study,
        organs=", ".join(organ.name for organ in study.organs),
        windows=", ".join(f"{organ.name} {organ.window.width:g}/{organ.window.level:g} HU" for organ in study.organs),
        inputs=_inputs,
        metric_names=names,
        shown=_shown,
    )


def plain(text: str) -> str:
    """Somebody's free text without what Markdown or HTML would act on."""
    return re.sub(r"([\\`*_\[\]#|])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _inputs(formula: Formula) -> str:
    image = [MODELS[formula.spec.radiology].scans] if formula.spec.radiology else []
    return ", ".join([*image, *formula.spec.columns])


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ("" if value is None else str(value))
