"""Words that stand for a contrast phase, in the languages of Europe and East Asia; folded (no accents, lower case).

`WORDS` are whole words, `STEMS` beginnings of words, `INSIDE` parts of compounds (`spatarteriell`, `pfortaderphase`) and
Chinese, Japanese and Korean. A word of `LATE` is a phase of its own unless an arterial or portal word stands beside it:
`late arterial`, `arteriosa tardiva` and `後期動脈相` are arterial.
"""

from __future__ import annotations

import re

PORTAL, ARTERIAL, DELAYED, NATIVE = "portal", "arterial", "delayed", "native"

WORDS: dict[str, tuple[str, ...]] = {
    PORTAL: ("pv", "pvp", "ven", "port", "porte", "veine", "pvs", "portaal", "vp"),
    ARTERIAL: ("art", "hap", "arterie", "tetn", "cta", "eap"),
    DELAYED: ("gec", "laat"),
    NATIVE: ("plain", "nect", "ncct", "noncon", "basal", "basale", "spc", "simple", "blanco", "natief", "nc"),
}
STEMS: dict[str, tuple[str, ...]] = {
    PORTAL: (
        *("portal", "porto", "portov", "venous", "venos", "venoes", "veineu", "veneus", "wrotn", "zyln", "venozn", "venoz"),
        *("portalni", "venas", "портал", "венозн", "воротн", "πυλαι", "φλεβ", "porttilaskimo", "laskimo", "venfas", "portafas"),
    ),
    ARTERIAL: ("arter", "tetnic", "артери", "αρτηρι", "valtimo", "artarfas", "angiotc", "angioct", "angioscanner", "angiotac"),
    DELAYED: (
        *("delay", "equilib", "gleichgewicht", "aquilib", "aequilib", "verzoger", "verzoeger", "opozn", "rownowag", "retard"),
        *("excret", "urograph", "nephrograph", "nefrograf", "ausscheid", "vertraag", "отсроч", "равновес", "odlozen", "evenwicht"),
    ),
    NATIVE: (
        *("nativ", "natyw", "unenhanced", "nonenhanced", "noncontrast", "precontrast", "dirett", "kontrastsiz", "нативн", "бесконтраст"),
        *("unenhance", "ongecontrast"),
    ),
}
INSIDE: dict[str, tuple[str, ...]] = {
    PORTAL: (
        *("portalven", "portoven", "pfortader", "wrotn", "zylno", "静脉期", "門静脈", "门静脉", "门脉", "門脈", "門靜脈", "靜脈期"),
        *("静脈相", "静脈優位", "문맥", "정맥기"),
    ),
    ARTERIAL: ("arteriel", "arterios", "arterial", "动脉", "動脈", "动脈", "동맥"),
    DELAYED: ("延迟", "延遲", "延时", "延時", "遅延", "平衡", "ディレイ", "지연", "평형"),
    NATIVE: (
        "平扫",
        "平掃",
        "単純",
        "单纯",
        "單純",
        "非增强",
        "非增強",
        "非造影",
        "造影前",
        "增强前",
        "增強前",
        "プレーン",
        "조영전",
        "비조영",
    ),
}
LETTERS: dict[str, str] = {PORTAL: r"(?<![a-z])p?v\s*[期相]", ARTERIAL: r"(?<![a-z])a\s*[期相]", DELAYED: r"(?<![a-z])d\s*[期相]"}
LATE_WORDS = ("late", "spat", "spate", "kesoi", "kesei", "myohais")
LATE_STEMS = ("spatp", "spatv", "spata", "spaet", "tardi", "pozn", "поздн", "pozdn")
LATE_INSIDE = ("後期", "晚期", "后期")

CONTRAST = r"(?:contrast\w*|kontrast\w*|km|mdc|mc|inj\w*|pdc|pc|civ|cev|iv|ev|ce|enhanc\w*|srodk\w*|produit\w*|cont)"
SMALL = r"(?:iv|i\.v\.|de|di|du|del|d|la|le|the|produit|mezzo|medio|any|oral and iv)"
WITHOUT = re.compile(
    rf"\b(?:non?|without|w\s?/\s?o|wo|ohne|sans|senza|sin|sem|bez|zonder|utan|uten|uden|kontrastsiz|pre|przed|avant|vor|prima|antes|без|до)"
    rf"[\s.\-']*(?:{SMALL}[\s.\-']+)*{CONTRAST}\b|\bnon?[\s\-]*con\b|(?<![\w])(?:c|iv|km|ce|mdc)\s?-(?=\s|$|[,;)])"
    r"|\bw\s?/\s?o\b|\bsin c\b|\bbez k\b|без контраст\w*"
)
BOTH = re.compile(
    r"\b(?:with|w|mit|avec|con|com|z|c)\b[\s/&+,]*(?:and|und|et|e|y|i|u)?[\s/&+,]*\b(?:without|w/?o|wo|ohne|sans|senza|sin|sem|bez)\b"
    r"|\b(?:without|w/?o|wo|ohne|sans|senza|sin|sem|bez)\b[\s/&+,]*(?:and|und|et|e|y|i|u)[\s/&+,]*\b(?:with|w|mit|avec|con|com|z)\b"
)
NO_PHASE = re.compile(r"\bintraven\w*|\bvenograph\w*|\bport[\s-]?a[\s-]?cath\w*|\bvenen?thromb\w*|\bnon[\s-]?portal\b")
SECONDS = re.compile(
    r"(?<![a-z0-9.,])(\d{1,4})\s*(s|sec|secs|seconds?|sek\w*|seg\w*|secondi|secondes?|秒|초|''|\")(?![a-z0-9])"
    r"|(?<![a-z0-9.,])(\d{1,2}(?:[.,]5)?)\s*(min|mins|mn|minutes?|minuten?|minuti|minutos?|minut\w*|分钟?|分|분|')(?![a-z0-9'])"
    r"|\bdelays?\s*[=:]?\s*(\d{2,3})(?![\d.,]|\s*mm)|(?<![a-z0-9.,])(\d{2,3})\s*delays?\b"
)
