"""The column of events: which values are events, found from their words or codes, or as declared; never guessed.

A value that may mean the opposite (1 in a column called `alive`), and a column in which a blank cell would have to mean that
nothing happened, are refused until the person has said what they mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox.cox_result import FitFinding
from simulations.tabular.decimal_marks import code_of
from simulations.tabular.doubts import NO_VALUE, NOT_KNOWN
from simulations.tabular.read_table import TabularTable
from site_config.problems import survival as problems
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
EVENT_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "ja", "oui", "si", "sí", "dead", "died", "death", "deceased", "event"), True),
    **dict.fromkeys(("verstorben", "gestorben", "tot", "décédé", "decede", "décès", "deces", "muerto", "fallecido", "deceduto"), True),
    **dict.fromkeys(("décédée", "decedee", "éxitus", "exitus", "muerta", "fallecida", "óbito", "obito", "falecido", "falecida"), True),
    **dict.fromkeys(("morto", "morta", "deceduta", "overleden", "zgon", "zmarł", "zmarła", "tak", "zemřel", "zemřela", "död", "død"), True),
    **dict.fromkeys(("vivante", "viva", "vivente", "levend", "in leven", "żyje", "nie", "žije", "levande", "levende"), False),
    **dict.fromkeys(("wahr", "vrai", "verdadero", "vero"), True),  # as Excel writes truth in other languages
    **dict.fromkeys(("falsch", "faux", "falso"), False),
    **dict.fromkeys(("false", "f", "no", "n", "nein", "non", "alive", "living", "censored", "censor", "no event"), False),
    **dict.fromkeys(("lebt", "lebend", "zensiert", "vivant", "vivo", "censuré", "censurado", "censurato"), False),
}
PLAIN_TRUTH = frozenset(
    {
        *("true", "t", "yes", "y", "ja", "oui", "si", "sí", "tak", "wahr", "vrai", "verdadero", "vero"),
        *("false", "f", "no", "n", "nein", "non", "nie", "falsch", "faux", "falso"),
    }
)
"""Words that answer the column's name, whatever it asks."""
CODED = re.compile(r"[012]\s*[:=]\s*(?=\D)")
"""What cBioPortal and codebooks write before a word: `1:DECEASED`, `1 = dead`."""
OF_LIFE = re.compile(
    r"(?:^|[\W_])(?:alive|living|survived|surviving|survivor|censor\w*|cens|lebt|lebend|überlebt|zensiert\w*|zensur|vivante?|viv[oa]s?"
    r"|vivente|censur\w*|censuré\w*|levend|levande|żyje|žije)(?:[\W_]|$)|free$",
    re.IGNORECASE,
)
"""Names of columns in which 1, true or yes may mean that nothing happened: `alive`, `censored`, `progression_free`."""
DECLARE = "Say which value is an event: `--event-value {no}` or `--event-value {yes}` (in Python `event_values=[...]`)."
NO_BLANKS = (
    "Write 0 in the rows without an event (1 in those with one), and delete the rows in which it is not known: a blank cell is not known."
)


@dataclass(frozen=True)
class Events:
    """The event column as 0/1 (n,), NaN where missing, and how it was read: rows by value as written."""

    column: str
    values: Floats
    died: dict[str, int]
    censored: dict[str, int]
    findings: tuple[FitFinding, ...] = ()

    def text(self) -> str:
        """For example `status: 2 = event (165 rows), 1 = censored (63 rows)`."""
        parts = [
            f"{' or '.join(held) or 'nothing'} = {word} ({plural(sum(held.values()), 'row')})"
            for held, word in ((self.died, "event"), (self.censored, "censored"))
        ]
        return f"{self.column}: {', '.join(parts)}"

    def as_dict(self) -> dict[str, object]:
        """Column, and rows by value."""
        return {"column": self.column, "event": self.died, "censored": self.censored}


def events(table: TabularTable, name: str, declared: Sequence[str] = ()) -> Events:
    """The event column, its coding as declared (the values that are events) or found from its values as R's `Surv` does.

    Raises FH-824 when the codes are not 0/1, 1/2, true/false or words of the same meaning and nothing is declared.
    """
    texts = table.column(name)
    given = sorted({text for text in texts if text is not None and (declared or text.casefold() not in NO_VALUE)})
    meaning = _declared(given, declared, name) if declared else _coding(given, name)
    found = _read_as(texts, name, meaning)
    blank = int(np.isnan(found.values).sum())
    if found.died and not found.censored and blank:
        rows = plural(sum(found.died.values()), "row")
        what = f"column {name!r} holds {', '.join(found.died)} in {rows} and nothing in {blank}: is a blank cell no event?"
        raise problems.EVENT_CODING.problem(what, fix=NO_BLANKS)
    return replace(found, findings=tuple(_doubts_of_events(found, declared)))


def events_alike(table: TabularTable, name: str, first: Events, declared: Sequence[str] = ()) -> Events:
    """The event column of a second table: read as the first one's where it holds no other values, else by its own coding.

    Raises FH-824 where one value would be an event in one table and censored in the other, and as `events` does.
    """
    known = {**dict.fromkeys(first.died, True), **dict.fromkeys(first.censored, False)}
    texts = table.column(name)
    given = sorted({text for text in texts if text is not None and (text in known or text.casefold() not in NO_VALUE)})
    meaning = {text: next((dead for value, dead in known.items() if _same(text, value)), None) for text in given}
    told = {text: dead for text, dead in meaning.items() if dead is not None}
    if len(told) == len(given):
        return _read_as(texts, name, told)
    found = events(table, name, declared)
    turned = [text for text in given if text in told and told[text] is not (text in found.died)]
    if turned:
        what = (
            f"column {name!r} of the second table holds {', '.join(given[:6])}: there {turned[0]} would not mean what it means in the first"
        )
        raise problems.EVENT_CODING.problem(what, fix="Write events alike in both tables, for example 0 = censored, 1 = event.")
    return found


def _read_as(texts: Sequence[str | None], name: str, meaning: Mapping[str, bool]) -> Events:
    values = np.asarray([np.nan if text is None or text not in meaning else float(meaning[text]) for text in texts])
    held = Counter(text for text in texts if text is not None)
    died, censored = ({text: held[text] for text, means in meaning.items() if means is dead} for dead in (True, False))
    return Events(name, values, died, censored)


def _doubts_of_events(found: Events, declared: Sequence[str]) -> Iterator[FitFinding]:
    """A single code, a declared value that stands nowhere, and words for not known that count as censored."""
    given = {**found.died, **found.censored}
    codes = {code_of(text) for text in given}
    if not declared and codes == {1.0}:
        say = "--event-value 2 (in Python event_values=[2])"
        what = f"{found.column} holds no code but 1, read as event; where 1 means censored (1/2 coding) say {say}"
        yield FitFinding.of(problems.ONE_EVENT_CODE, what)
    elif not declared and found.died and not found.censored:
        yield FitFinding.of(problems.ONE_EVENT_CODE, f"{found.column} holds {', '.join(found.died)} alone, read as event: everybody had it")
    absent = [value for value in declared if not any(_same(text, value) for text in given)]
    if absent:
        what = f"{found.column}: no row holds {', '.join(absent)}, declared as event; {', '.join(found.censored) or 'nothing'} = censored"
        yield FitFinding.of(problems.EVENT_VALUE_ABSENT, what)
    unknown = [text for text in found.censored if text.casefold() in NOT_KNOWN]
    if unknown:
        rows = plural(sum(found.censored[text] for text in unknown), "row")
        flags = " ".join(f"--missing {word}" for word in unknown)
        what = f"{found.column}: {', '.join(unknown)} counts as censored in {rows}; where it means not known say {flags}"
        yield FitFinding.of(problems.WORD_KEPT, what)


def _same(one: str, other: str) -> bool:
    first, second = code_of(one), code_of(other)
    return one.casefold() == other.casefold() or (first is not None and first == second)


def _declared(given: Sequence[str], declared: Sequence[str], name: str) -> dict[str, bool]:
    absent = [value for value in declared if not any(_same(text, value) for text in given)]
    if absent and len(absent) == len(declared):
        raise problems.EVENT_CODING.problem(
            f"column {name!r} holds {', '.join(given[:6])}, and none of the declared events {', '.join(absent)}",
            fix="Give --event-value a value as it stands in the column.",
        )
    return {text: any(_same(text, value) for value in declared) for text in given}


def _coding(given: Sequence[str], name: str) -> dict[str, bool]:
    words = {text: CODED.sub("", text.casefold(), count=1) for text in given}
    if OF_LIFE.search(name) and all(word in PLAIN_TRUTH or code_of(word) in (0.0, 1.0, 2.0) for word in words.values()):
        shown = given if len(given) > 1 else (*given, *given)
        what = f"column {name!r} holds {', '.join(given[:6])}; in a column of that name {shown[-1]} may mean that nothing happened"
        raise problems.EVENT_CODING.problem(what, fix=DECLARE.format(no=shown[0], yes=shown[-1]))
    if given and all(word in EVENT_WORDS for word in words.values()):
        return {text: EVENT_WORDS[word] for text, word in words.items()}
    codes = {text: code_of(text) for text in given}
    distinct = set(codes.values())
    if not distinct <= {0.0, 1.0} and not distinct <= {1.0, 2.0}:
        raise problems.EVENT_CODING.problem(f"column {name!r} holds {', '.join(given[:6])}")
    died = 2.0 if 2.0 in distinct else 1.0
    return {text: code == died for text, code in codes.items()}
