"""What kind of image a series is: kernel, derived or original, low dose, which region. From tags first, then from words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from client.intake.names.fold_text import fold, words_of
from client.intake.names.phase_from_name import read_phase

Kernel = Literal["soft", "sharp"]

SIEMENS = re.compile(r"\b(?:[bhdtijuq][rvlpkuhf]?|[bhqut][a-z])(\d{2})[a-z]{0,2}\b")
CANON = re.compile(r"\bfc[\s_-]?(\d{2})\b|\bfl[\s_-]?(\d{2})\b")
SHARPEST_SOFT = 49
PHILIPS: dict[str, Kernel] = {
    **dict.fromkeys(("a", "b", "c", "ub", "uc", "eb", "ec", "sa"), "soft"),
    **dict.fromkeys(("d", "e", "l", "ya", "yb", "yc", "yd", "ye", "yl", "detail"), "sharp"),
}
SHARP_STEMS = (
    *("bone", "knochen", "knoch", "osso", "ossea", "osseo", "hueso", "kostn", "kosc", "botvenster", "lung", "lunge", "pulmo", "poumon"),
    *("polmon", "pluc", "pneumo", "parench", "sharp", "scharf", "edge", "hrct", "boneplus", "ultrahigh"),
)
SHARP_INSIDE = ("骨", "肺", "뼈")
SOFT_STEMS = (
    *("soft", "weich", "wt", "mou", "molle", "blando", "bland", "miekk", "standard", "stnd", "std", "smooth", "softtissue", "mediast"),
    *("partesblandas", "tkmiek", "weke"),
)
SOFT_INSIDE = ("软组织", "軟部", "軟組織", "연조직", "parties molles", "partes blandas", "tessuti molli", "tkanki miekkie")

MAPS = {  # values of ImageType that name no picture of attenuation, or one made of others
    *("MIP", "MINIP", "VRT", "CSAMIP", "CSAMAX", "PERFUSION", "SUBTRACTION", "OVERLAY", "PROJECTION IMAGE"),
}
DERIVED_WORDS = re.compile(
    r"\biod(?:ine|e|io)?(?:\s*map)?\b|\bjod(?:karte|bild)?\b|\byodo\b|\biodomap\b|碘|ヨード|요오드"
    r"|\bvnc\b|\bvnu\b|\bvue\b|\bvirtual (?:non|un)\w*|\bvirtuell\w* nativ\w*|仮想|虚拟"
    r"|\bmono\s*(?:e\w*|plus|\+|\d+)|\bmonochrom\w*|\bmono\b|\bvmi\b|\bke v\b|\d\s*kev\b"
    r"|\bmip\b|\bminip\b|\bmmip\b|\bray ?sum\b|\bvrt?\b|(?<!aidr )(?<!sd )\b3 ?d\b|\bcinematic\b"
    r"|\bsubtra\w*|\bsustrac\w*|\bsottraz\w*|\bperf(?:usion\w*)?\b|\bz ?eff\b|\brho\b|\belectron dens\w*"
    r"|\bfusion\b|\bfused\b|\bpbv\b|\boverlay\b|\bcal(?:cium)? ?supp\w*|\bwater \(?iod\w*|\bmateri\w* (?:dens|decomp)\w*"
)
LOW_DOSE_WORDS = re.compile(
    r"\blow[\s-]?dose\b|\blowdose\b|\bldct\b|\bld\b|\bniedrig\s?dosis\w*|\blow[\s-]?dosis\b|\b(?:faible|basse) dose\b"
    r"|\bbassa dose\b|\bbaja dosis\b|\bdosis baja\b|\bbaixa dose\b|\bniskodawk\w*|\blage dosis\b|低剂量|低劑量|低線量|저선량"
    r"|\bcbct\b|\bcone ?beam\b|\bdyna ?ct\b|\bxper ?ct\b|\binnova ?ct\b|\bc arm ct\b|锥形束|コーンビーム"
    r"|\bac\s?ct\b|\bct\s?ac\b|\bctac\b|\battenuation\b|\bpet\b|\btep\b|\bspect\b"
)
CHEST_STEMS = (
    *("chest", "thora", "thorx", "torax", "torac", "thx", "lung", "pulm", "poumon", "polmon", "klatk", "pluc", "brust", "borstk", "hrct"),
    *("mellkas", "toraks", "hrudn", "груд", "легк"),
)
CHEST_WORDS = ("tho", "thor", "kl")
CHEST_INSIDE = ("胸", "肺", "흉부", "폐")
ABDOMEN_STEMS = (
    *("abd", "liver", "leber", "foie", "fegat", "higado", "hepat", "figado", "oberbauch", "addom", "jama", "brzus", "brzuch", "watrob"),
    *(
        "buik",
        "lever",
        "bauch",
        "epigast",
        "upper abd",
        "hasi",
        "karaciger",
        "karin",
        "bric",
        "jatr",
        "живот",
        "брюш",
        "печен",
        "vatsa",
        "buk",
    ),
)
ABDOMEN_WORDS = ("ob", "jb", "ap", "abp")
ABDOMEN_INSIDE = ("腹", "肝", "복부", "간")
WHOLE_WORDS = (
    "cap",
    "tap",
    "tca",
    "ncap",
    "whole",
    "wb",
    "total",
    "stamm",
    "rumpf",
    "tronco",
    "tronc",
    "polytrauma",
    "panscan",
    "pancan",
    "ntap",
)
WHOLE_INSIDE = (
    *(
        "体幹",
        "全身",
        "胸腹",
        "躯干",
        "ganzkorper",
        "corps entier",
        "whole body",
        "total body",
        "tho abd",
        "th abd",
        "thx abd",
        "ab tho",
        "chestabd",
    ),
    *("c/a/p", "t/a/p", "전신"),
)
WHOLE_MM = 480.0
LEAST_WHOLE_MM = 300.0


def kernel_of(stated: str, description: str) -> Kernel | None:
    """The kernel's class, from ConvolutionKernel, else from a kernel's name or a word in the description.

    >>> kernel_of("B70s", "Abdomen"), kernel_of("", "Liver bone 1.0"), kernel_of("STANDARD", ""), kernel_of("", "Abdomen")
    ('sharp', 'sharp', 'soft', None)
    """
    tag = fold(stated).replace("\\", " ")
    return _coded(tag) or PHILIPS.get(tag) or _worded(tag) or _coded(fold(description)) or _worded(fold(description))


def _coded(text: str) -> Kernel | None:
    siemens = SIEMENS.search(text)
    if siemens:
        return "soft" if int(siemens.group(1)) <= SHARPEST_SOFT else "sharp"
    canon = CANON.search(text)
    if canon:
        number = int(canon.group(1) or canon.group(2))
        return "soft" if number < 30 else "sharp"
    return None


def _worded(text: str) -> Kernel | None:
    words = words_of(text)
    if any(word.startswith(SHARP_STEMS) for word in words) or any(part in text for part in SHARP_INSIDE):
        soft = any(part in text for part in SOFT_INSIDE) or any(word.startswith(SOFT_STEMS) for word in words)
        return "soft" if soft else "sharp"
    if any(word.startswith(SOFT_STEMS) for word in words) or any(part in text for part in SOFT_INSIDE):
        return "soft"
    return None


def derived_of(kinds: Sequence[str], description: str) -> str | None:
    """Why a series is no original reconstruction: `map` (another quantity, or another energy), `reformat`; None for an original one.

    >>> derived_of(["DERIVED", "PRIMARY", "AXIAL", "IODINE"], ""), derived_of(["ORIGINAL", "PRIMARY"], "Abd MonoPlus 55 keV")
    ('map', 'map')
    >>> derived_of(["DERIVED", "SECONDARY", "MPR"], "Abd 5.0"), derived_of(["ORIGINAL", "PRIMARY", "AXIAL"], "Leber monophasisch")
    ('reformat', None)
    """
    values = {kind.upper().strip() for kind in kinds}
    text = fold(" ".join([description, *(kinds[2:])]))
    if values & MAPS or DERIVED_WORDS.search(text):
        return "map"
    return "reformat" if kinds[:1] == ["DERIVED"] or "REFORMATTED" in values or "MPR" in values else None


def is_low_dose(description: str) -> bool:
    """Whether a name says that the series was taken with little dose, as beside a PET, or by a cone beam, as during an intervention."""
    return LOW_DOSE_WORDS.search(fold(description)) is not None


def region_of(text: str, extent_mm: float) -> str | None:
    """`abdomen`, `chest`, `whole`, or None where neither words nor length tell.

    >>> region_of("Jama brzuszna faza wrotna", 185), region_of("TAP veineux", 620), region_of("Body 5.0", 185)
    ('abdomen', 'whole', None)
    """
    folded = fold(text)
    words = words_of(folded)
    chest = any(word in CHEST_WORDS or word.startswith(CHEST_STEMS) for word in words) or any(part in folded for part in CHEST_INSIDE)
    abdomen = any(word in ABDOMEN_WORDS or word.startswith(ABDOMEN_STEMS) for word in words) or any(
        part in folded for part in ABDOMEN_INSIDE
    )
    whole = any(word in WHOLE_WORDS for word in words) or any(part in folded for part in WHOLE_INSIDE) or (chest and abdomen)
    if extent_mm >= WHOLE_MM:
        return "whole"
    if whole:
        return "whole" if extent_mm >= LEAST_WHOLE_MM else None
    return "chest" if chest else "abdomen" if abdomen else None


def is_known(text: str) -> bool:
    """Whether a text holds a word for a phase or a region: the test by which a wrongly stated encoding is noticed."""
    return read_phase(text).stated or region_of(text, WHOLE_MM - 1) is not None
