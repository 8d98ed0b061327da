"""One self-contained page from a finished study: inline style, inline SVG, no script and no request to anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.report import number_text
from server.report.list_of_parts import CONTENTS
from server.report.metrics_json import metrics_text
from server.report.page_blocks import Block, Section
from server.report.parts.part import Heading, ReportedStudy, shown
from server.report.parts.patients.set_sizes import SIZES
from server.study.study_results import StudyResult
from site_config.atomic_files import write_atomic
from site_config.study.time_points import zero_words

TEMPLATES = Path(__file__).parent.parent / "templates"


def sections(report: ReportedStudy) -> list[Section]:
    """The page's sections in the order in which their first part is listed; one without anything to say is left out."""
    found: dict[Heading, list[Block]] = {}
    for part in CONTENTS:
        if part.belongs(report.study):
            found.setdefault(part.heading, []).extend(shown(part, report))
    return [Section(heading.name, heading.title, blocks) for heading, blocks in found.items() if blocks]


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


def render(report: ReportedStudy) -> str:
    """The report as HTML text."""
    result, study, sizes = report.result, report.study, report.of(SIZES)
    total, events = sum(size.n for size in sizes), number_text.total(size.events for size in sizes)
    hospitals = len({entry["name"] for entry in result.lock.get("roster", [])})
    word = study.endpoint.event_label
    who = f"{number_text.plural(total, 'patient')} and {number_text.events(events, word)} in {number_text.plural(hospitals, 'hospital')}"
    how = "sums over several hospitals" if result.analyses is None else "secret shares that several hospitals hold"
    record = "no patient's record left one" if result.analyses is None else "no patient's record left one in the clear"
    lede = f"{who}; time is counted in days from {zero_words(study)}. Every number below was computed from {how}; {record}."
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
            sections=sections(report),
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
    report = ReportedStudy(result)
    page = render(report)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "metrics.json", metrics_text(report).encode())
    path = out / "report.html"
    write_atomic(path, page.encode())
    return path
