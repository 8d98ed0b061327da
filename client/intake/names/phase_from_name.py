"""Contrast phase of a series, from words and seconds in its name and from injection times. No tag states it reliably.

The order: the series' own name; where it says nothing, the protocol's; where that says nothing either, the time between
the injection and the slices. A name that says two things says none, and is not helped out by the next source. The site's
table always wins over all of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from client.intake.names import phase_words as known
from client.intake.names.fold_text import fold, words_of
from client.intake.names.phase_seconds import by_seconds, clock, seconds_in


@dataclass(frozen=True)
class PhaseReading:
    """What a text says: the phase, or None; `stated` tells a text that contradicts itself from one that says nothing."""

    phase: str | None
    stated: bool


def phase_of(texts: Mapping[str, str]) -> str | None:
    """The phase by series name, protocol or injection times; None where they say nothing or contradict themselves.

    >>> phase_of({"SeriesDescription": "Abdomen delay 70s 5.0"})
    'portal'
    >>> phase_of({"SeriesDescription": "Abdomen", "ContrastBolusStartTime": "101500", "AcquisitionTime": "101610"})
    'portal'
    """
    for tag in ("SeriesDescription", "ProtocolName"):
        reading = read_phase(texts.get(tag, ""))
        if reading.stated:
            return reading.phase
    start, taken = (clock(texts.get(tag, "")) for tag in ("ContrastBolusStartTime", "AcquisitionTime"))
    if start is None or taken is None:
        return None
    if taken - start < -5.0:
        return known.NATIVE if taken - start > -3600.0 else None
    return by_seconds(taken - start)


def phase_in(text: str) -> str | None:
    """The one phase a name states, or None."""
    return read_phase(text).phase


def read_phase(text: str) -> PhaseReading:
    """What a name says about the phase.

    >>> read_phase("Fase arteriosa tardiva")
    PhaseReading(phase='arterial', stated=True)
    >>> read_phase("Abd art + ven 5.0")
    PhaseReading(phase=None, stated=True)
    """
    written = known.INITIALS.sub(_one_word, fold(text))
    folded = known.NO_PHASE.sub(" ", written)
    if known.BOTH.search(folded) or _before_and_after(folded) or _joined_to_unknown(folded):
        return PhaseReading(None, True)
    named = _named(folded)
    at = seconds_in(folded)
    if known.DELAYED in named and len(named) == 1 and at:
        named = set()  # "delay 70s" is a time, not a phase
    timed = {by_seconds(value) for value in at}
    if named == {known.PORTAL} and timed == {known.DELAYED} and _late(known.WITHOUT.sub(" ", folded)):
        named = {known.DELAYED}  # "late venous 3 min"
    if not named:
        return PhaseReading(timed.pop() if len(timed) == 1 else None, bool(at))
    if len(named) > 1 or (at and not timed <= {*named, None}):
        return PhaseReading(None, True)
    return PhaseReading(next(iter(named)), True)


def _before_and_after(folded: str) -> bool:
    """Whether a name states both an unenhanced and an enhanced picture: `平扫+增强`, `nativ + KM`, `S/C y C/C`."""
    folded = known.BY_MOUTH.sub(" ", folded)
    rest = known.WITHOUT.sub(" ", folded)
    unenhanced = rest != folded
    for word in known.INSIDE[known.NATIVE]:
        unenhanced = unenhanced or word in rest
        rest = rest.replace(word, " ")
    unenhanced = unenhanced or any(_is(known.NATIVE, word) for word in words_of(rest))
    return unenhanced and known.ENHANCED.search(rest) is not None


def _one_word(initials: re.Match[str]) -> str:
    """`m.d.c.` as `mdc`; a letter for `without` before `i.v.` stays apart."""
    word = re.sub(r"[.\s]", "", initials.group())
    return f"{word[0]}.{word[1:]} " if word in ("oiv", "siv") else word


def _joined_to_unknown(folded: str) -> bool:
    """Whether a `+` joins a short word for a phase to a short word that is not understood: it may well be another phase.

    >>> _joined_to_unknown("abd xyz+ven 5.0"), _joined_to_unknown("abd+thx ven")
    (True, False)
    """
    for pair in known.JOINED.finditer(folded):
        stand = [next((phase for phase in known.WORDS if _is(phase, word)), None) for word in pair.groups()]
        if (stand[0] is None) != (stand[1] is None):
            other = pair.group(1 if stand[0] is None else 2)
            if not other.startswith(known.NO_SECOND_PHASE):
                return True
    return False


def _is(phase: str, word: str) -> bool:
    """Whether one word stands for a phase, a single wrong letter in a long one included."""
    if word in known.WORDS[phase] or word.startswith(known.STEMS[phase]):
        return True
    return len(word) >= 6 and any(one_slip(word, right) for right in known.WRITTEN_OUT[phase])


def one_slip(word: str, right: str) -> bool:
    """Whether a word is another with one letter left out, added, changed or two neighbours exchanged; the first letter holds.

    >>> one_slip("protal", "portal"), one_slip("artrial", "arterial"), one_slip("postural", "portal")
    (True, True, False)
    """
    if word[0] != right[0] or abs(len(word) - len(right)) > 1:
        return False
    same = next((k for k, (a, b) in enumerate(zip(word, right, strict=False)) if a != b), min(len(word), len(right)))
    one, other = word[same:], right[same:]
    return one[1:] == other[1:] or one[1:] == other or one == other[1:] or (one[:2] == other[1::-1] and one[2:] == other[2:])


def _named(folded: str) -> set[str]:
    """Phases that words name; words for `late` count as a phase only where no other enhanced phase is named."""
    without = known.WITHOUT.search(folded)
    found = {known.NATIVE} if without else set()
    rest = known.WITHOUT.sub(" ", folded)
    words = words_of(rest)
    parts = tuple(known.BEFORE_A_PHASE.sub("", word) for word in words)  # `spaetart`: a word for late before one for a phase
    for phase in known.WORDS:
        inside = any(part in rest for part in known.INSIDE[phase])
        letter = phase in known.LETTERS and re.search(known.LETTERS[phase], rest) is not None
        if inside or letter or any(_is(phase, word) for word in (*words, *parts)):
            found.add(phase)
    if known.VEIN.search(rest):
        found.add(known.PORTAL)
    if _late(rest) and not found & {known.ARTERIAL, known.PORTAL}:
        found.add(known.DELAYED)
    return found


def _late(rest: str) -> bool:
    """Whether a folded text says `late`."""
    words = words_of(rest)
    return any(word in known.LATE_WORDS or word.startswith(known.LATE_STEMS) for word in words) or any(
        part in rest for part in known.LATE_INSIDE
    )
