"""Noise on what leaves, and the charge for it: quantised, noised, charged, and only then masked.

A value that is asked again (a retry, a resumed study) is answered with the very vector it was charged for, which is kept until
the study's next value of that kind; where it is no longer there the value is noised anew and charged again. Two noised versions
of one value are two releases.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from client.release.earlier_releases import OpenedValue
from client.release.epsilon_spent import CHARGE, Charged, Cost, EpsilonLedger, check_budget, check_promise, release_cost, schedule_of
from client.release.site_policy import Ask
from shared_model.privacy.discrete_gaussian import discrete_gaussian
from shared_model.privacy.noise_on_statistics import NoiseShare, noise_of
from shared_model.privacy.random_words import WordStream
from shared_model.secure_sum import pairwise_masks
from shared_model.statistics.statistic_declaration import Parameters, Segment
from site_config.atomic_files import make_folder, write_atomic
from site_config.hash_chained_journal import Journal
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import StudyLock, canonical

Vectors = dict[str, NDArray[Any]]
FOLDER = "noised"


class NoisedReleases:
    """One site's noised vectors. `folder` None keeps the last ones in memory only, for tests."""

    def __init__(self, journal: Journal, folder: Path | None, entropy: Callable[[int], bytes]) -> None:
        self._journal, self._entropy = journal, entropy
        self._folder = None if folder is None else folder / FOLDER
        self._held: dict[str, bytes] = {}
        self.ledger = EpsilonLedger.of(journal)

    def leaving(
        self, policy: Policy, lock: StudyLock, ask: Ask, encode: Callable[[], Vectors], remember: Callable[[OpenedValue], None]
    ) -> Vectors:
        """The vectors of a value: as they are, or with noise. `remember` writes who is behind them before the charge is written."""
        if noise_of(ask.parameters) is None:
            return encode()
        self.check(policy, lock, ask)
        remember(ask.value())
        return self.vectors(lock, ask, ask.statistic.segments(ask.parameters), encode)

    def check(self, policy: Policy, lock: StudyLock, ask: Ask) -> None:
        """Refuse (FH-541) a value that would take a patient beyond the budget, unless its vector was charged and is still here.

        Without a budget of the hospital's own the study may spend what it declares: no round twice at other weights.
        """
        if self._again(ask) is None:
            rows, cost = ask.cohort.keys, self._cost(lock, ask)
            check_budget(policy, self.ledger.spent(rows), cost)
            if policy.epsilon_budget is None:
                check_promise(lock, self.ledger.spent(rows, lock.study_id), cost, ask.cohort.role)

    def vectors(self, lock: StudyLock, ask: Ask, segments: Sequence[Segment], encode: Callable[[], Vectors]) -> Vectors:
        """The noised vectors in the ring, charged before they are returned; the kept ones where the value was charged before."""
        kept = self._again(ask)
        if kept is not None:
            return kept
        noise = noise_of(ask.parameters)
        if noise is None:
            raise ValueError("only noised statistics are noised")
        vectors = encode()
        add_noise(vectors, segments, noise, WordStream(self._entropy))
        self._keep(ask, vectors)
        cost, value = self._cost(lock, ask), ask.value()
        record = Charged(
            study=lock.study_id,
            value=_identity(ask),
            cohort=value.cohort,
            squared=cost.squared,
            alone=cost.alone,
            hash=pairwise_masks.vectors_hash(vectors),
        )
        self.ledger.feed(self._journal.append(CHARGE, record.model_dump(mode="json")))
        return vectors

    def _cost(self, lock: StudyLock, ask: Ask) -> Cost:
        schedule = schedule_of(lock)
        if schedule is None:
            raise ValueError("the study declares no differential privacy")
        return release_cost(schedule, ask.parameters)

    def _again(self, ask: Ask) -> Vectors | None:
        """The vectors charged for exactly this value; None where it was not, or where they are gone or changed."""
        wanted = self.ledger.sent(_identity(ask))
        data = self._held.get(_place(ask)) if wanted else None
        if wanted and data is None and self._folder is not None and (path := self._folder / _place(ask)).exists():
            data = path.read_bytes()
        if data is None:
            return None
        found = _unpacked(data)
        return found if found and pairwise_masks.vectors_hash(found) == wanted else None

    def _keep(self, ask: Ask, vectors: Mapping[str, NDArray[Any]]) -> None:
        data = bytes(save(dict(vectors)))
        if self._folder is None:
            self._held[_place(ask)] = data
        else:
            make_folder(self._folder)
            write_atomic(self._folder / _place(ask), data, 0o600)


def add_noise(vectors: Vectors, segments: Sequence[Segment], noise: NoiseShare, stream: WordStream) -> None:
    """Add a hospital's discrete Gaussian to ring integers, in place."""
    for segment in segments:
        drawn = discrete_gaussian(stream, noise.variance, segment.size)
        vectors[segment.name] += drawn.astype(pairwise_masks.dtype(segment))


def words_of(parameters: Parameters) -> str:
    """The noise on a release as a data-protection officer reads it."""
    noise = noise_of(parameters)
    return "none" if noise is None else f"discrete Gaussian, standard deviation {noise.deviation:.3g} for parts of norm {noise.norm:.3g}"


def _place(ask: Ask) -> str:
    """Where the last vector of this kind lies: one a study, statistic and network."""
    model = getattr(ask.parameters, "model", "")
    return f"{ask.context.study[:16]}-{ask.context.statistic}-{model}.safetensors"


def _identity(ask: Ask) -> str:
    """SHA-256, hex, of what makes a value the same: everything of its context but the attempt, and the rows behind it."""
    context = ask.context.model_dump(mode="json", exclude={"attempt"})
    return hashlib.sha256(canonical([context, ask.value().cohort])).hexdigest()


def _unpacked(data: bytes) -> Vectors | None:
    """The vectors of a file; None where it does not read, which is as if it were not there."""
    try:
        return dict(load(data))
    except SafetensorError:
        return None
