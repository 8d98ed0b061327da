"""Free texts of headers made comparable: one case, no accents, words apart; and texts whose encoding was stated wrongly.

>>> fold("Früharterielle Phase, AbdPortal_3.0")
'fruharterielle phase, abd portal 3.0'
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ENCODINGS = ("utf-8", "gb18030", "shift_jis", "euc_kr", "big5", "cp1250", "cp1251", "cp1253")
SPECIAL = str.maketrans({"ł": "l", "Ł": "L", "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "đ": "d", "Đ": "D", "ı": "i", "œ": "oe"})
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
NARROW_ACCENTS = re.compile(r"[\u0300-\u036f]")


def fold(text: str) -> str:
    """Lower case without accents; camel case and underscores become spaces, Chinese and Japanese stay as they are."""
    apart = CAMEL.sub(" ", unicodedata.normalize("NFKC", text).replace("_", " "))
    plain = NARROW_ACCENTS.sub("", unicodedata.normalize("NFD", apart.translate(SPECIAL)))
    return " ".join(unicodedata.normalize("NFC", plain).lower().split())


def words_of(folded: str) -> tuple[str, ...]:
    """The words of a folded text; letters and digits that touch are apart."""
    return tuple(word for word in re.split(r"[^\w]+|(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])", folded) if word)


def readable(raw: bytes, stated: str, known: Callable[[str], bool]) -> str:
    """A header's text: as its character set states, unless another encoding makes words of it that are known here.

    Scanners write the local encoding and state Latin 1; the bytes then read as accented letters that form no word.
    """
    if raw.isascii() or known(stated):
        return stated
    for encoding in ENCODINGS:
        try:
            other = raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if known(other):
            return other.strip("\0 ")
    return stated
