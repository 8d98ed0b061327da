"""Broken files, each with the code, the place and a word of the fix a person must see."""

from __future__ import annotations

from dataclasses import dataclass

STUDY = """\
title: A study
models: [CLN, Rad-D, RadCLN-D]
training:
  rounds: 20
sites:
- {name: bern, role: development}
- {name: koeln, role: development}
- {name: lyon, role: development}
- {name: porto, role: evaluation}
- {name: riga, role: development}
"""
SITE = """\
site: bern
segmentation:
  targets:
    liver: {masks: true}
    liver_tumour: {masks: true}
"""
HEAD = (
    "patient,age,sex,treatment_date,baseline_ct_date,followup_ct_date,last_contact_date,last_ct_date,event,"
    "differentiation,nash,pvtt,surgery,ebrt,tace,rfa,response"
)
GOOD = "A1,63,M,2021-01-10,2021-01-01,2021-03-04,2022-01-01,,1,2,0,1,0,0,1,0,PD"
ALSO = "B2,71,F,2021-02-10,2021-02-01,2021-04-04,2022-06-01,2022-07-01,0,1,1,0,0,0,1,0,NE"
COHORT = f"{HEAD}\n{GOOD}\n{ALSO}\n"
SCANS = """\
patient,visit,date,region,phase,path,mask_liver,series_uid,manufacturer
A1,baseline,2021-01-01,whole,portal,a/base.nii.gz,a/liver.nii.gz,,Siemens
A1,followup,2021-03-04,whole,portal,a/follow.nii.gz,,,Siemens
"""


@dataclass(frozen=True)
class Broken:
    """One broken file: which, its bytes, and what the person is told."""

    name: str
    file: str
    data: bytes
    code: str
    place: str
    fix: str


def text(name: str, file: str, content: str, code: str, place: str, fix: str) -> Broken:
    """A broken file given as text."""
    return Broken(name, file, content.encode(), code, place, fix)


def study(name: str, old: str, new: str, code: str, place: str, fix: str) -> Broken:
    """The good study with one text replaced."""
    assert old in STUDY
    return text(name, "study.yaml", STUDY.replace(old, new), code, place, fix)


def site(name: str, old: str, new: str, code: str, place: str, fix: str) -> Broken:
    """The good site with one text replaced."""
    assert old in SITE
    return text(name, "site.yaml", SITE.replace(old, new), code, place, fix)


def cohort(name: str, old: str, new: str, code: str, place: str, fix: str) -> Broken:
    """The good cohort with one text replaced."""
    assert old in COHORT
    return text(name, "cohort.csv", COHORT.replace(old, new), code, place, fix)


def scans(name: str, old: str, new: str, code: str, place: str, fix: str) -> Broken:
    """The good scans with one text replaced."""
    assert old in SCANS
    return text(name, "scans.csv", SCANS.replace(old, new), code, place, fix)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [" + ", ".join([f"*{chr(97 + i)}"] * 9) + "]\n" for i in range(9)
)

BROKEN = (
    study("wrong type", "rounds: 20", "rounds: many", "FH-109", "study.yaml:4", "whole number"),
    study("unknown field", "training:", "horizon: 4\ntraining:", "FH-107", "study.yaml:3", "Remove the line"),
    study("misspelt field", "training:", "trainings:", "FH-107", "study.yaml:3", "`training`"),
    study("misspelt value", "role: evaluation", "role: evaluations", "FH-110", "study.yaml:9", "`evaluation`"),
    study("out of range", "rounds: 20", "rounds: 0", "FH-110", "study.yaml:4", "greater than or equal to 1"),
    study("missing field", "title: A study\n", "", "FH-108", "study.yaml:1", "`title`"),
    study("site twice", "name: lyon", "name: bern", "FH-112", "study.yaml:8", "Rename"),
    study("capital in a site's name", "name: lyon", "name: Lyon", "FH-110", "study.yaml:8", "lower-case"),
    study("fused model without its parts", "[CLN, Rad-D, RadCLN-D]", "[CLN, RadCLN-D]", "FH-116", "study.yaml:2", "Add Rad-D"),
    study("role missing", ", role: evaluation", "", "FH-114", "study.yaml:5", "draw"),
    study("draw too large", "training:", "draw: {evaluation: 5}\ntraining:", "FH-114", "study.yaml:3", "draw"),
    study("batch norm", "training:", "network: {norm: batch}\ntraining:", "FH-118", "study.yaml:3", "norm: group"),
    study("horizon twice", "training:", "evaluation: {horizons: [365, 730, 365]}\ntraining:", "FH-118", "study.yaml:3", "each day once"),
    study("horizon too late", "training:", "evaluation: {horizons: [365, 9000]}\ntraining:", "FH-118", "study.yaml:3", "up to 3998"),
    study("horizon of a day", "training:", "evaluation: {horizons: [1, 365]}\ntraining:", "FH-118", "study.yaml:3", "later days"),
    study("rows hardly filled up", "training:", "shares: {slots: 2}\ntraining:", "FH-118", "study.yaml:3", "how many patients"),
    study("rows filled up to nine", "training:", "shares: {slots: 9}\ntraining:", "FH-118", "study.yaml:3", "how many patients"),
    study("masks off, patients real", "training:", "privacy: {masks: no}\ntraining:", "FH-123", "study.yaml:3", "simulated: true"),
    study("short hash", "training:", "bundle_sha256: ab12\ntraining:", "FH-125", "study.yaml:3", "64 digits"),
    study("not a number", "rounds: 20", "proximal: .nan", "FH-109", "study.yaml:4", "number"),
    study("field twice", "training:", "title: Another\ntraining:", "FH-106", "study.yaml:3", "Remove one"),
    study("a tab", "  rounds", "\trounds", "FH-101", "study.yaml:4", "indent with spaces"),
    study("unclosed bracket", "RadCLN-D]", "RadCLN-D", "FH-101", "study.yaml:3", "Correct the line"),
    study("a list for a document", STUDY, "- a\n- b\n", "FH-111", "study.yaml:1", "study new"),
    study("an empty document", STUDY, "# nothing\n", "FH-111", "study.yaml", "study new"),
    study("two documents", "training:", "---\ntraining:", "FH-111", "study.yaml:3", "study new"),
    study("aliases", STUDY, BOMB, "FH-105", "study.yaml:1", "Write the value out"),
    study("10 MB of aliases", STUDY, BOMB + "z: [" + "*i, " * 2_600_000 + "*i]\n", "FH-912", "study.yaml", "right file"),
    study("a Python tag", "rounds: 20", "rounds: !!python/object/apply:os.system [id]", "FH-105", "study.yaml:4", "tag"),
    study("deep nesting", STUDY, "[" * 100_000, "FH-104", "study.yaml:1", "preset"),
    Broken("a NUL byte", "study.yaml", STUDY.replace("20", "2\0").encode(), "FH-103", "study.yaml:4", "Copy the file again"),
    Broken("Latin-1", "study.yaml", STUDY.replace("A study", "Étude").encode("latin-1"), "FH-102", "study.yaml:1", "UTF-8"),
    site("two sources", "liver: {masks: true}", "liver: {masks: true, model: m}", "FH-120", "site.yaml:4", "either"),
    site("unknown model", "liver: {masks: true}", "liver: {model: m, labels: [1]}", "FH-120", "site.yaml:4", "Declare the model"),
    site(
        "model file outside its folder",
        "segmentation:",
        "segmentation:\n  models:\n    m: {folder: m, sha256: {../x.pth: " + "a" * 64 + "}}",
        "FH-119",
        "site.yaml:4",
        "relative to the folder",
    ),
    site("misspelt policy", "segmentation:", "policy: {minimum_rooster: 4}\nsegmentation:", "FH-107", "site.yaml:2", "`minimum_roster`"),
    site("a number for a name", "site: bern", "site: 007", "FH-109", "site.yaml:1", "quotes"),
    site("name with a space", "site: bern", "site: bern inselspital", "FH-110", "site.yaml:1", "hyphens"),
    cohort("duplicate patient", "B2,", "a1,", "FH-203", "row 3, column patient", "key of their own"),
    cohort(
        "follow-up before baseline", "2021-01-01,2021-03-04", "2021-03-04,2021-01-01", "FH-214", "row 2, column followup_ct_date", "swapped"
    ),
    cohort("death before follow-up", "2022-01-01,,1", "2021-02-01,,1", "FH-215", "row 2, column last_contact_date", "blank cell"),
    cohort("event without time", "2022-01-01,,1", ",,1", "FH-216", "row 2, column last_contact_date", "day of death"),
    cohort("CT after death", "2022-01-01,,1", "2022-01-01,2022-03-01,1", "FH-217", "row 2, column last_ct_date", "alive at last contact"),
    cohort("ambiguous date", "2021-01-10", "03/04/2021", "FH-210", "row 2, column treatment_date", "YYYY-MM-DD"),
    cohort("German date", "2021-01-10", "25.04.2021", "FH-209", "row 2, column treatment_date", "YYYY-MM-DD"),
    cohort("spreadsheet's day number", "2021-01-10", "44206", "FH-223", "row 2, column treatment_date", "yyyy-mm-dd"),
    cohort("date in the future", "2022-01-01,,1", "2091-01-01,,1", "FH-212", "row 2, column last_contact_date", "Correct the date"),
    cohort("no such day", "2021-01-10", "2021-02-30", "FH-209", "row 2, column treatment_date", "YYYY-MM-DD"),
    cohort("blank event", ",,1,2,0", ",,,2,0", "FH-207", "row 2, column event", "Fill in"),
    cohort("unknown code", ",,1,2,0", ",,1,7,0", "FH-213", "row 2, column differentiation", "undifferentiated"),
    cohort("age as a word", ",63,", ",old,", "FH-208", "row 2, column age", "digits"),
    cohort("#REF!", ",,1,2,0", ",,1,#REF!,0", "FH-223", "row 2, column differentiation", "export again"),
    cohort("misspelt column", ",pvtt,", ",pvvt,", "FH-204", "row 1", "`pvtt`"),
    cohort("missing column", HEAD, HEAD.replace(",event,", ",response2,"), "FH-205", "row 1", "`event`"),
    cohort("a name beside the data", ",response", ",response,surname", "FH-204", "row 1", "Remove it"),
    cohort("no header", HEAD + "\n", "", "FH-201", "row 1", "header row"),
    cohort("decimal comma between commas", ",63,M,", ",63,5,M,", "FH-202", "row 2", "quotes"),
    cohort("dates and days", "treatment_date", "treatment_day", "FH-211", "row 1", "only `_day`"),
    cohort("open quote", "A1,", '"A1,', "FH-232", "row 2", "Close the quote"),
    Broken("NUL bytes in a table", "cohort.csv", COHORT.encode() + b"\0" * 900, "FH-103", "cohort.csv:4", "Copy the file again"),
    Broken("Windows-1252 table", "cohort.csv", COHORT.replace("NE", "Müller").encode("cp1252"), "FH-102", "cohort.csv:3", "CSV UTF-8"),
    scans("path traversal", "a/base.nii.gz", "../../etc/passwd", "FH-219", "row 2, column path", "relative to the images folder"),
    scans("host path", "a/base.nii.gz", "/data/a/base.nii.gz", "FH-219", "row 2, column path", "relative to the images folder"),
    scans("Windows path", "a/base.nii.gz", "D:\\ct\\base.nii.gz", "FH-219", "row 2, column path", "relative to the images folder"),
    scans("link out of the images", "a/base.nii.gz", "a/outside.nii.gz", "FH-219", "row 2, column path", "relative to the images folder"),
    scans("scan that is not there", "a/base.nii.gz", "a/gone.nii.gz", "FH-220", "row 2, column path", "mounted"),
    scans("mask that is not there", "a/liver.nii.gz", "a/gone.nii.gz", "FH-220", "row 2, column mask_liver", "mounted"),
    scans("the same scan twice", "a/follow.nii.gz", "a/base.nii.gz", "FH-222", "row 3, column path", "Remove the row"),
    scans("unknown visit", "followup,", "follow up,", "FH-213", "row 3, column visit", "followup"),
    scans("misspelt mask", "mask_liver", "mask_livre", "FH-204", "row 1", "`mask_liver`"),
    scans("follow-up before baseline", "2021-03-04", "2020-03-04", "FH-228", "row 3", "Correct the visit"),
    scans("patient of no table", "A1,followup", "C9,followup", "FH-218", "row 3, column patient", "leading zeros"),
)
