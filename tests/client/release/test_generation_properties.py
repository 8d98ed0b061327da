"""Random sequences of studies, joins, withdrawals, corrections, fractions, model lists and rosters: no two results few rows apart.

The door's own ledger, choice of rows and comparison are used; only the holders' secret addition is done in the open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.release.earlier_releases import Ledger, Minima, OpenedValue, cohort_hash
from client.release.generations import choose
from client.release.journal_entries import AGREED, COHORT, COMPARED, SHARED, AgreedRows, CohortSeen, ComparedRows, SharedRows
from client.release.shares.rows_apart import left_of_four
from client.release.shares.share_rows import compared_patients
from evidence.attacks.attacked_federation import NOON
from shared_model.analyses.phases.admission_plan import BASE, LIVE, change_model
from shared_model.secure_sum.federation_messages import Context
from site_config.hash_chained_journal import Journal
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.study.earlier_rosters import sums
from site_config.study.lock_study import named_beside
from site_config.study.plan_and_lock import RosterEntry, Study, StudyLock, StudySite
from site_config.study.prognostic_models import PAPER_MODELS

NAMES = tuple(f"site-{k}" for k in range(8))
SETS, LEAST = ("train", "validation"), Minima(sites=3, patients=20)
Table = dict[int, int]
"""Patient → which version of its row."""


def rows_of(site: str, table: Table, images: bool, fraction: float) -> dict[str, frozenset[str]]:
    """The analysis sets: one patient in four lacks images; sides follow a number of the patient alone."""
    found: dict[str, set[str]] = {name: set() for name in SETS}
    for patient, version in table.items():
        number = np.random.default_rng([patient, *site.encode()]).uniform(size=2)
        if not images or number[0] > 0.25:
            found["validation" if number[1] < fraction else "train"].add(f"{site}/{patient}.{version}")
    return {name: frozenset(rows) for name, rows in found.items()}


@dataclass
class Hospital:
    """A table, the tables used last by set, who withdrew, and the ledger."""

    name: str
    live: Table
    last: dict[tuple[str, bool], Table] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    journal: Journal = field(default_factory=lambda: Journal(None, clock=lambda: NOON))
    ledger: Ledger = field(default_factory=Ledger)

    def write(self, kind: str, record: object) -> None:
        self.ledger.feed(self.journal.append(kind, record.model_dump(mode="json")))  # type: ignore[attr-defined]

    def table(self, of: str, name: str, images: bool) -> Table:
        """The one that stands, or the one used last by a study of the same kind, of the other kind where there was none."""
        known = [self.last[name, kind] for kind in (images, not images) if (name, kind) in self.last]
        return self.live if of == LIVE or not known else known[0]

    def rows(self, of: str, images: bool, fraction: float) -> dict[str, frozenset[str]]:
        """By set, of the table as it stands or of the ones used last."""
        found = {}
        for name in SETS:
            table = self.table(of, name, images)
            kept = {patient: version for patient, version in table.items() if patient not in self.gone}
            found[name] = rows_of(self.name, kept, images, fraction)[name]
        return found


class Network:
    """Hospitals of a few patients each, and every result opened so far: its roster's rows by set."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.hospitals = {name: Hospital(name, dict.fromkeys(range(size), 0)) for name, size in zip(NAMES, sizes, strict=True)}
        self.published: list[StudyLock] = []
        self.results: list[dict[str, frozenset[str]]] = []
        self.of_models: list[tuple[tuple[str, ...], bool]] = []
        self.of_rosters: dict[tuple[str, ...], list[dict[str, frozenset[str]]]] = {}
        self.next, self.tried = 1000, 0

    def join(self, site: str, patients: int = 1) -> None:
        for _ in range(patients):
            self.hospitals[site].live[self.next] = 0
            self.next += 1

    def withdraw(self, site: str) -> None:
        hospital = self.hospitals[site]
        if left := sorted(hospital.live.keys() - hospital.gone):
            hospital.gone.add(left[0])

    def correct(self, site: str) -> None:
        hospital = self.hospitals[site]
        if hospital.live:
            hospital.live[min(hospital.live)] += 1

    def rewrite(self) -> None:
        """A column is added, or written in other codes: every row of every hospital is another one."""
        for hospital in self.hospitals.values():
            hospital.live = {patient: version + 1 for patient, version in hospital.live.items()}

    def study(
        self, roster: tuple[str, ...], *, images: bool = False, fraction: float = 0.2, in_blocks: bool = False
    ) -> dict[str, str] | None:
        """Set → `live` or `base` where the study opened its results; None where a hospital or the comparison refused.

        in_blocks: sums of two blocks are opened beside the results of all, whatever the lock of an honest coordinator would say.
        """
        lock = self._lock(roster, images, fraction, in_blocks)
        mine = [self.hospitals[name] for name in roster]
        try:
            if lock.earlier:
                self._compare(lock, mine, images, fraction)
            for one in mine:
                chosen = choose(one.ledger.used(), one.rows(LIVE, images, fraction), LEAST.patients, one.ledger.agreed(lock.study_id))
                used = {name: one.rows(of, images, fraction)[name] for name, of in chosen.items()}
                for asked in self._rosters(lock, one.name):
                    self._ask(lock, one, asked, used)
        except Problem as problem:
            assert problem.kind in (privacy.ROWS_WAIT, privacy.VALUE_DIFFERS_BY_FEW)
            return None
        self._open(lock, mine, chosen, images, fraction)
        return chosen

    def _rosters(self, lock: StudyLock, name: str) -> list[tuple[str, ...]]:
        """The hospitals of whom something is asked together with one of them: its block, and all."""
        every = lock.names("development")
        return [block for block in lock.blocks["development"] if name in block and block != every] + [every]

    def _ask(self, lock: StudyLock, one: Hospital, roster: tuple[str, ...], used: dict[str, frozenset[str]]) -> None:
        context = Context(study=lock.study_id, phase="clinical", round=0, attempt=0, statistic="", parameters="", state="", roster="")
        rows, whole = frozenset().union(*used.values()), roster == lock.names("development")
        value = OpenedValue(context, "", frozenset(roster), rows, None, used, whole=whole, sums=sums(lock))
        one.ledger.check_rows(value, LEAST)

    def _lock(self, roster: tuple[str, ...], images: bool, fraction: float, in_blocks: bool) -> StudyLock:
        self.tried += 1  # a study that opened nothing is asked anew as another one
        title = f"study {self.tried}, {'images' if images else 'tables'}, {fraction}, {in_blocks}"
        blocks = (roster[:4], roster[4:]) if in_blocks and len(roster) > 4 else (roster,)
        sites = tuple(StudySite(name=name, role="development") for name in roster)
        study = Study(title=title, resolution="shares", sites=sites, models=PAPER_MODELS if images else ("CLN",))
        entries = tuple(
            RosterEntry(name=n, role="development", signing_key=f"{k:064x}", node_fingerprint="0" * 64) for k, n in enumerate(roster)
        )
        lock = StudyLock(
            study=study, roster=entries, blocks={"development": blocks}, code_digest="", coordinator_key="", holders=roster[:3]
        )
        return named_beside(lock, self.published)

    def _compare(self, lock: StudyLock, mine: list[Hospital], images: bool, fraction: float) -> None:
        model, totals = change_model(lock), np.zeros(change_model(lock).part.columns)
        for one in mine:
            choices = {f"{of}.{name}": rows for of in (LIVE, BASE) for name, rows in one.rows(of, images, fraction).items()}
            patients, against = compared_patients(lock, one.name, one.ledger, choices)
            totals += model.part.of(patients).sum(0) if len(patients) else 0
            hashes = {choice: cohort_hash(rows) for choice, rows in choices.items()}
            plain = {"parts": {}, "results": (), "cohort": "", "patients": 0, "slots": 0, "bytes": 0, "rule": "", "hash": ""}
            names = {"study": lock.study_id, "phase": "admission", "roster": lock.names("development"), "holders": lock.holders}
            one.write(COMPARED, ComparedRows(**plain, **names, against=against, choices=hashes))
        opens = model.opens(model.few(totals.astype(np.int64)))
        if any(not (opens[f"{LIVE}.{name}"] or opens[f"{BASE}.{name}"]) for name in SETS):
            raise privacy.ROWS_WAIT.problem("neither")
        for one in mine:
            one.write(AGREED, AgreedRows(study=lock.study_id, choices=tuple(choice for choice, ok in opens.items() if ok)))

    def _open(self, lock: StudyLock, mine: list[Hospital], chosen: dict[str, str], images: bool, fraction: float) -> None:
        every: dict[str, set[str]] = {name: set() for name in SETS}
        of_rosters: dict[tuple[str, ...], dict[str, set[str]]] = {}
        for one in mine:
            # what each chose itself: the same for all where they compared
            own = choose(one.ledger.used(), one.rows(LIVE, images, fraction), LEAST.patients, one.ledger.agreed(lock.study_id))
            used = {name: one.rows(of, images, fraction)[name] for name, of in own.items()}
            for rows in used.values():
                one.write(COHORT, CohortSeen(cohort=cohort_hash(rows), patients=tuple(sorted(rows))))
            sets = {name: cohort_hash(rows) for name, rows in used.items()}
            plain = {"parts": {}, "results": (), "cohort": "", "patients": 0, "slots": 0, "bytes": 0, "rule": "", "hash": ""}
            for asked in self._rosters(lock, one.name):
                names = {"study": lock.study_id, "phase": "clinical", "roster": asked, "holders": lock.holders}
                one.write(SHARED, SharedRows(**plain, **names, sets=sets))
                together = of_rosters.setdefault(asked, {name: set() for name in SETS})
                for name, rows in used.items():
                    together[name] |= rows
            for name, of in own.items():
                every[name] |= used[name]
                one.last[name, images] = dict(one.table(of, name, images))
        self.published.append(lock)  # a study in which nothing was asked is no earlier one (`server.study.earlier_studies.begun`)
        self.results.append({name: frozenset(rows) for name, rows in every.items()})
        self.of_models.append((lock.names("development"), images))
        for asked, rows_of_it in of_rosters.items():
            self.of_rosters.setdefault(asked, []).append({name: frozenset(rows) for name, rows in rows_of_it.items()})

    def check(self) -> None:
        """No two opened results of a set, and no two of all sets together, are few rows apart: of all hospitals, or of the same block."""
        for results in (self.results, *self.of_rosters.values()):
            self._check(results)
        for roster in dict.fromkeys(one for one, _ in self.of_models):
            self._check_fours(
                *([r for r, of in zip(self.results, self.of_models, strict=True) if of == (roster, i)] for i in (True, False))
            )

    def _check_fours(self, with_images: list[dict[str, frozenset[str]]], without: list[dict[str, frozenset[str]]]) -> None:
        """Two results of all models less two of tables, of the same hospitals: nobody or enough are left."""
        for one, other in combinations(with_images, 2):
            for third, fourth in permutations(without, 2):
                for name in SETS:
                    for left in left_of_four(one[name], third[name], other[name], fourth[name]):
                        assert not left or len(left) >= LEAST.patients, left

    def _check(self, results: list[dict[str, frozenset[str]]]) -> None:
        for k, later in enumerate(results):
            for earlier in results[:k]:
                pairs = [(earlier[name], later[name]) for name in SETS]
                pairs.append((frozenset().union(*earlier.values()), frozenset().union(*later.values())))
                for before, now in pairs:
                    changed = {row.partition(".")[0] for row in before ^ now}
                    moved = {row.partition(".")[0] for row in before} ^ {row.partition(".")[0] for row in now}
                    for apart in (len(changed), len(moved)):
                        assert apart == 0 or apart >= LEAST.patients, apart


ROSTERS = (NAMES, NAMES[:4], NAMES[3:], NAMES[:5], NAMES[:7])
STEP = st.one_of(
    st.tuples(st.just("join"), st.sampled_from(NAMES), st.sampled_from([1, 2, 4, 9, 21])),
    st.tuples(st.just("withdraw"), st.sampled_from(NAMES)),
    st.tuples(st.just("correct"), st.sampled_from(NAMES)),
    st.tuples(st.just("rewrite")),
    st.tuples(st.just("study"), st.sampled_from(ROSTERS), st.booleans(), st.sampled_from([0.0, 0.02, 0.2, 0.25]), st.booleans()),
)


@settings(max_examples=100, deadline=None)
@given(sizes=st.permutations([0, 1, 1, 2, 4, 8, 16, 40]), steps=st.lists(STEP, min_size=4, max_size=24))
def test_no_two_results_are_few_rows_apart(sizes: list[int], steps: list[tuple[object, ...]]) -> None:
    network = Network(tuple(sizes))
    for kind, *what in steps:
        if kind == "study":
            network.study(what[0], images=what[1], fraction=what[2], in_blocks=what[3])  # type: ignore[arg-type]
        else:
            getattr(network, str(kind))(*what)
    network.check()


@pytest.mark.parametrize("seed", range(4))
def test_nine_patients_a_month_open_a_generation_every_four_months_and_old_rows_stay_usable(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = Network((0, 1, 2, 4, 8, 16, 40, 60))
    assert network.study(NAMES) == {"train": LIVE, "validation": LIVE}
    since = 0
    for _ in range(24):
        for site in rng.choice(NAMES, 9):
            network.join(str(site))
        chosen = network.study(NAMES)
        assert chosen is not None, "the rows of the last generation can be studied in every month"
        since = 0 if chosen["train"] == LIVE else since + 1
        assert since < 4
    network.check()


def test_the_check_finds_what_the_comparison_prevents() -> None:
    """Positive control: without the rules one more patient is two results one row apart."""
    network = Network((0, 1, 1, 2, 4, 8, 16, 40))
    network.study(NAMES)
    extra = {name: rows | {"site-7/1.0x"} if name == "train" else rows for name, rows in network.results[0].items()}
    network.results.append(extra)
    with pytest.raises(AssertionError):
        network.check()


def test_twenty_changes_of_all_hospitals_are_too_few_in_a_block() -> None:
    """Sums of the same two blocks before and after: the hospital that grew by one refuses, whatever the holders found of all together."""
    network = Network((40, 40, 0, 1, 1, 2, 4, 8))
    assert network.study(NAMES, fraction=0.0, in_blocks=True)
    network.join("site-0")
    network.join("site-7", 24)
    assert network.study(NAMES, fraction=0.0, in_blocks=True) is None
    assert network.study(NAMES, fraction=0.0) == {"train": LIVE, "validation": LIVE}
    network.check()
