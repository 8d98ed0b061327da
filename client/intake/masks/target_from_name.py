"""Which target of the study a structure's name means: file names of TotalSegmentator, names that radiologists give."""

from __future__ import annotations

import re

from client.intake.names.fold_text import fold

LOBES = ("lung_upper_lobe_left", "lung_lower_lobe_left", "lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right")
FILES: dict[str, tuple[str, ...]] = {
    "liver": ("liver",),
    "liver_tumour": ("liver_lesions", "liver_lesion", "liver_tumor", "liver_tumour", "liver_tumors", "liver_tumours"),
    "lung": (*LOBES, "lung", "lungs", "lung_left", "lung_right"),
    "lung_tumour": ("lung_nodules", "lung_nodule", "lung_tumor", "lung_tumour", "lung_tumors"),
}
"""Files of one target, without `.nii.gz`; several of them are one mask."""

LIVER = r"(?:liver|leber|hepar|hepat\w*|foie|fegato|higado|figado|watrob\w*|lever|肝\w*)"
LUNG = r"(?:lungs?|lunge\w*|pulmo\w*|poumons?|polmon\w*|pluc\w*|肺\w*)"
LESION = (
    r"(?:tumou?rs?|tu|lesions?|hcc|gtv\w*|mets?|metasta\w*|nodules?|herd\w*|lasion\w*|laesion\w*|noduli|nodulo\w*"
    r"|lesione?\w*|guz\w*|zmian\w*|mass|肿瘤|腫瘍|病灶|结节|結節)"
)
NAMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("lung_tumour", re.compile(rf"{LUNG}.*{LESION}|{LESION}.*{LUNG}")),
    ("liver_tumour", re.compile(rf"{LIVER}.*{LESION}|{LESION}.*{LIVER}|\bhcc\b")),
    ("lung", re.compile(rf"\b{LUNG}")),
    ("liver", re.compile(rf"\b{LIVER}")),
)
MINUS = re.compile(r"\bminus\b|\bohne\b|\bwithout\b|\bsans\b|\bsenza\b|-gtv|- gtv|\bex\b|\bdose\b|\bring\b|\bprv\b|\b(?:ctv|ptv|itv)")


def target_of(name: str) -> str | None:
    """The target a structure's name means; None where it names none, something made of two, or a tumour with a margin.

    >>> target_of("Leber"), target_of("GTV_HCC_1"), target_of("Liver-GTV"), target_of("Lung_L"), target_of("PTV_liver")
    ('liver', 'liver_tumour', None, 'lung', None)
    """
    folded = fold(name)
    if MINUS.search(folded):
        return None
    return next((target for target, pattern in NAMES if pattern.search(folded)), None)
