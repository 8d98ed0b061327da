"""Words that stand for a contrast phase, in the languages of Europe and East Asia; folded (no accents, lower case).

`WORDS` are whole words, `STEMS` beginnings of words, `INSIDE` parts of compounds (`spatarteriell`, `pfortaderphase`) and
Chinese, Japanese and Korean. A word of `LATE` is a phase of its own unless an arterial or portal word stands beside it:
`late arterial`, `arteriosa tardiva` and `後期動脈相` are arterial.
"""

from __future__ import annotations

import re

PORTAL, ARTERIAL, DELAYED, NATIVE = "portal", "arterial", "delayed", "native"

WORDS: dict[str, tuple[str, ...]] = {
    PORTAL: ("pv", "pvp", "ven", "port", "porte", "veine", "pvs", "portaal", "vp", "wrot", "zyl", "menmai", "monmyaku"),
    ARTERIAL: ("art", "hap", "arterie", "tetn", "tet", "cta", "eap", "angio", "dongmai", "doumyaku", "domyaku"),
    DELAYED: ("gec", "laat", "yanchi", "dly", "heikou"),
    NATIVE: (
        *("plain", "nect", "ncct", "noncon", "basal", "basale", "spc", "simple", "blanco", "natief", "nc", "pingsao", "tanjun", "czysta"),
        *("nat", "nce", "leer"),
        *("smdc", "smc", "sciv", "okm"),  # `senza`, `sin`, `ohne` by their first letter
    ),
}
STEMS: dict[str, tuple[str, ...]] = {
    PORTAL: (
        *("portal", "porto", "portv", "pven", "hepatoven", "venous", "venos", "venoes", "veineu", "veneus", "veneuz", "wrotn"),
        *("zyln", "venozn", "venoz"),
        *("lebervenen", "sushepat", "sovraepat", "suprahepat"),
        *("portalni", "venas", "портал", "венозн", "воротн", "πυλαι", "φλεβ", "porttilaskimo", "laskimo", "venfas", "portafas"),
    ),
    ARTERIAL: ("arter", "tetnic", "артери", "αρτηρι", "valtimo", "artarfas", "angiotc", "angioct", "angioscanner", "angiotac"),
    DELAYED: (
        *("delay", "equilib", "gleichgewicht", "aquilib", "aequilib", "verzoger", "verzoeger", "opozn", "rownowag", "retard"),
        *("excret", "eliminac", "eliminaz", "wydaln", "wydziel", "urograph", "nephrograph", "nefrograf"),
        *("ausscheid", "vertraag", "отсроч", "равновес", "odlozen", "evenwicht"),
    ),
    NATIVE: (
        *(
            "nativ",
            "natyw",
            "natif",
            "nonenh",
            "noncontrast",
            "precontrast",
            "dirett",
            "kontrastsiz",
            "нативн",
            "бесконтраст",
        ),
        *("unenh", "ongecontrast", "unverstark", "unverstaerk", "leerauf", "leerser", "leersc"),
    ),
}
INSIDE: dict[str, tuple[str, ...]] = {
    PORTAL: (
        *("portalven", "portoven", "pfortader", "wrotn", "zylno", "静脉期", "門静脈", "门静脉", "门脉", "門脈", "門靜脈", "靜脈期"),
        *("静脈相", "静脈優位", "문맥", "정맥기", "الوريدي", "البابي", "肝实质期", "肝實質期", "肝実質相"),
    ),
    ARTERIAL: ("arteriel", "arterios", "arterial", "动脉", "動脈", "动脈", "동맥", "早期相", "الشرياني"),
    DELAYED: ("延迟", "延遲", "延时", "延時", "遅延", "平衡", "ディレイ", "지연", "평형"),
    NATIVE: (
        *("平扫", "平掃", "単純", "单纯", "單純"),
        *("非增强", "非增強", "非造影", "未增强", "未增強", "未造影", "造影前", "增强前", "增強前"),
        *("プレーン", "造影なし", "造影無", "조영전", "조영 전", "비조영", "무조영"),
        *("注药前", "注藥前", "注射前", "给药前", "給藥前", "投与前", "注入前", "주입전", "주입 전"),
    ),
}
LETTERS: dict[str, str] = {
    PORTAL: r"(?<![a-z])p?v\s*[期相]|\bp\.\s?v\b",
    ARTERIAL: r"(?<![a-z])a\s*[期相]",
    DELAYED: r"(?<![a-z])d\s*[期相]",
}
LATE_WORDS = ("late", "spat", "spate", "kesoi", "kesei", "myohais")
LATE_STEMS = ("spatp", "spatv", "spata", "spaet", "tardi", "pozn", "поздн", "pozdn")
LATE_INSIDE = ("後期", "晚期", "后期")
BEFORE_A_PHASE = re.compile(r"^(?:spaet|spat|frueh|fruh|late|early|tardo|pozno|wczesno|pre)(?=\w{3})")
VEIN = re.compile(
    r"(?<![动動肺肢深腔大腎肾脳脑동폐심대부])(?:静脉|靜脈|静脈|정맥)(?!注|血栓|造影|给|給|瘤|洞|奇形|叢|丛|曲张|조영|주사|혈전)"
)
WRITTEN_OUT: dict[str, tuple[str, ...]] = {  # words long enough that one wrong letter leaves no doubt
    PORTAL: ("portal", "portale", "portalvenous", "portovenous", "portalvenos", "venous", "venosa", "venoso", "veineux", "wrotna"),
    ARTERIAL: ("arterial", "arteriel", "arteriell", "arteriosa", "arterielle", "tetnicza"),
    DELAYED: ("delayed", "equilibrium", "equilibrio", "equilibre", "opozniona"),
    NATIVE: ("unenhanced", "natywna", "noncontrast", "precontrast"),
}

CONTRAST = r"(?:contr\w*|kontr\w*|km|mdc|mc|inj\w*|pdc|pc|civ|cev|iv|ev|ce|enh\w*|srodk\w*|produit\w*|cont|cte|ctte"  # codespell:ignore
CONTRAST += r"|iod\w*|jod\w*)"
SMALL = r"(?:iv|i\.v\.|de|di|du|del|d|la|le|the|produit|mezzo|medio|any|oral and iv|sr|srodka|prod|use of"
SMALL += r"|podani\w*|dozyln\w*|administra\w*|somministra\w*|admin|of|della|dell|dello|do|da|von|der|des|applikation|application|gabe)"
NO = r"non?|without|w\s?/\s?o|wo|ohne|sans|ss|senza|sin|sem|bez|zonder|utan|uten|uden|kontrastsiz|pre|przed|avant|vor|prima|antes"
NO += "|before|без|до"
OHNE = r"(?<!p\.)(?<!p\. )(?:o(?=\.)|(?<!p )o(?=\s?km\b))"  # `o.` for without, not in `p.o.`, by mouth
WITHOUT = re.compile(
    r"造影剤?[をの]?\s*(?:なし|無し?|ナシ|前(?![後后])|注入前|投与前|注射前|使用せず|不使用|せず|しない)|造影\s?[(]\s?-\s?[)]"
    r"|[无無不未][使用打注]?用?(?:造影[剂劑剤]?|增强|增強|对比[剂劑]|對比[剂劑]|碘[剂劑]?|[药藥])|(?:造影[剂劑]|对比[剂劑]|打[药藥]|注[药藥])前"
    rf"|\b(?:{NO}|[so]\s?/|{OHNE}|s(?=\.))[\s.\-'/]*(?:{SMALL}[\s.\-']*)*{CONTRAST}(?:[\s.\-']+{CONTRAST})*\b"
    r"|\bnon?[\s\-]*con\b"
    r"|\b(?:pre|non?|without|w\s?/\s?o)[\s\-]*cm\b"  # contrast medium; elsewhere `cm` is a length
    r"|(?<![\w])(?:c|iv|km|ce|mdc)\s?(?:-(?=\s|$|[,;)])|[(]\s?-\s?[)])"
    r"|\bw\s?/\s?o\b|\bs\s?/\s?c\b|\bsin c\b|\bs\.\s?c\.|\bbez k\b|без контраст\w*"
    r"|\b(?:without|wo|ohne|sans|senza|sin|bez)\s*(?=$|\d)|\bpre\s*(?=$|\d+(?:[.,]\d+)?\s*(?:mm)?\s*$)|\bpre\s+(?=(?:liver|leber|foie|fegato|higado|watrob\w*|abd\w*|ax\w*)\b)"
)
ENHANCED = re.compile(rf"\b{CONTRAST}\b|\bc\s?/\s?c\b|(?<!\w)(?:c|iv|km|ce|mdc)\s?[(]?\+|增强|增強|造影|조영")
BY_MOUTH = re.compile(rf"\b(?:oral\w*|per ?os|rectal\w*)\b(?:\s*(?:and|&|/|und|et|e|y)\s*|\s*{CONTRAST}\b)?")
BOTH = re.compile(
    r"\b(?:with|w|mit|avec|con|com|z|c)\b[\s/&+,]*(?:and|und|et|e|y|i|u)?[\s/&+,]*\b(?:without|w/?o|wo|ohne|sans|ss|senza|sin|sem|bez)\b"
    r"|\b(?:without|w/?o|wo|ohne|sans|ss|senza|sin|sem|bez)\b[\s/&+,]*(?:and|und|et|e|y|i|u)[\s/&+,]*\b(?:with|w|mit|avec|con|com|z)\b"
    r"|(?:造影|增强|增強|打[药藥]|注[药藥])前(?:[後后及和・/、]|から)"
)
INITIALS = re.compile(r"(?<![\w.])(?:[a-z]\.\s?){2,}[a-z]\b\.?")
"""`m.d.c.`, written as one word."""
JOINED = re.compile(r"(?<![^\W\d])([a-zа-я]{2,5})\.?\s*[+&]\s*([a-zа-я]{2,5})(?![^\W\d])")
NO_SECOND_PHASE = (
    *(
        "mpr",
        "cor",
        "sag",
        "ax",
        "mip",
        "thin",
        "soft",
        "bone",
        "km",
        "mdc",
        "iv",
        "ce",
        "civ",
        "pel",
        "bec",
        "mied",
        "mm",
        "kp",
        "kl",
        "jb",
    ),
    *(
        "ab",
        "th",
        "tx",
        "tor",
        "chest",
        "liver",
        "leber",
        "foie",
        "feg",
        "hig",
        "lun",
        "pul",
        "neck",
        "hals",
        "head",
        "brain",
        "ob",
        "tap",
        "cap",
    ),
)
"""How short words beside a `+` begin that are no phase: planes, kernels, contrast, regions."""
NO_PHASE = re.compile(
    r"\b(?:portal\w*|port[oa]|pfortader|vein\w*|venen?|veine|vena)(?:[\s\-]*(?:vein\w*|porte|porta|vena))?[\s\-]*"
    r"(?:thromb|tromb|hypert|ipert|hipert|embol|shunt|cathe|kathe|obstru|verschl)\w*|动静脉\w?|動靜脈\w?|動静脈\w?|동정맥\w?|조영\s?전\s?후|\bportab\w*"
    r"|\bintraven\w*|\bvenograph\w*|\bport[\s-]?a[\s-]?cath\w*|\bvenen?thromb\w*|\bnon[\s-]?portal\b"
)
