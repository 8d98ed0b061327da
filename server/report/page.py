"""One self-contained page from a finished study: inline style, inline SVG, no script and no request to anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.report import sections_conduct as conduct
from server.report import sections_results as results
from server.report import text
from server.report.blocks import Section
from server.report.metrics import compute, study_of
from server.report.numbers import Metrics
from server.study.results import StudyResult
from shared_model.statistics import catalogue
from shared_model.statistics.base import REGISTRY
from site_config.files import write_atomic
from site_config.study.model import Study
from site_config.study.moments import zero_words
from site_config.study.prognostic_models import MODELS

TEMPLATES = Path(__file__).parent.parent / "templates"


def statistic_titles() -> dict[str, str]:
    """What each named statistic is, from the catalogue."""
    assert catalogue.__doc__  # importing it registers the statistics
    return {name: REGISTRY[name].title for name in REGISTRY}


def sections(result: StudyResult, study: Study, metrics: Metrics) -> list[Section]:
    """The page's sections in reading order; one without anything to say, or of no model of the study, is left out."""
    models = MODELS.preferred(study.models)
    scans = study.reads_scans
    found = [
        results.glance(metrics),
        conduct.simulation(result),
        results.patients(metrics),
        results.clinical(metrics) if any(model.variables for model in models) else None,
        results.discrimination(metrics),
        results.risk(metrics),
        results.fused(metrics) if any(model.is_fused for model in models) else None,
        results.subgroups(metrics) if scans else None,
        conduct.grad_cam(result) if scans else None,
        conduct.training(result, metrics) if scans else None,
        conduct.participation(metrics),
        conduct.egress(metrics, statistic_titles()),
        conduct.protection(result, study),
        conduct.limits(metrics),
        conduct.reproduce(result, study),
    ]
    return [section for section in found if section is not None and section.blocks]


@dataclass(frozen=True)
class Document:
    """A page: what stands above its sections, and the sections."""

    heading: str
    eyebrow: str
    lede: str
    chips: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    footer: str
    simulated: bool = False
    incomplete: bool = False


def render(result: StudyResult, study: Study, metrics: Metrics) -> str:
    """The report as HTML text."""
    total, events = sum(size.n for size in metrics.sets), sum(size.events for size in metrics.sets)
    hospitals = len({entry["name"] for entry in result.lock.get("roster", [])})
    word = study.endpoint.event_label
    who = f"{text.plural(total, 'patient')} and {text.plural(events, word)} in {text.plural(hospitals, 'hospital')}"
    lede = (
        f"{who}; time is counted in days from {zero_words(study)}. Every number below was computed from sums over "
        "several hospitals; no patient's record left one."
    )
    chips = [
        (result.label, "strong" if result.label == "COMPLETE" else "warn"),
        (f"Study {result.study_id[:12]}", ""),
        (result.created[:10], ""),
    ]
    if result.simulated:
        chips.insert(0, ("SIMULATED", "warn"))
    if not study.privacy.masks:
        chips.append(("Not masked", "warn"))
    footer = f"Study {result.study_id}. Numbers for machines: metrics.json beside this page. Made by {result.software}."
    return document(
        Document(
            heading=result.title,
            eyebrow=f"Federated multi-centre study of {study.endpoint.label[:1].lower()}{study.endpoint.label[1:]}",
            lede=lede,
            chips=chips,
            sections=sections(result, study, metrics),
            footer=footer,
            simulated=result.simulated,
            incomplete=result.label == "INCOMPLETE",
        )
    )


def document(page: Document) -> str:
    """Any page of sections as self-contained HTML text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    css = environment.get_template("report.css.j2").render()
    return environment.get_template("report.html.j2").render(css=css, page=page, simulated=page.simulated)


def build(result: StudyResult, out: Path) -> Path:
    """Write `report.html` and `metrics.json` into the folder `out` and return the page's path.

    Everything is a function of `result`: building twice gives the same bytes.
    """
    metrics = compute(result)
    page = render(result, study_of(result), metrics)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "metrics.json", (metrics.model_dump_json(indent=1) + "\n").encode())
    path = out / "report.html"
    write_atomic(path, page.encode())
    return path
