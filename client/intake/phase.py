"""Contrast phase from free texts in several languages. No tag states it reliably, so the table of the site always wins.

Words that stand for a phase in English, German, French, Italian, Spanish, Chinese and Japanese series names; a text that
names two phases names none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

WORDS: dict[str, tuple[str, ...]] = {
    "portal": (
        *("portal", "porto", "portale", "portalvenous", "pv", "pvp", "venous", "venos", "venös", "venoes", "ven"),
        *("veineux", "veineuse", "venosa", "venoso", "vein", "静脉期", "门脉", "门静脉", "門脈"),
    ),
    "arterial": (
        *("arterial", "arteriell", "arteriel", "artériel", "arterielle", "artérielle", "arteriosa", "arteriosus"),
        *("art", "hap", "动脉期", "动脉", "動脈"),
    ),
    "delayed": (
        *("delayed", "delay", "late", "spät", "spaet", "spat", "tardif", "tardive", "tardiva", "tardía", "tardia"),
        *("equilibrium", "延迟", "平衡"),
    ),
    "native": ("native", "nativ", "plain", "unenhanced", "noncontrast", "nonenhanced", "basale", "precontrast", "平扫", "単純"),
}
WITHOUT = re.compile(
    r"\b(non?|without|w/?o|ohne|sans|senza|sin|pre)[\s_-]*(iv[\s_-]*)?(contrast|contraste|contrasto|kontrast|km|mdc|injection|pdc|enhanced)\b"
)
SECONDS = (("native", -3600.0, 5.0), ("arterial", 15.0, 45.0), ("portal", 55.0, 110.0), ("delayed", 150.0, 900.0))


def phase_of(texts: Mapping[str, str]) -> str | None:
    """The phase that series name, protocol or injection times state; None where they say nothing or contradict themselves."""
    named = {phase for phase in (phase_in(texts.get(tag, "")) for tag in ("SeriesDescription", "ProtocolName")) if phase}
    if named:
        return named.pop() if len(named) == 1 else None
    start, taken = (_seconds(texts.get(tag, "")) for tag in ("ContrastBolusStartTime", "AcquisitionTime"))
    if start is None or taken is None:
        return None
    return next((phase for phase, low, high in SECONDS if low <= taken - start <= high), None)


def phase_in(text: str) -> str | None:
    """The one phase a series' name states."""
    lowered = text.lower()
    found = {"native"} if WITHOUT.search(lowered) else set()
    words = set(re.split(r"[^\w]+|_|(?<=[a-zäöüéèí])(?=\d)|(?<=\d)(?=[a-zäöüéèí])", lowered))
    for phase, spellings in WORDS.items():
        if any(_says(spelling, words, lowered) for spelling in spellings):
            found.add(phase)
    return found.pop() if len(found) == 1 else None


def _says(spelling: str, words: set[str], text: str) -> bool:
    """Whether a word begins with a spelling (short ones: is it); Chinese and Japanese are looked for anywhere."""
    if any(ord(letter) > 0x2E7F for letter in spelling):
        return spelling in text
    return any(word == spelling or (len(spelling) > 4 and word.startswith(spelling)) for word in words)


def _seconds(clock: str) -> float | None:
    """Seconds of a DICOM time, HHMMSS.F."""
    if not re.fullmatch(r"\d{6}(\.\d{1,6})?", clock):
        return None
    return int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + float(clock[4:])
