"""A study that goes on without some of its patients: hospitals that are gone, patients who withdrew, and companions who leave with them.

The next study has the same plan and a new id, so every rule that compares studies holds between the two: the holders find out,
without anybody seeing a number, that each set either lost nobody or at least the minimum. Training goes on at the weights, the
optimiser and the round at which it stood; all else is asked again over the rows that are left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server import hospital_register as enrol
from server import published_studies
from server.asking.office_ledger import REMARK, KeptDigests, StudyLedger, asks, history
from server.departure.companions import EVERYBODY, SetCount, companions_each, refused_sets, staying
from server.link.owner_lock import held
from server.phases.admission_phase import SPLITS
from server.study.array_files import write_with_parts
from server.study.earlier_studies import begun
from server.study.resume_state import StudyFolder, TrainingState, ask_key, load_arrays
from server.study.study_again import next_title
from server.watch import study_status
from server.watch.office_backup import was_restored
from shared_model.analyses.phases.admission_plan import SETS, change_model
from shared_model.secure_sum.federation_messages import state_hash
from shared_model.statistics.statistic_parameters import PreCounts
from site_config.atomic_files import read_json, write_atomic, write_json
from site_config.file_lock import Lock
from site_config.keys_and_signatures import CoordinatorIdentity, private_folder, sign_lock, verify_lock
from site_config.problems import federation
from site_config.problems.base import together
from site_config.study.code_digest import code_digest, office_digest
from site_config.study.lock_study import PATIENTS_A_SITE, lock_faults, lock_study
from site_config.study.plan_and_lock import LeftBehind, Role, Study, StudyLock
from site_config.study.prognostic_models import MODELS
from site_config.words_of_messages import plural

LATER = "later.json"


@dataclass(frozen=True)
class Departure:
    """What going on without some patients is: the new lock, and what it costs.

    counts: of each set before; those in `planned` are the plan's numbers, because the office does not know them. rounds: network →
    rounds that are kept, of all. next_try: companions of each hospital, if the holders find that more was opened than
    this office remembers.
    """

    lock: StudyLock
    counts: Mapping[str, SetCount]
    rounds: Mapping[str, tuple[int, int]]
    opened: bool
    planned: frozenset[str] = frozenset()
    next_try: Mapping[str, int] = field(default_factory=dict)

    @property
    def may_close(self) -> frozenset[str]:
        """The sets of which fewer than the minimum may be left, so that their results would stay closed."""
        least = change_model(self.lock).minimum_patients
        leaving = self.lock.leaving.companions if self.lock.leaving is not None else {}
        left = {name: (self.counts[name].left_by(k), self.counts[name].patients) for name, k in leaving.items()}
        return frozenset(name for name, (out, all_) in left.items() if out and all_ - out < least)

    def words(self) -> list[str]:
        """The price, one line a thing; said before anything is done."""
        leaving = self.lock.leaving
        found = [f"without: {', '.join(leaving.gone) or 'no hospital'}; without every patient who withdrew by then"] if leaving else []
        for name, k in leaving.companions.items() if leaving else ():
            count = self.counts[name]
            if not count.patients:
                continue
            about = "about " if name in self.planned else ""
            who = f"up to {count.left_by(k)} of {about}{count.patients} patients leave with them, {_each(k)} hospital"
            found.append(f"{name}: where somebody left, {who}")
            if name in self.may_close:
                few, least = count.patients - count.left_by(k), change_model(self.lock).minimum_patients
                found.append(
                    f"{name}: as few as {few} may be left; of fewer than {least} nothing is opened, so its results would stay closed"
                )
        found.append(
            "asked again over the rows that are left: admission, clinical model, fusion, evaluation"
            if self.opened
            else "nothing was opened yet, so nobody leaves with them"
        )
        if self.next_try:
            each = ", ".join(f"{name} {_each(k)} hospital" for name, k in self.next_try.items() if k)
            found.append(
                "this office was restored from a backup: if the holders find that something was opened that it does not remember, the next "
                f"try takes companions: {each}"
            )
        found += [
            f"{model}: training goes on at round {done + 1} of {all_}" if done < all_ else f"{model}: trained, not trained again"
            for model, (done, all_) in self.rounds.items()
        ]
        return found


def _each(k: int) -> str:
    return "all of a" if k >= EVERYBODY else f"{k} of a"


def departure(
    home: Path, study: str, without: Sequence[str] = (), each: int | Mapping[str, int] | None = None, *, compared: bool = False
) -> Departure:
    """What leaving would be; nothing is written. each: companions of a hospital (and set), in place of the number that should do;
    compared: the holders found that something was opened, whatever this office remembers of it.

    FH-413 for a hospital that is none of the study's, FH-767 where a study cannot go on in this way, FH-1xx where too few are left.
    A study that itself goes on from another one, and was refused before it counted anybody (FH-531), is given up: what leaves the one
    before is asked anew, with more companions.
    """
    identity = CoordinatorIdentity.load(home)
    refused = _refused(home, study)
    if refused is not None:
        return _once_more(home, study, refused, without, each)
    before = verify_lock(StudyFolder(home / "studies" / study).signed_lock(), identity.public_key)
    folder = study_status.folder_of(home, study)
    enrol.check_of_study(without, {entry.name for entry in before.roster})
    opened = compared or any(entry.outcome == "opened" and entry.bytes_out for entry in asks(history(folder / "ledger.jsonl")))
    _check(before, opened=opened, finished=(folder / "result.json").exists())
    known, unknown = kept_counts(before, folder), not opened and was_restored(home, study)
    counts = {**(_planned_counts(before) if opened or unknown else {}), **known}
    gone: dict[str, Role] = {entry.name: entry.role for entry in before.roster if entry.name in without}
    least = change_model(before).minimum_patients
    given = each if isinstance(each, Mapping) else {} if each is None else dict.fromkeys(counts, each)
    many = {name: given.get(name, companions_each(staying(name, count, gone), least)) for name, count in counts.items()}
    published = published_studies.published(home)
    plan = _smaller(before, without, {lock.study.title for lock in published})
    lock = lock_study(
        plan,
        enrol.roster(home, {entry.name: entry.role for entry in before.roster if entry.name not in without}),
        code_digest=code_digest(),
        office_digest=office_digest(),
        coordinator_key=identity.public_key,
        published=_compared_with(home, before, published),
        leaving=LeftBehind(study=study, gone=gone, companions={name: k for name, k in many.items() if k and opened}),
    )
    faults = lock_faults(lock)
    if faults:
        raise together(faults)
    planned, next_try = frozenset(counts.keys() - known.keys()), many if unknown else {}
    return Departure(lock, counts, _rounds(before, folder), opened, planned, next_try)


def _compared_with(home: Path, before: StudyLock, published: Sequence[StudyLock]) -> list[StudyLock]:
    """The studies that opened something, the one before among them, and those that it was compared with, whatever an office remembers."""
    opened = {before.study_id, *(one.study for one in before.earlier), *(one.study_id for one in begun(home))}
    return [one for one in published if one.study_id in opened]


def _refused(home: Path, study: str) -> LeftBehind | None:
    """What a study leaves behind that was refused before it counted anybody; None for any other one."""
    lock = StudyFolder(home / "studies" / study).signed_lock().lock
    begun = (study_status.folder_of(home, study) / "ledger.jsonl").exists()
    return lock.leaving if begun and not kept_counts(lock, study_status.folder_of(home, study)) else None


def _once_more(home: Path, study: str, refused: LeftBehind, without: Sequence[str], each: int | Mapping[str, int] | None) -> Departure:
    """Leaving the study before a refused one: everybody who is gone by now; more companions where the holders found too few.

    A set that was refused without any gets the usual number, one that had some gets one more; the others keep theirs.
    """
    gone = tuple(dict.fromkeys((*refused.gone, *without)))
    lock = StudyFolder(home / "studies" / study).signed_lock().lock
    few = refused_sets(lock, study_status.folder_of(home, study))
    had = {name: refused.companions.get(name, 0) for name in SETS} if few is not None else {}
    more = {name: k + (name in (few or SETS)) for name, k in had.items() if k or name not in (few or SETS)}
    return departure(home, refused.study, gone, more if each is None else each, compared=few is not None)


def leave(home: Path, study: str, found: Departure, *, later: bool = False) -> Path:
    """Publish the next study, carry over what it goes on from, and point the old one to it; the file for hospitals.

    later: whether later withdrawals are agreed to as well (`server.departure.going_on`).
    FH-758 while the study runs, FH-763 where a file of it is not the one its ledger names.
    """
    given_up, study = study, found.lock.leaving.study if found.lock.leaving is not None else study
    office = Lock(study_status.folder_of(home, given_up) / study_status.STUDY_LOCK)
    if not office.take():
        raise held(office.path, f"study {given_up[:12]}")
    try:
        old, new = StudyFolder(study_status.folder_of(home, study)), StudyFolder(study_status.folder_of(home, found.lock.study_id))
        signed = sign_lock(found.lock, CoordinatorIdentity.load(home)).model_dump_json(indent=1).encode() + b"\n"
        published_studies.publish(home, signed)
        private_folder(new.carried_file("counts.json").parent)
        kept = KeptDigests(history(old.ledger_file))
        for model in MODELS.networks(found.lock.study.models):
            if kept.believed(old.root, old.training_file(model)) is not None:
                data, parts = TrainingState.load(old.training_file(model)).as_file()
                write_with_parts(new.carried_file(f"{model}.safetensors"), data, parts)
        write_json(new.carried_file("counts.json"), _known(found))
        write_json(new.carried_file(LATER), later)
        ledger = StudyLedger(new.ledger_file)
        try:
            ledger.note(REMARK, words=_remark(study, found))
        finally:
            ledger.close()
        path = home / "studies" / f"{found.lock.study_id[:12]}.lock.json"
        write_atomic(path, signed, 0o644)
        for one in dict.fromkeys((study, given_up)):
            write_atomic(home / "studies" / one / published_studies.GOES_ON, found.lock.study_id.encode())
    finally:
        office.release()
    return path


def later_too(home: Path, study: str) -> bool:
    """Whether it was agreed that a study goes on by itself without patients who withdraw later."""
    path = StudyFolder(study_status.folder_of(home, study)).carried_file(LATER)
    return path.exists() and read_json(path) is True


def _known(found: Departure) -> dict[str, int]:
    return {name: count.patients for name, count in found.counts.items() if name not in found.planned}


def kept_counts(lock: StudyLock, folder: Path) -> dict[str, SetCount]:
    """The opened counts of every set by its name, as the study's folder keeps them; sets that were not counted are left out."""
    found: dict[str, SetCount] = {}
    for role, splits in SPLITS.items():
        for split in splits:
            asked = PreCounts(split=split, columns=()).model_dump(mode="json")
            shared = {
                "phase": "admission",
                "round": 0,
                "statistic": "precounts",
                "parameters": asked,
                "state": state_hash({}),
                "role": role,
            }
            paths = [StudyFolder(folder).opened_file(ask_key(**shared, block=block)) for block in range(len(lock.blocks.get(role, ())))]
            values = [load_arrays(path)[0] for path in paths if path.exists()]
            if values:
                sums = {name: round(sum(float(one[name].reshape(-1)[0]) for one in values)) for name in ("sites", "patients")}
                found[split] = SetCount(**sums)
    return found


def _planned_counts(lock: StudyLock) -> dict[str, SetCount]:
    """What a study's sets would hold by its plan: for sets whose counts an office has lost, or not opened yet."""
    share = lock.study.validation_fraction
    shares = {"train": 1.0 - share, "validation": share, "test": 1.0}
    found: dict[str, SetCount] = {}
    for role, splits in SPLITS.items():
        sites = len(lock.names(role))
        found |= {name: SetCount(sites, round(sites * PATIENTS_A_SITE * shares[name])) for name in splits if sites and shares[name]}
    return found


def _check(lock: StudyLock, *, opened: bool, finished: bool) -> None:
    why = ""
    if finished:
        why = "it is finished; what was opened stays opened"
    elif lock.study.privacy.dp is not None:
        why = "its noise was sized for these hospitals"
    elif opened and not lock.holders and not lock.study.privacy.demonstration:
        why = "without holders of shares nobody can tell whether enough patients left"
    if why:
        raise federation.CANNOT_LEAVE.problem(f"Study {lock.study_id[:12]}: {why}")


def _smaller(before: StudyLock, without: Sequence[str], titles: set[str]) -> Study:
    """The same plan for who is left, every role as it was."""
    roles = {entry.name: entry.role for entry in before.roster}
    sites = tuple(one.model_copy(update={"role": roles[one.name]}) for one in before.study.sites if one.name not in without)
    title = next_title(before.study.title)
    while title in titles:
        title = next_title(title)
    shares = before.study.shares
    if set(shares.names) & set(without):
        shares = shares.model_copy(update={"names": ()})
    return before.study.model_copy(update={"title": title, "sites": sites, "draw": None, "shares": shares})


def _rounds(lock: StudyLock, folder: Path) -> dict[str, tuple[int, int]]:
    kept, found = KeptDigests(history(folder / "ledger.jsonl")), {}
    for model in MODELS.networks(lock.study.models):
        path = StudyFolder(folder).training_file(model)
        done = 0
        if kept.believed(folder, path) is not None:
            done = sum(point.patients > 0 or point.accepted for point in TrainingState.load(path).points)
        found[model] = (done, lock.study.training.rounds)
    return found


def _remark(study: str, found: Departure) -> str:
    gone = found.lock.leaving.gone if found.lock.leaving else {}
    hospitals = f" {plural(len(gone), 'hospital')} left: {', '.join(gone)}." if gone else ""
    kept = "; ".join(f"{done} of {all_} rounds of {model}" for model, (done, all_) in found.rounds.items() if done)
    trained = f" Trained with everybody and kept: {kept}." if kept else ""
    return f"goes on from study {study[:12]} without patients who left and their companions.{hospitals}{trained}"
