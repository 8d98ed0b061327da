"""What statistics work on, a study at a time: the rows of the study's generation, without whoever has withdrawn by now."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from client.cohort.prepared_cohort import load_patients
from client.cohort.pseudonyms import is_validation, keyed_hash, site_secret
from client.cohort.withdrawal import withdrawn_keys
from client.release.contributed_counts import contributed, kept
from client.release.earlier_releases import Ledger
from client.release.generations import BASE as BASE_SEEN
from client.release.generations import (
    CANDIDATE,
    BaseSeen,
    CandidateSeen,
    Generations,
    LiveTable,
    Rows,
    choose,
    cohort_of,
    companions,
    keep,
    kept_table,
)
from client.release.known_hospitals import effective
from client.release.shares.rows_apart import values_read
from client.release.site_policy import CohortFacts, floor
from client.release.verified_journal import JOURNAL, note_withdrawals
from client.statistics.study_patients import Bench
from client.statistics.values_held import PERSON, values_held
from client.training.training_device import choose_device
from shared_model.analyses.phases.admission_plan import BASE, LIVE, SETS_OF
from site_config.atomic_files import read_limited
from site_config.hash_chained_journal import Journal, read
from site_config.problems import privacy
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import StudyLock, canonical
from site_config.study.prognostic_models import MODELS
from site_config.tables.cohort_csv import load_cohort
from site_config.tables.csv_text import BYTES

COUNTED = ("train", "validation", "test")


def live_table(site: SiteConfig) -> LiveTable:
    """cohort.csv as it stands, without whoever has withdrawn."""
    data = read_limited(site.path(site.paths.cohort), BYTES, "cohort.csv")
    return LiveTable.read(data, site_secret(site.state), withdrawn_keys(site.state))


def waiting(site: SiteConfig, lock: StudyLock) -> str:
    """What waits for the next generation, since when, and for what, as the journal and the table stand; '' where nothing waits."""
    path = site.state / JOURNAL
    if not path.exists():
        return ""
    return Generations.of(read(path)).waiting(live_table(site), side_of(site, lock), floor(site.policy, lock.study).patients)


class Benches:
    """One bench a study, made at its first question and again after a withdrawal or a change of the configuration."""

    def __init__(self, site: SiteConfig, journal: Journal, ledger: Ledger) -> None:
        self.site = site
        self._journal, self._ledger = journal, ledger
        self._made: dict[str, tuple[Bench, Rows, int]] = {}
        self._gone: frozenset[str] = frozenset()

    def forget(self, study: str | None = None) -> None:
        """Drop a study's bench, or all."""
        self._made = {} if study is None else {one: made for one, made in self._made.items() if one != study}

    def of(self, lock: StudyLock) -> Bench:
        """The study's bench. Raises COHORT_EMPTIED where every patient of its base set withdrew."""
        self._notice_withdrawals()
        if lock.study_id not in self._made:
            self._made[lock.study_id] = self._make(lock)
        return self._made[lock.study_id][0]

    def facts(self, lock: StudyLock, splits: Sequence[str]) -> CohortFacts:
        """The rows of these sets, as the computation reads them."""
        bench = self.of(lock)
        _, rows, generation = self._made[lock.study_id]
        sets = {split: tuple(sorted(_rows(bench, rows, split, site_secret(self.site.state)))) for split in splits}
        keys = tuple(key for rows in sets.values() for key in rows)
        site, role = self.site, lock.entry(self.site.site).role
        policy = effective(site)
        known = policy.known_peers is not None
        found = contributed(policy, lock, site.site, self.numbers(lock), kept(site.state, lock)) if known else {}
        return CohortFacts(keys, len(keys), role, sets=sets, generation=generation, contributed=found)

    def numbers(self, lock: StudyLock) -> dict[str, int]:
        """How many patients of the study each set of this hospital holds."""
        bench = self.of(lock)
        return {split: len(bench.split(split).keys) for split in SETS_OF[lock.entry(self.site.site).role]}

    def choices(self, lock: StudyLock) -> dict[str, frozenset[str]]:
        """`live.SET` and `base.SET` → rows, for the holders to compare; the live table is kept from here on.

        Where the study has chosen its rows already, both are these.
        """
        self._notice_withdrawals()
        known = Generations.of(self._journal)
        if lock.study_id in known.bases:
            chosen = {split: frozenset(self.facts(lock, (split,)).keys) for split in self._sets(lock)}
            return {f"{of}.{split}": rows for of in (LIVE, BASE) for split, rows in chosen.items()}
        live, base = self._candidates(lock, known, keeping=True)
        return {f"{of}.{split}": rows for of, table in ((LIVE, live), (BASE, base)) for split, rows in self._by_set(lock, table).items()}

    # how a study's rows are chosen

    def _notice_withdrawals(self) -> None:
        gone = withdrawn_keys(self.site.state)
        note_withdrawals(self._journal, gone)
        if gone != self._gone:  # from this request on, no study holds the patient
            self.forget()
            self._gone = gone

    def _make(self, lock: StudyLock) -> tuple[Bench, Rows, int]:
        if MODELS.read_scans(lock.study.models):
            _limit_threads(self.site.compute.threads)
        known = Generations.of(self._journal)
        if lock.study_id not in known.bases:
            self._choose(lock, known)
        base = known.bases[lock.study_id]
        numbers = {name: base.of(name) for name in self._sets(lock)}
        table = kept_table(self.site.state, known, numbers, side_of(self.site, lock), self._gone)
        emptied = not table.rows and any(self._gone & known.known[number - 1].rows.keys() for number in numbers.values())
        if emptied and self._ledger.agreed(lock.study_id) is None:
            raise privacy.COHORT_EMPTIED.problem("every patient of this hospital's base set has withdrawn")
        return self._bench(lock, table), table.rows, base.generation

    def _choose(self, lock: StudyLock, known: Generations) -> None:
        """Live or base rows for each set, written down: the study computes from these until its end."""
        live, base = self._candidates(lock, known, keeping=False)
        rows, least = self._by_set(lock, live), floor(self.site.policy, lock.study).patients
        before = None if lock.leaving is None else self._by_set(lock, base)
        chosen = choose(self._ledger.used(), rows, least, self._ledger.agreed(lock.study_id), before)
        last = self._last(lock, known)
        opened = [name for name, of in chosen.items() if of == LIVE or name not in last]
        number = keep(self._journal, self.site.state, known, live) if opened else 0
        sets = {name: number if name in opened else last[name] for name in chosen}
        seen = BaseSeen(study=lock.study_id, generation=max(sets.values()), sets=sets)
        self._journal.append(BASE_SEEN, seen.model_dump())
        known.bases[lock.study_id] = seen

    def _candidates(self, lock: StudyLock, known: Generations, *, keeping: bool) -> tuple[LiveTable, LiveTable]:
        """The table as it stands, or as the hospitals compared it, and the one of the rows used last."""
        site, side = self.site, side_of(self.site, lock)
        if lock.study_id in known.candidates:
            frozen = dict.fromkeys(self._sets(lock), known.candidates[lock.study_id])
            live = kept_table(site.state, known, frozen, side, self._gone)
        else:
            live = live_table(site) if lock.leaving is None else self._remaining(lock, known)
            if live.rows and (not known.known or known.known[-1].rows != live.rows):
                load_cohort(site.path(site.paths.cohort), lock.study)  # what does not read is no base set
            if keeping:
                seen = CandidateSeen(study=lock.study_id, generation=keep(self._journal, site.state, known, live))
                self._journal.append(CANDIDATE, seen.model_dump())
                known.candidates[lock.study_id] = seen.generation
        last = self._last(lock, known)
        base = kept_table(site.state, known, last, side, self._gone) if last else live
        if last and len(last) < len(self._sets(lock)):  # a set that no study used has no old rows
            for name in set(self._sets(lock)) - set(last):
                base = base.with_others(live.side(name, side))
        return live, base

    def _last(self, lock: StudyLock, known: Generations) -> dict[str, int]:
        """Set → the table it was computed from last, by a study that asks the same of a patient; of a study that this goes on from, its.

        Another study may have had newer rows, which this one may not yet use.
        """
        before = known.bases.get(lock.leaving.study) if lock.leaving is not None else None
        asked = lock.study.complete
        alike = {one.study for one in lock.earlier if one.complete == asked}
        return known.last(self._sets(lock), alike) if before is None else {name: before.of(name) for name in self._sets(lock)}

    def _remaining(self, lock: StudyLock, known: Generations) -> LiveTable:
        """The rows of the study that this one goes on from, without whoever withdrew and without their companions."""
        last = self._last(lock, known)
        table = kept_table(self.site.state, known, last, side_of(self.site, lock), self._gone) if last else live_table(self.site)
        if lock.leaving is None:
            return table
        leaving, secret = lock.leaving, site_secret(self.site.state)
        return table.without(companions(secret, leaving.study, self._by_set(lock, table), leaving.companions))

    def _by_set(self, lock: StudyLock, table: LiveTable) -> dict[str, frozenset[str]]:
        bench, secret = self._bench(lock, table), site_secret(self.site.state)
        return {split: _rows(bench, table.rows, split, secret) for split in self._sets(lock)}

    def _bench(self, lock: StudyLock, table: LiveTable) -> Bench:
        site, role = self.site, lock.entry(self.site.site).role
        patients = load_patients(site, lock.study, lock.study_id, role, cohort_of(table, lock.study))
        device = _device(site) if MODELS.read_scans(lock.study.models) else "cpu"
        return Bench(lock.study, patients, device, site.compute.micro_batch, lock.study_id)

    def _sets(self, lock: StudyLock) -> tuple[str, ...]:
        return SETS_OF[lock.entry(self.site.site).role]


def side_of(site: SiteConfig, lock: StudyLock) -> Callable[[str], str]:
    """Patient → set, the same in every study but for the validation part's size."""
    if lock.entry(site.site).role == "evaluation":
        return lambda _patient: "test"
    secret, fraction = site_secret(site.state), lock.study.validation_fraction
    return lambda patient: "validation" if is_validation(secret, patient, fraction) else "train"


def _rows(bench: Bench, rows: Rows, split: str, secret: bytes) -> frozenset[str]:
    """The rows of a set as the ledger compares them (`client.release.shares.rows_apart`)."""
    patients, study = bench.split(split), bench.study
    slices = patients.slices or ("",) * len(patients)
    held = values_held(patients, study)
    listed = hashlib.sha256(canonical([list(patients.clinical_names), study.reads_scans])).hexdigest()[:8]
    found = set()
    for k, key in enumerate(patients.keys):
        outcome = keyed_hash(secret, "outcome", key, f"{patients.event_day[k]:.3f}", str(bool(patients.event[k]))).hex()[:8]
        person = keyed_hash(secret, "person", f"{patients.event_day[k]:.3f}", str(patients.event[k]), *(held[name][k] for name in PERSON))
        read = values_read({name: values[k] for name, values in held.items()}, secret)
        found.add(f"{key}.{rows[key]}-{outcome}-{listed}-{read}-{person.hex()[:12]}.{slices[k]}".rstrip("."))
    return frozenset(found)


def _device(site: SiteConfig) -> str:
    """`cpu` or `cuda`. Raises FH-605 where `cuda` is asked for and torch sees none."""
    if site.compute.device == "cpu":
        return "cpu"
    return choose_device(site.compute.device).type


def _limit_threads(threads: int) -> None:
    """Let the network use so many threads, as the site declares; 0 leaves torch's own choice."""
    if threads:
        import torch

        torch.set_num_threads(threads)
