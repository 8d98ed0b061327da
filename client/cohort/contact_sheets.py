"""Pictures a radiologist can check: a contact sheet a patient and one page for the cohort, on this machine only."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.slice_provenance import OrganRecord, Record, read_index, read_record
from site_config.atomic_files import make_folder, read_limited, write_atomic
from site_config.problems import all_kinds
from site_config.problems import scans as problems

ORGAN_COLOUR = (64, 196, 255)
TUMOUR_COLOUR = (255, 96, 64)
GAP = 4
LEAST_PIXELS = 160
VISITS = ("baseline", "followup")


@dataclass(frozen=True)
class Sheet:
    """One patient on the page: id, the hospital's own key, picture, outlines, record, and the lines that stand beside it."""

    key: str
    own: str
    picture: str
    outlines: str
    record: Record
    rows: tuple[tuple[str, str, OrganRecord], ...]


def read_views(folder: Path, key: str) -> dict[str, NDArray[np.uint8]]:
    """A patient's pictures by `visit.organ`, each (S, 2, H, W). Raises FH-351 or FH-352."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / f"{key}.view.safetensors"
    if not path.exists():
        raise problems.KEY_UNKNOWN.problem("this patient has not been prepared", where="state/prepared")
    try:
        return dict(load(read_limited(path, 2**28, "a prepared file")))
    except SafetensorError:
        raise problems.PREPARED_DAMAGED.problem("a picture file cannot be read", where="state/prepared") from None


def outline(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outlines of organ and tumour of one slice (2, H, W) as RGBA (H, W, 4), clear elsewhere."""
    rgba = np.zeros((*view.shape[1:], 4), dtype=np.uint8)
    for number, colour in ((1, ORGAN_COLOUR), (2, TUMOUR_COLOUR)):
        inside = view[1] >= number
        core = inside.copy()
        core[1:-1, 1:-1] &= inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        rgba[inside & ~core] = (*colour, 255)
    return rgba


def outlined(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One slice (2, H, W) as RGB (H, W, 3) with the outlines of organ and tumour."""
    rgb = np.repeat(view[0][:, :, None], 3, axis=2)
    lines = outline(view)
    drawn = lines[:, :, 3] > 0
    rgb[drawn] = lines[drawn][:, :3]
    return rgb


def contact_sheet(views: dict[str, NDArray[np.uint8]], organs: tuple[str, ...]) -> NDArray[np.uint8]:
    """All slices of a patient, (rows of visits) × (organs × slices), RGB with outlines; what is missing stays dark."""
    plain, lines = layers(views, organs)
    drawn = lines[:, :, 3] > 0
    plain[drawn] = lines[drawn][:, :3]
    return plain


def layers(views: dict[str, NDArray[np.uint8]], organs: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The contact sheet in two layers: grey values as RGB, and outlines as RGBA. Slices are shown at 160 pixels or more."""
    shape = next(iter(views.values())).shape if views else (3, 2, 64, 64)
    slices, _, height, width = shape
    times = max(1, -(-LEAST_PIXELS // min(height, width)))
    height, width = times * height, times * width
    size = (2 * (height + GAP) + GAP, len(organs) * slices * (width + GAP) + GAP)
    sheet, lines = np.full((*size, 3), 24, dtype=np.uint8), np.zeros((*size, 4), dtype=np.uint8)
    for row, visit in enumerate(VISITS):
        for column, organ in enumerate(organs):
            for k, view in enumerate(views.get(f"{visit}.{organ}", ())):
                large = view.repeat(times, axis=1).repeat(times, axis=2)
                top, left = GAP + row * (height + GAP), GAP + (column * slices + k) * (width + GAP)
                sheet[top : top + height, left : left + width] = large[0][:, :, None]
                lines[top : top + height, left : left + width] = outline(large)
    return sheet, lines


def png(rgb: NDArray[np.uint8]) -> bytes:
    """An RGB or RGBA array as PNG."""
    from matplotlib.image import imsave

    stream = io.BytesIO()
    imsave(stream, rgb, format="png")
    return stream.getvalue()


def organs_of(record: Record) -> tuple[str, ...]:
    """The organs a record tells of, in order."""
    return tuple(dict.fromkeys(organ for visit in VISITS for organ in record.organs.get(visit, {})))


def write_sheet(folder: Path, key: str, out: Path) -> Path:
    """Write one patient's contact sheet as PNG."""
    record = read_record(folder, key)
    if record is None:
        raise problems.KEY_UNKNOWN.problem("this patient has not been prepared", where="state/prepared")
    write_atomic(out, png(contact_sheet(read_views(folder, key), organs_of(record))))
    return out


def write_page(folder: Path, out: Path, own: Mapping[str, str] | None = None) -> Path:
    """Write the quality page of the whole prepared cohort, one self-contained HTML file; `own` gives the hospital's key of an id.

    Raises FH-350.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape

    index = read_index(folder)
    if index is None:
        raise problems.NOT_PREPARED.problem("no cohort has been prepared yet")
    sheets = [sheet for key in index.patients if (sheet := _sheet(folder, key, (own or {}).get(key, ""))) is not None]
    sheets.sort(key=lambda sheet: (sheet.record.usable, -len(sheet.record.findings), sheet.own, sheet.key))
    environment = Environment(loader=PackageLoader("client"), autoescape=select_autoescape(default=True), trim_blocks=True)
    page = environment.get_template("quality.html.j2").render(sheets=sheets, counts=page_counts(sheets), visits=VISITS, codes=codes(sheets))
    make_folder(out.parent)
    write_atomic(out, page.encode())
    return out


def _sheet(folder: Path, key: str, own: str) -> Sheet | None:
    record = read_record(folder, key)
    if record is None:
        return None
    views = read_views(folder, key)
    picture, outlines = (base64.b64encode(png(layer)).decode() for layer in layers(views, organs_of(record))) if views else ("", "")
    rows = tuple((visit, organ, record.organs[visit][organ]) for visit in VISITS for organ in record.organs.get(visit, {}))
    return Sheet(key, own, picture, outlines, record, rows)


def page_counts(sheets: list[Sheet]) -> dict[str, Any]:
    """The numbers at the top of the page."""
    return {
        "patients": len(sheets),
        "with complete images": sum(sheet.record.usable for sheet in sheets),
        "follow-up carried forward": sum(any(flag.endswith("carried_forward") for flag in sheet.record.flags) for sheet in sheets),
        "with model tumour left out": sum(any(flag.endswith("_cleaned") for flag in sheet.record.flags) for sheet in sheets),
        "with a partial organ": sum(any(flag.endswith("_partial") for flag in sheet.record.flags) for sheet in sheets),
        "to be tried again": sum(sheet.record.retry for sheet in sheets),
    }


def codes(sheets: list[Sheet]) -> list[tuple[str, str, int]]:
    """Every finding's code with its title and in how many patients it occurs."""
    titles = {kind.label: kind.title for kind in all_kinds()}
    patients: dict[str, int] = {}
    for sheet in sheets:
        for code in {finding.code for finding in sheet.record.findings}:
            patients[code] = patients.get(code, 0) + 1
    return [(code, titles.get(code, ""), number) for code, number in sorted(patients.items())]
