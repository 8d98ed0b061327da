"""Survival models of many hospitals from Python: DataFrames in, DataFrames and figures out.

The dozen names below are the public interface; everything else may move between releases. `fedhcc-sim` is a thin layer over
them. A name is imported when it is first used (as SPEC 1 of scientific Python describes), so `import fedhcc` is quick.

>>> import fedhcc
>>> lung = fedhcc.load_lung()
>>> fit = fedhcc.cox(lung, site="inst", time="time", event="status", covariates=["age", "sex", "ph.ecog"])
>>> round(float(fit.summary().loc["sex", "exp(coef)"]), 3)
0.573
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedhcc.bundle_models import BundleModel, load_bundle
    from fedhcc.compare_methods import MethodsCompared as Comparison
    from fedhcc.compare_methods import compare
    from fedhcc.cox_and_metrics import cox, metrics
    from fedhcc.example_data import load_lung
    from fedhcc.fit_results import AppliedResult, CoxResult, FindingWarning, MetricsResult
    from fedhcc.study_and_simulate import OwnStudy as Study
    from fedhcc.study_and_simulate import StudyRun, simulate
    from site_config.problems.base import Problem

__all__ = [
    "AppliedResult",
    "BundleModel",
    "Comparison",
    "CoxResult",
    "FindingWarning",
    "MetricsResult",
    "Problem",
    "Study",
    "StudyRun",
    "__version__",
    "compare",
    "cox",
    "load_bundle",
    "load_lung",
    "metrics",
    "simulate",
]

_HOMES = {
    "AppliedResult": ("fedhcc.fit_results", "AppliedResult"),
    "BundleModel": ("fedhcc.bundle_models", "BundleModel"),
    "Comparison": ("fedhcc.compare_methods", "MethodsCompared"),
    "CoxResult": ("fedhcc.fit_results", "CoxResult"),
    "FindingWarning": ("fedhcc.fit_results", "FindingWarning"),
    "MetricsResult": ("fedhcc.fit_results", "MetricsResult"),
    "Problem": ("site_config.problems.base", "Problem"),
    "Study": ("fedhcc.study_and_simulate", "OwnStudy"),
    "StudyRun": ("fedhcc.study_and_simulate", "StudyRun"),
    "compare": ("fedhcc.compare_methods", "compare"),
    "cox": ("fedhcc.cox_and_metrics", "cox"),
    "load_bundle": ("fedhcc.bundle_models", "load_bundle"),
    "load_lung": ("fedhcc.example_data", "load_lung"),
    "metrics": ("fedhcc.cox_and_metrics", "metrics"),
    "simulate": ("fedhcc.study_and_simulate", "simulate"),
}

try:
    __version__ = version("fedhcc")
except PackageNotFoundError:  # a checkout on the path that was not installed
    __version__ = "0+source"


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _HOMES:
        raise AttributeError(f"fedhcc has no {name!r}; its names are {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    found = getattr(import_module(module), attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted(__all__)
