"""Whose scan: what headers say about the person, compared within the hospital and never written out.

Ids, birth dates and sexes are normalised first (case, spaces, leading zeros); words that anonymisers put in their place
say nothing. Two identities differ where both state a thing and the two statements are not the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from site_config.tables.moments import Declared

DAYS_A_YEAR = 365.25
AGE_TOLERANCE = 2.0
PLACEHOLDER = re.compile(
    r"(anon\w*|unknown|none|null|nil|na|n/a|x+|0+|patient|pat|test\w*|deidentified|de-?id\w*|removed|pseudo\w*|subject|name|id)?"
)


@dataclass(frozen=True)
class Identity:
    """One person as headers state it; "" is a thing that is not stated."""

    id: str = ""
    birth: str = ""
    sex: str = ""
    name: str = ""

    def differs(self, other: Identity) -> tuple[str, ...]:
        """What two headers state differently, in words for a person: never the values."""
        pairs = (("patient id", self.id, other.id), ("birth date", self.birth, other.birth), ("sex", self.sex, other.sex))
        return tuple(word for word, mine, theirs in pairs if mine and theirs and mine != theirs)

    @property
    def stated(self) -> bool:
        """Whether anything names the person."""
        return bool(self.id or self.birth)


NOBODY = Identity()


def identity_of(patient_id: str, birth: str, sex: str, name: str) -> Identity:
    """An identity from raw header texts.

    >>> identity_of(" 00123 ", "19500101", "m", "A^B").differs(identity_of("123", "19500102", "M", ""))
    ('birth date',)
    >>> identity_of("ANON", "", "", "").stated
    False
    """
    plain = " ".join(patient_id.split()).casefold().lstrip("0")
    date = birth.strip() if re.fullmatch(r"(19|20)\d{6}", birth.strip()) and not birth.strip().endswith("19000101") else ""
    letter = sex.strip().upper()[:1]
    called = re.sub(r"[\s^=]+", " ", name).strip().casefold()
    return Identity(
        "" if PLACEHOLDER.fullmatch(plain) else plain,
        date,
        letter if letter in ("F", "M") else "",
        "" if PLACEHOLDER.fullmatch(called) else called,
    )


def together(identities: Iterable[Identity]) -> Identity | tuple[str, ...]:
    """The one identity several headers state, or what they state differently."""
    known = list(dict.fromkeys(identities))
    for place, one in enumerate(known):
        for other in known[place + 1 :]:
            if different := one.differs(other):
                return different
    first = Identity()
    for one in known:
        first = Identity(first.id or one.id, first.birth or one.birth, first.sex or one.sex, first.name or one.name)
    return first


def beside_table(who: Identity, stated: Declared) -> tuple[str, ...]:
    """What headers and a row of cohort.csv state differently about a person, in words."""
    wrong = []
    if who.sex and stated.male is not None and (who.sex == "M") != stated.male:
        wrong.append("sex")
    if who.birth and stated.age is not None and stated.dated and stated.zero is not None:
        years = (stated.zero - _born(who.birth)) / DAYS_A_YEAR
        if abs(years - stated.age) > AGE_TOLERANCE:
            wrong.append("birth date and age")
    return tuple(wrong)


def _born(birth: str) -> int:
    try:
        return date(int(birth[:4]), int(birth[4:6]), int(birth[6:])).toordinal()
    except ValueError:
        return date(int(birth[:4]), 7, 1).toordinal()
