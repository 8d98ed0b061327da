"""Whose images: persons and examinations compared within a patient, between patients, with the folder and with cohort.csv."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from client.intake.survey.one_entry import KnownKeys, Looked
from client.intake.survey.survey_values import Remark, SeenVolume
from client.intake.whose_scan import Identity, beside_table, together
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.tables.patient_moments import Declared

MOST_SHARED = 3


def compare(seen: Sequence[SeenVolume], known: KnownKeys) -> list[Remark]:
    """Every contradiction about persons; each concerns a patient, whose scans then wait for somebody who looks."""
    mine: dict[str, list[SeenVolume]] = defaultdict(list)
    for one in seen:
        if one.found.patient is not None:
            mine[one.found.patient].append(one)
    remarks = []
    for key, group in mine.items():
        problem = _within(group) or _beside_table(group, known.declared[key]) or _beside_folder(key, group, known)
        if problem is not None:
            remarks.append(Remark(key, problem, key))
    return remarks + _between(mine)


def aside(looked: Sequence[Looked]) -> list[Remark]:
    """Images too few or too slanted to be a volume that name somebody else than the volumes beside them: said, nothing waits."""
    remarks = []
    for entry in looked:
        one = together(seen.who for seen in entry.seen)
        if isinstance(one, tuple) or not one.stated:
            continue
        different = next((words for who in entry.unusable if (words := one.differs(who))), ())
        if different:
            text = f"images that are no volume differ from the scans beside them in {', '.join(different)}"
            remarks.append(Remark(entry.folder, which_scan.PERSONS_DIFFER.problem(text), entry.patient))
    return remarks


def with_heads(key: str, mine: Sequence[SeenVolume], known: KnownKeys) -> list[SeenVolume]:
    """A disputed patient's volumes with the person their headers name, and whether that is known to be somebody else.

    It is known where the id is another row's key, or where other images of the patient do bear the patient's key.
    """
    owners = [known.by_id(one.who) for one in mine]
    marked = []
    for one, owner in zip(mine, owners, strict=True):
        other = owner != key if owner is not None else bool(one.who.id) and key in owners
        head = key if owner == key else one.who.id or "no patient id"
        head += f", born {one.who.birth}" if one.who.birth else ""
        head += f", sex {one.who.sex}" if one.who.sex else ""
        marked.append(replace(one, found=replace(one.found, headed=head, other_person=other)))
    return marked


def _within(group: Sequence[SeenVolume]) -> Problem | None:
    different = together(one.who for one in group)
    if not isinstance(different, tuple):
        return None
    dates = sorted({one.found.taken or "a day unknown" for one in group})
    listed = " and ".join(dates[:4])
    return which_scan.PERSONS_DIFFER.problem(f"images of {listed} in one patient's folder differ in {', '.join(different)}")


def _beside_table(group: Sequence[SeenVolume], stated: Declared) -> Problem | None:
    who = together(one.who for one in group)
    if isinstance(who, tuple):
        return None
    wrong = beside_table(who, stated)
    return which_scan.PERSONS_DIFFER.problem(f"the images and cohort.csv differ in {', '.join(wrong)}") if wrong else None


def _beside_folder(key: str, group: Sequence[SeenVolume], known: KnownKeys) -> Problem | None:
    named = {other for one in group if (other := known.by_id(one.who)) is not None}
    if named - {key}:
        return which_scan.PERSONS_DIFFER.problem("the images state the patient id of another row of cohort.csv than their folder")
    return None


def _between(mine: Mapping[str, Sequence[SeenVolume]]) -> list[Remark]:
    """Persons and examinations that stand under two patients. What most patients share an anonymiser put there."""
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key, group in mine.items():
        for one in group:
            if one.study:
                holders["the same examination", one.study].add(key)
            if one.found.series_uid:
                holders["the same series", one.found.series_uid].add(key)
            if _names(one.who):
                holders["the same person", one.who.id + "\0" + one.who.birth].add(key)
    remarks, told = [], set()
    for (what, _), keys in sorted(holders.items()):
        if len(keys) < 2 or (len(keys) > MOST_SHARED and len(keys) > len(mine) / 2):
            continue
        for key in sorted(keys):
            others = ", ".join(sorted(keys - {key}))
            if (key, others) not in told:
                told.add((key, others))
                text = f"{what} stands under this patient and {len(keys) - 1} other{'s' if len(keys) > 2 else ''}"
                remarks.append(Remark(key, which_scan.TWO_PATIENTS.problem(text), key))
    return remarks


def _names(who: Identity) -> bool:
    return bool(who.id)
