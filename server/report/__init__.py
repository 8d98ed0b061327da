"""The report: a finished study's opened sums as one self-contained page and one machine-readable file."""

from __future__ import annotations

from pathlib import Path

from server.study.results import StudyResult


def build(result: StudyResult, out: Path) -> Path:
    """Write `report.html` and `metrics.json` into the folder `out` and return the page's path.

    Everything is a function of `result`: building twice gives the same bytes.
    """
    from server.report.metrics import compute, study_of
    from server.report.page import render
    from site_config.files import write_atomic

    metrics = compute(result)
    page = render(result, study_of(result), metrics)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "metrics.json", (metrics.model_dump_json(indent=1) + "\n").encode())
    path = out / "report.html"
    write_atomic(path, page.encode())
    return path
