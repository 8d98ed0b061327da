"""Numbers as people write them: which mark separates decimals, and where that cannot be known.

`1,230` is 1230 in one country and 1.23 in another. It is read only where its column shows which (`0,5` or `12,25` can only be
decimals) or where the person says so; a wrong guess turns a coefficient's sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from site_config.problems import survival as problems

DecimalMark = Literal["point", "comma"]
MARKS: dict[DecimalMark, str] = {"point": ".", "comma": ","}
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
WITH_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?", re.IGNORECASE)
GROUPED = {",": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+"), ".": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")}
GROUPED_DECIMALS = {
    "point": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?"),
    "comma": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?"),
}
WHOLE = re.compile(r"[+-]?\d+")
EXACT = 2.0**53
"""Whole numbers up to this are floats without rounding."""
SPACED = re.compile(r"[+-]?[1-9]\d{0,2}([ \u00a0\u2009\u202f'’]\d{3})+([.,]\d*)?")
"""Thousands separated by a blank or an apostrophe: a number, but not one that is read."""


def looks_numeric(text: str) -> bool:
    """Whether a text is a number under one of the two marks."""
    text = true_minus(text)
    return any(pattern.fullmatch(text) for pattern in (PLAIN, WITH_COMMA, SPACED, *GROUPED_DECIMALS.values())) or text.casefold().lstrip(
        "+-"
    ) in {
        "inf",
        "infinity",
    }


def true_minus(text: str) -> str:
    """The text with a hyphen for a typographer's minus sign."""
    return text.replace("\u2212", "-")


def number_of(text: str, mark: DecimalMark = "point") -> float | None:
    """A number as written under a mark, with or without separators of thousands; None when it is none."""
    text = true_minus(text)
    if GROUPED_DECIMALS[mark].fullmatch(text):
        text = text.replace("." if mark == "comma" else ",", "")
    if mark == "comma":
        if "." in text:
            return None
        text = text.replace(",", ".")
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def code_of(text: str) -> float | None:
    """A number that is a code: `1`, `1.0`, and `1,0` as Germany writes it; no code is so large that a comma separates thousands."""
    found = number_of(text)
    return number_of(text, "comma") if found is None else found


def label_of(text: str) -> str:
    """A label: 1 and 1.0 are one, and so are 1 and 01; a number of so many digits that a float would round it stays as it is."""
    value = number_of(text)
    return f"{int(value)}" if value is not None and abs(value) <= EXACT and value == int(value) else text


def shows_comma(texts: Iterable[str]) -> bool:
    """Whether a text is a number whose comma can only separate decimals."""
    return any("," in text and WITH_COMMA.fullmatch(text) and not GROUPED[","].fullmatch(text) for text in texts)


def shows_point(texts: Iterable[str]) -> bool:
    """Whether the texts' points are those of decimals: one can be nothing else, and no comma is."""
    held = list(texts)
    return any("." in text and PLAIN.fullmatch(text) and not GROUPED["."].fullmatch(text) for text in held) and not shows_comma(held)


def decimal_mark(
    name: str, texts: Iterable[str], delimiter: str, declared: DecimalMark | None, elsewhere: Iterable[str] = ()
) -> DecimalMark:
    """The mark of a column's decimals: as declared, or as its values show. Raises FH-828 where they leave it open.

    `elsewhere` are the cells of the whole table: 1.230 in a semicolon table is a decimal only where they show decimal points.
    """
    if declared is not None:
        return declared
    seen = set(map(true_minus, texts))
    everywhere = list(elsewhere)
    commas = {text for text in seen if WITH_COMMA.fullmatch(text) or GROUPED[","].fullmatch(text)}
    points = {text for text in seen if ("." in text and PLAIN.fullmatch(text)) or GROUPED["."].fullmatch(text)}
    decimals = [text for text in commas if not GROUPED[","].fullmatch(text)]
    if decimals and points:
        raise _ambiguous(name, "holds decimals with a comma, like 62,3, and numbers with a point")
    if decimals and (delimiter != "," or len(decimals) == len(commas)):
        return "comma"
    if decimals:
        raise _ambiguous(name, "holds decimals like 62,3 and numbers like 1,230, which is 1230 or 1.23")
    if commas:
        raise _ambiguous(name, "holds numbers like 1,230, which is 1230 or 1.23")
    grouped = all(GROUPED["."].fullmatch(text) for text in points)
    if points and grouped and delimiter != "," and (any(WHOLE.fullmatch(text) for text in seen) or not shows_point(everywhere)):
        raise _ambiguous(name, "holds numbers like 1.230, which is 1230 or 1.23")
    return "point"


def _ambiguous(name: str, words: str) -> Exception:
    return problems.AMBIGUOUS_NUMBER.problem(f"column {name!r} {words}")
