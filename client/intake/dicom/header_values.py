"""Values of one DICOM header as texts, numbers and days, whatever was written into them."""

from __future__ import annotations

import re
from typing import Any

from pydicom.datadict import tag_for_keyword

from client.intake.names.fold_text import readable
from client.intake.names.image_kind_and_region import is_known

DOTTED = re.compile(r"\d{4}\.\d{2}\.\d{2}")


def text_of(dataset: Any, tag: str) -> str:
    """An element as text; several values with a backslash between them."""
    value = dataset.get(tag)
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(part) for part in value)
    return str(value).strip("\0 ")


def free_text_of(dataset: Any, tag: str) -> str:
    """A text in the encoding its bytes are in, whatever the header states."""
    number = tag_for_keyword(tag)
    raw = dataset.get_item(number) if number is not None else None
    data = getattr(raw, "value", None)
    stated = text_of(dataset, tag)
    return readable(data, stated, is_known) if isinstance(data, bytes) else stated


def number_of(value: Any) -> float | None:
    """A number; None where there is none."""
    try:
        return None if value is None or str(value).strip() == "" else float(value)
    except (TypeError, ValueError):
        return None


def whole_of(value: Any) -> int | None:
    """A whole number; None where there is none, which costs no slice: `A1` as the number of an acquisition says nothing.

    >>> whole_of("7"), whole_of("7.0"), whole_of("A1"), whole_of("")
    (7, 7, None, None)
    """
    number = number_of(value)
    return int(number) if number is not None and number.is_integer() else None


def undotted(text: str) -> str:
    """A date with dots, as the standard's predecessor wrote it (2024.03.01), as one without; other text as it is.

    Source: DICOM PS3.5, value representation DA, note on backward compatibility.
    """
    return text.replace(".", "") if DOTTED.fullmatch(text) else text


def dates_of(dataset: Any) -> tuple[str, str]:
    """The day the images were taken and the day it is held beside, YYYYMMDD; "" where none is stated.

    The acquisition's day is held beside the examination's. Where none is stated the examination's day counts, held beside the
    series': a reconstruction that was made weeks later carries its own day there.
    """

    def day(tag: str) -> str:
        text = undotted(text_of(dataset, tag))
        return text if len(text) == 8 and text.isdigit() else ""

    at = text_of(dataset, "AcquisitionDateTime")[:8]
    taken = day("AcquisitionDate") or (at if len(at) == 8 and at.isdigit() else "")
    study, series = day("StudyDate"), day("SeriesDate")
    return (taken, study) if taken else (study or series, series)
