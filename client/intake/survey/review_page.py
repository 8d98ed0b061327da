"""The review page: what is open and what was decided, each scan with a thumbnail. It holds patients' images and stays in the hospital."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.intake.dicom.read_dicom import Candidate, pixels
from client.intake.read_nifti import is_nifti, read_ct
from client.intake.survey.question_words import letter, reason
from client.intake.survey.survey_values import Found, SeenVolume, Survey, SurveyQuestion
from site_config.atomic_files import make_folder, write_atomic
from site_config.console import plain
from site_config.problems.base import Problem

SIDE = 176
WINDOW = (-160.0, 240.0)
MOST_PICTURES = 400


def write_review(found: Survey, out: Path, answers: Mapping[int, str]) -> Path:
    """Write the page of questions, those answered with their answer, and of rows decided without one: a self-contained HTML file."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    seen = {_name(one.found): one for one in found.seen}
    asked = [one for question in found.questions for one in question.candidates]
    shown = [*asked, *(row.chosen for row in found.decided)][:MOST_PICTURES]  # questions come first where there are too many
    pictures = {name: _thumbnail(seen.get(name)) for name in dict.fromkeys(map(_name, shown))}
    environment = Environment(loader=PackageLoader("client"), autoescape=select_autoescape(default=True), trim_blocks=True)
    words = {"picture": _picture(pictures), "letter": letter, "reason": _reason, "answers": answers}
    page = environment.get_template("review.html.j2").render(survey=found, **words)
    make_folder(out.parent)
    write_atomic(out, page.encode())
    return out


def _name(one: Found) -> tuple[str, str, int | None, int, float]:
    return one.folder, one.series_uid, one.acquisition, one.slices, one.spacing_mm


def _picture(pictures: Mapping[Any, str]) -> Any:
    return lambda one: pictures.get(_name(one), "")


def _reason(number: int, question: SurveyQuestion) -> str:
    return reason(number, dict(plain(question)))


def _thumbnail(seen: SeenVolume | None) -> str:
    """The middle slice as PNG, base64; "" where it cannot be shown."""
    if seen is None:
        return ""
    try:
        plane = _middle(seen)
    except (Problem, OSError):
        return ""
    return "" if plane is None else base64.b64encode(_png(plane)).decode()


def _middle(seen: SeenVolume) -> NDArray[np.int16] | None:
    if isinstance(seen.candidate, Candidate):
        slices = seen.candidate.stacking.slices
        return pixels(slices[len(slices) // 2], "a scan")
    if is_nifti(seen.path):
        volume = read_ct(seen.path, "a scan")
        return np.asarray(volume.values[volume.shape[0] // 2])
    return None


def _png(plane: NDArray[np.int16]) -> bytes:
    from matplotlib.image import imsave

    rows, columns = (np.minimum((np.arange(SIDE) * length / SIDE).astype(int), length - 1) for length in plane.shape)
    small = plane[np.ix_(rows, columns)].astype(np.float64)
    grey = np.rint(255 * np.clip((small - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1)).astype(np.uint8)
    stream = io.BytesIO()
    imsave(stream, np.repeat(grey[:, :, None], 3, axis=2), format="png")
    return stream.getvalue()
