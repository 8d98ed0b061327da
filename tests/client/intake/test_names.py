"""What series are called in nine languages.

Eight lists, each written before its author had read the rules: the second found 21 of 270 names not understood and 3 wrong;
the third, made of what might mislead, 17 of 121 and 6 wrong; the fourth 10 of 240 and 1 wrong (28 to 30 of 30 right in each
language; the one, 造影後期, "late phase after contrast", had a key that asked for no phase: 後期 is the field's word for
late, beside 早期 for early, so the key was changed); the fifth 3 of 240 and none wrong (29 or 30 of 30 in each language);
the sixth 6 of 240 and 1 wrong (28 to 30 of 30; `Abd nat+ven` read as portal); the seventh, written after the sixth was
measured and before anything was mended for it, 7 of 240 and none wrong (28 to 30 of 30); the eighth 4 of 240 and none wrong
(28 to 30 of 30; nine of its names stood in earlier lists too). What each showed was then mended as a kind, so all eight only
hold now; `Leberarterien Phase 1` stays unknown, for it names vessels.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from client.intake.names.fold_text import readable
from client.intake.names.image_kind_and_region import derived_of, is_known, is_low_dose, kernel_of, region_of
from client.intake.names.phase_from_name import phase_in, read_phase

LISTS = ("series_names", *(f"series_names_{one}" for one in ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")))
NAMES = [
    {**row, "list": name}
    for name in LISTS
    for row in csv.DictReader((Path(__file__).parent / f"{name}.csv").read_text(encoding="utf-8").splitlines())
]


@pytest.mark.parametrize(("name", "language"), sorted({(row["list"], row["language"]) for row in NAMES}))
def test_names_of_each_language(name: str, language: str) -> None:
    mine = [row for row in NAMES if (row["list"], row["language"]) == (name, language)]
    counts: Counter[str] = Counter()
    for row in mine:
        said = phase_in(row["name"]) or ""
        counts["right" if said == row["phase"] else "unknown" if not said else "wrong"] += 1
    assert len(mine) == 30 or name.endswith("third")
    assert counts["right"] >= 0.9 * len(mine) and counts["wrong"] == 0


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Abd art + ven 5.0",
            "W/WO contrast abdomen",
            "sans et avec injection",
            "portal 35s",
            "arterial 70s",
            "CON Y SIN CONTRASTE",
            "mit und ohne KM",
        ),
        *("造影前後 肝", "增强前后", "增强前及门脉", "xyz+ven Abdomen", "Abd nat.+ven 5.0", "Leer/KM Leber"),
        *("Abdomen B70s", "Spatial resolution 5.0", "intravenous contrast", "Body 0.5s", "Lateral view", "Artefact reduction", "C-spine"),
    ],
)
def test_names_that_state_no_phase_or_two_give_none(name: str) -> None:
    assert phase_in(name) is None


@pytest.mark.parametrize(
    "name",
    [
        *("prima della somministrazione del mdc", "vor der Applikation von KM", "avant administration du produit de contraste"),
        *("antes de la administración de contraste", "bez dożylnego podania kontrastu", "non enh liver", "UNENH ABDO"),
        *("PRE-CM liver", "no cm abdomen", "ABD SANS IODE 5mm", "Leber ohne Jod", "Leber o KM", "OB o. KM 3.0"),
        *("senza M.d.C.", "Abd o.i.v.KM", "C(-) abdomen", "造影剤使用せず", "无对比剂 腹部", "不增强 肝"),
    ],
)
def test_before_contrast_is_given_is_native(name: str) -> None:
    assert phase_in(name) == "native"


def test_contrast_by_mouth_says_nothing() -> None:
    assert phase_in("Abdomen p o KM") is None and phase_in("Abdomen 30 cm portal") == "portal" and phase_in("Leber nativ 30 cm") == "native"
    assert phase_in("Abdomen p.o. KM") is None and phase_in("Abdomen p. o. KM") is None and phase_in("Leber o. KM") == "native"


def test_a_name_that_contradicts_itself_is_not_helped_out() -> None:
    assert read_phase("portal 35s").stated and not read_phase("Abdomen 5.0").stated


@pytest.mark.parametrize(
    ("stated", "name", "kernel"),
    [
        *(("B30f", "", "soft"), ("B70s", "", "sharp"), ("Br40d\\3", "", "soft"), ("Bl57d", "", "sharp"), ("I41f\\2", "", "soft")),
        *(("STANDARD", "", "soft"), ("BONEPLUS", "", "sharp"), ("LUNG", "", "sharp"), ("FC08", "", "soft"), ("FC30", "", "sharp")),
        *(("B", "", "soft"), ("YB", "", "sharp"), ("", "Leber weich 5.0", "soft"), ("", "Abd bone 1.0", "sharp"), ("", "Abdomen", None)),
    ],
)
def test_kernels(stated: str, name: str, kernel: str | None) -> None:
    assert kernel_of(stated, name) == kernel


@pytest.mark.parametrize(
    "name", ["Abd Iodine map", "Jodkarte", "VMI 40 keV", "MonoPlus 55", "VNC Leber", "MIP cor", "Perfusion", "Subtraktion", "3D VRT"]
)
def test_maps_are_no_pictures_of_attenuation(name: str) -> None:
    assert derived_of(["ORIGINAL", "PRIMARY", "AXIAL"], name) == "map"


@pytest.mark.parametrize("name", ["Leber monophasisch venös", "Abdomen AIDR 3D", "Abd 5.0 120kV", "Abdomen 5.0"])
def test_ordinary_names_are_original(name: str) -> None:
    assert derived_of(["ORIGINAL", "PRIMARY", "AXIAL"], name) is None


@pytest.mark.parametrize(
    "name", ["CT WB low dose", "Niedrigdosis CT", "CTAC 3.0", "PET CT", "TEP faible dose", "低剂量 胸部", "CBCT Abd", "DynaCT"]
)
def test_low_dose(name: str) -> None:
    assert is_low_dose(name) and not is_low_dose("Abdomen portal 5.0") and not is_low_dose("CT DVT protocol legs")


@pytest.mark.parametrize(
    ("text", "extent", "region"),
    [
        *(("Jama brzuszna 5.0", 185, "abdomen"), ("Thorax 5.0", 300, "chest"), ("TAP veineux", 620, "whole"), ("胸腹部", 500, "whole")),
        *(
            ("Oberbauch", 200, "abdomen"),
            ("Klatka piersiowa", 300, "chest"),
            ("TC 5.0", 200, None),
            ("TC 5.0", 600, "whole"),
            ("上腹部", 200, "abdomen"),
        ),
    ],
)
def test_regions(text: str, extent: float, region: str | None) -> None:
    assert region_of(text, extent) == region


@pytest.mark.parametrize(
    ("text", "encoding"), [("腹部 门静脉期", "gbk"), ("門脈相", "shift_jis"), ("faza tętnicza", "cp1250"), ("Фаза артериальная", "cp1251")]
)
def test_a_wrongly_stated_encoding_is_noticed_by_known_words(text: str, encoding: str) -> None:
    raw = text.encode(encoding)
    assert phase_in(readable(raw, raw.decode("latin-1"), is_known)) == phase_in(text) is not None


@pytest.mark.parametrize(
    ("name", "phase"), [("Buik veneuze fase", "portal"), ("البطن الطور البابي", "portal"), ("الطور الشرياني", "arterial")]
)
def test_phases_of_further_languages(name: str, phase: str) -> None:
    assert phase_in(name) == phase
