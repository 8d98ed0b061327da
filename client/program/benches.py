"""What statistics work on, a study at a time: the rows of the study's generation, without whoever has withdrawn by now."""

from __future__ import annotations

from collections.abc import Sequence

from client.cohort.patients import load_patients
from client.cohort.pseudonyms import site_secret
from client.cohort.withdrawal import withdrawn_keys
from client.release.contributed import contributed, kept
from client.release.generations import Generations, GenerationSeen, LiveTable, base_rows, changed, cohort_of
from client.release.peers import effective
from client.release.policy import CohortFacts, floor
from client.release.site_journal import note_withdrawals
from client.statistics.bench import Bench
from client.training.device import choose_device
from site_config.files import read_limited
from site_config.journal import Journal
from site_config.site import SiteConfig
from site_config.study.model import Role, StudyLock
from site_config.study.prognostic_models import MODELS
from site_config.tables.cohort import load_cohort
from site_config.tables.csv_text import BYTES

COUNTED = ("train", "validation", "test")
SETS: dict[Role, tuple[str, ...]] = {"development": ("train", "validation"), "evaluation": ("test",)}


def live_table(site: SiteConfig) -> LiveTable:
    """cohort.csv as it stands, without whoever has withdrawn."""
    data = read_limited(site.path(site.paths.cohort), BYTES, "cohort.csv")
    return LiveTable.read(data, site_secret(site.state), withdrawn_keys(site.state))


def waiting(site: SiteConfig, journal: Journal, lock: StudyLock) -> str:
    """What waits for the next generation, since when, and what is missing; '' where nothing waits."""
    return Generations.of(journal).waiting(live_table(site).rows, floor(site.policy, lock.study).patients)


class Benches:
    """One bench a study, made at its first question and again after a withdrawal or a change of the configuration."""

    def __init__(self, site: SiteConfig, journal: Journal) -> None:
        self.site = site
        self._journal = journal
        self._made: dict[str, tuple[Bench, GenerationSeen]] = {}
        self._gone: frozenset[str] = frozenset()

    def forget(self, study: str | None = None) -> None:
        """Drop a study's bench, or all."""
        self._made = {} if study is None else {one: made for one, made in self._made.items() if one != study}

    def of(self, lock: StudyLock) -> Bench:
        """The study's bench. Raises COHORT_EMPTIED where every patient of its base set withdrew."""
        gone = withdrawn_keys(self.site.state)
        note_withdrawals(self._journal, gone)
        if gone != self._gone:  # from this request on, no study holds the patient
            self.forget()
            self._gone = gone
        if lock.study_id not in self._made:
            self._made[lock.study_id] = self._make(lock)
        return self._made[lock.study_id][0]

    def facts(self, lock: StudyLock, splits: Sequence[str]) -> CohortFacts:
        """The rows of these sets, as the computation reads them."""
        bench, generation = self.of(lock), self._made[lock.study_id][1]
        sets = {split: tuple(f"{key}.{generation.rows[key]}" for key in bench.split(split).keys) for split in splits}
        keys = tuple(key for rows in sets.values() for key in rows)
        site, role = self.site, lock.entry(self.site.site).role
        found = contributed(effective(site), lock, site.site, self.numbers(lock), kept(site.state, lock))
        return CohortFacts(keys, len(keys), role, sets=sets, generation=generation.number, contributed=found)

    def numbers(self, lock: StudyLock) -> dict[str, int]:
        """How many patients of the study each set of this hospital holds."""
        bench = self.of(lock)
        return {split: len(bench.split(split).keys) for split in SETS[lock.entry(self.site.site).role]}

    def _make(self, lock: StudyLock) -> tuple[Bench, GenerationSeen]:
        site = self.site
        if MODELS.read_scans(lock.study.models):
            _limit_threads(site.compute.threads)
        live = live_table(site)
        known = Generations.of(self._journal)
        if lock.study_id not in known.bases and live.rows and (not known.known or changed(known.known[-1].rows, live.rows)):
            load_cohort(site.path(site.paths.cohort), lock.study)  # what does not read is no base set
        generation, table = base_rows(
            self._journal, site.state, lock.study_id, live, floor(site.policy, lock.study).patients, withdrawn_keys(site.state)
        )
        role = lock.entry(site.site).role
        patients = load_patients(site, lock.study, lock.study_id, role, cohort_of(table, lock.study))
        return Bench(lock.study, patients, _device(site), site.compute.micro_batch, lock.study_id), generation


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
