"""Figure 5: where the network looks, on phantoms only."""

from __future__ import annotations

from collections.abc import Iterator

from server.report.page_blocks import Block, Photo, Photos
from server.report.parts.part import Heading, ReportedStudy, ReportPart, nothing, reads_scans
from server.study.study_results import CamPicture


def pictures(report: ReportedStudy) -> list[CamPicture]:
    """Pictures of phantoms; none of a study of people."""
    return report.result.simulation.cams if report.result.simulation and report.simulated else []


def blocks(_found: None, report: ReportedStudy) -> Iterator[Block]:
    """A row of pictures."""
    found = pictures(report)
    if found:
        photos = [Photo(one.title, one.png_base64, one.alternative) for one in found]
        caption = "Warm colours: regions that raise the risk score. Phantoms, not people: pictures of people never leave a hospital."
        yield Photos("gradcam-pictures", "Figure 5", "Grad-CAM of phantoms", photos, caption)


def missing(_found: None, report: ReportedStudy) -> dict[str, str]:
    """Why there are no pictures."""
    if pictures(report):
        return {}
    words = (
        "Grad-CAM shows where in an image a network looks. It is an image of a patient's scan, so it never leaves a hospital; "
        "this report can show it for phantoms only."
    )
    return {"gradcam": words}


GRAD_CAM = ReportPart(
    name="gradcam",
    heading=Heading("gradcam", "Where the network looks"),
    numbers=nothing,
    blocks=blocks,
    missing=missing,
    belongs=reads_scans,
)
