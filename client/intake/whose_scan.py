"""Whose scan: what headers say about the person, compared within the hospital and never written out.

Ids, birth dates and sexes are normalised first (case, spaces, leading zeros); words that anonymisers put in their place
say nothing. Two identities differ where both state a thing and the two statements are not the same; names are compared
only where neither id nor birth date can be, since people marry and alphabets are written differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from site_config.tables.patient_moments import Declared

DAYS_A_YEAR = 365.25
AGE_TOLERANCE = 2.0
YEARS_APART = 2  # between two birth years reckoned from ages: a birthday, a rounding
OLDEST = 89  # ages above are often pooled
PLACEHOLDER = re.compile(
    r"(anon\w*|unknown|none|null|nil|na|n/a|x+|0+|patient|pat|test\w*|deidentified|de-?id\w*|removed|pseudo\w*|subject|name|id)?"
)


@dataclass(frozen=True)
class Identity:
    """One person as headers state it; "" is a thing that is not stated. `around` is a birth year reckoned from an age."""

    id: str = ""
    birth: str = ""
    sex: str = ""
    name: str = ""
    around: str = ""

    def differs(self, other: Identity) -> tuple[str, ...]:
        """What two headers state differently, in words for a person: never the values."""
        pairs = (("patient id", self.id, other.id), ("birth date", self.birth, other.birth), ("sex", self.sex, other.sex))
        words = [word for word, mine, theirs in pairs if mine and theirs and mine != theirs]
        if not (self.birth and other.birth) and self.year and other.year and abs(self.year - other.year) > YEARS_APART:
            words.append("age")
        known = (self.id and other.id) or (self.birth and other.birth)
        if not known and self.name and other.name and not set(self.name.split()) & set(other.name.split()):
            words.append("patient name")
        return tuple(words)

    @property
    def year(self) -> int:
        """The birth year that is stated or reckoned; 0 where none is."""
        return int(self.birth[:4] or self.around or 0)

    @property
    def stated(self) -> bool:
        """Whether anything names the person."""
        return bool(self.id or self.birth)


NOBODY = Identity()


def identity_of(patient_id: str, birth: str, sex: str, name: str, age: str = "", taken: str = "") -> Identity:
    """An identity from raw header texts; an age counts on the day the images were taken.

    >>> identity_of(" 00123 ", "19500101", "m", "A^B").differs(identity_of("123", "19500102", "M", ""))
    ('birth date',)
    >>> identity_of("ANON", "", "", "").stated
    False
    >>> identity_of("", "", "", "", "063Y", "20240301").differs(identity_of("", "", "", "", "041Y", "20240503"))
    ('age',)
    """
    plain = "".join(patient_id.split()).casefold().lstrip("0")
    date = birth.strip() if re.fullmatch(r"(19|20)\d{6}", birth.strip()) and not birth.strip().endswith("19000101") else ""
    letter = sex.strip().upper()[:1]
    called = re.sub(r"[\s^=]+", " ", name).strip().casefold()
    return Identity(
        "" if PLACEHOLDER.fullmatch(plain) else plain,
        date,
        letter if letter in ("F", "M") else "",
        "" if PLACEHOLDER.fullmatch(called) else called,
        _around(age.strip().upper(), taken),
    )


def _around(age: str, taken: str) -> str:
    """The birth year that an age of whole years and a day (YYYYMMDD) give; "" where they give none."""
    years = re.fullmatch(r"(\d{1,3})Y", age)
    if years is None or not re.fullmatch(r"(19|20)\d{6}", taken) or not 0 < int(years.group(1)) <= OLDEST:
        return ""
    return str(int(taken[:4]) - int(years.group(1)))


def together(identities: Iterable[Identity]) -> Identity | tuple[str, ...]:
    """The one identity several headers state, or what they state differently."""
    known = list(dict.fromkeys(identities))
    for place, one in enumerate(known):
        for other in known[place + 1 :]:
            if different := one.differs(other):
                return different
    first = Identity()
    for one in known:
        first = Identity(
            first.id or one.id, first.birth or one.birth, first.sex or one.sex, first.name or one.name, first.around or one.around
        )
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
    reckoned = None if who.birth or not who.around or not stated.dated or stated.zero is None else stated.zero
    if reckoned is not None and stated.age is not None:
        years = date.fromordinal(int(reckoned)).year - who.year
        if abs(years - stated.age) > AGE_TOLERANCE + 1:
            wrong.append("age")
    return tuple(wrong)


def _born(birth: str) -> int:
    try:
        return date(int(birth[:4]), int(birth[4:6]), int(birth[6:])).toordinal()
    except ValueError:
        return date(int(birth[:4]), 7, 1).toordinal()
