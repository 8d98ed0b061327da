"""What a segment shows, in the codes of DICOM PS3.16 (SNOMED CT), which viewers and archives read."""

from __future__ import annotations

from dataclasses import dataclass

Code = tuple[str, str, str]
"""(value, scheme, meaning)."""

ANATOMY: Code = ("123037004", "SCT", "Anatomical Structure")
ABNORMAL: Code = ("49755003", "SCT", "Morphologically Abnormal Structure")
LESION: Code = ("52988006", "SCT", "Lesion")
STRUCTURE: Code = ("91723000", "SCT", "Anatomical structure")
ORGANS: dict[str, Code] = {
    "adrenal_gland": ("23451007", "SCT", "Adrenal gland"),
    "bone": ("272673000", "SCT", "Bone"),
    "brain": ("12738006", "SCT", "Brain"),
    "colon": ("71854001", "SCT", "Colon"),
    "esophagus": ("32849002", "SCT", "Esophagus"),
    "heart": ("80891009", "SCT", "Heart"),
    "kidney": ("64033007", "SCT", "Kidney"),
    "liver": ("10200004", "SCT", "Liver"),
    "lung": ("39607008", "SCT", "Lung"),
    "lymph_node": ("59441001", "SCT", "Lymph node"),
    "pancreas": ("15776009", "SCT", "Pancreas"),
    "prostate": ("41216001", "SCT", "Prostate"),
    "spleen": ("78961009", "SCT", "Spleen"),
    "stomach": ("69695003", "SCT", "Stomach"),
    "urinary_bladder": ("89837001", "SCT", "Urinary bladder"),
}


@dataclass(frozen=True)
class Meaning:
    """A segment's label and codes; `region` is the organ that a lesion lies in."""

    label: str
    category: Code
    kind: Code
    region: Code | None = None


def organ_meaning(organ: str) -> Meaning:
    """An organ with its tumours. One that the table does not know keeps its name and the code of any anatomical structure.

    >>> organ_meaning("liver").kind[2], organ_meaning("peritoneum").kind[2]
    ('Liver', 'Anatomical structure')
    """
    return Meaning(organ.replace("_", " "), ANATOMY, ORGANS.get(organ, STRUCTURE))


def tumour_meaning(target: str, organ: str) -> Meaning:
    """A tumour of an organ. Models mark lesions of any kind, so the code says lesion and no diagnosis.

    >>> tumour_meaning("liver_tumour", "liver").label
    'liver tumour'
    """
    return Meaning(target.replace("_", " "), ABNORMAL, LESION, ORGANS.get(organ))
