"""A coordinator and the doors of its sites in one process, message by message.

Attacks and tests play the coordinator by hand here: every exchange of an ask is a method of its own, so that each can be
left out, repeated, kept back or changed, and everything the coordinator saw stays in `seen`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from client.release.door import CohortFacts, Compute, Door
from shared_model.secure_sum import pairwise_masks
from shared_model.secure_sum import signatures as secure_sum_signatures
from shared_model.secure_sum.federation_messages import (
    Arrays,
    Context,
    KeysReply,
    KeysRequest,
    OpenedCounts,
    OpenRequest,
    ReleaseReply,
    ReleaseRequest,
    canonical_parameters,
    parameters_hash,
    roster_hash,
    state_hash,
)
from shared_model.statistics.statistic_declaration import REGISTRY, Parameters, Registry, Segment
from site_config.hash_chained_journal import Journal
from site_config.site_yaml import Policy
from site_config.study.lock_study import planned_holders
from site_config.study.plan_and_lock import Role, RosterEntry, Study, StudyLock, StudySite, Training

CUTS = (91.0, 182.0, 365.0)
"""Days that cut the hazards of the attacked studies: a hospital answers no question on other ones (FH-532)."""

FEWEST_HOLDERS = 3
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PLENTY = OpenedCounts(sites=1_000, patients=100_000, events=100_000)


def seeded_bytes(seed: str) -> Callable[[int], bytes]:
    """A reproducible source of bytes for simulations; never for a hospital."""
    count = 0

    def take(n: int) -> bytes:
        nonlocal count
        out = b""
        while len(out) < n:
            out += sha256(f"{seed}/{count}".encode()).digest()
            count += 1
        return out[:n]

    return take


@dataclass
class Hospital:
    """One site: its key, journal, door, and the HMAC ids of its patients."""

    name: str
    key: Ed25519PrivateKey
    journal: Journal
    door: Door
    patients: tuple[str, ...]
    role: Role = "development"

    @property
    def entry(self) -> RosterEntry:
        """The site as it stands in a lock."""
        return RosterEntry(
            name=self.name, role=self.role, signing_key=self.key.public_key().public_bytes_raw().hex(), node_fingerprint="00" * 32
        )


@dataclass
class Seen:
    """What the coordinator holds of one attempt: masked vectors, seeds, and the sum if it opened."""

    context: Context
    vectors: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    seeds: dict[str, bytes] = field(default_factory=dict)
    total: dict[str, NDArray[Any]] | None = None


@dataclass
class AttackedFederation:
    """Sites, a coordinator's key, and the lock of the current study."""

    hospitals: dict[str, Hospital]
    coordinator: Ed25519PrivateKey
    lock: StudyLock
    registry: Registry = REGISTRY
    seen: list[Seen] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        patients: Mapping[str, tuple[str, ...]],
        *,
        policy: Policy | None = None,
        study: Study | None = None,
        blocks: tuple[tuple[str, ...], ...] | None = None,
        registry: Registry = REGISTRY,
        roles: Mapping[str, Role] | None = None,
    ) -> AttackedFederation:
        """Sites by name with their patients' ids; one block unless told otherwise."""
        hospitals: dict[str, Hospital] = {}
        for name, ids in patients.items():
            entropy = seeded_bytes(name)
            key = Ed25519PrivateKey.from_private_bytes(entropy(32))
            journal = Journal(None, clock=lambda: NOON)
            rules = policy or Policy(minimum_roster=3, minimum_patients=5)
            door = Door(name, key, rules, journal, clock=lambda: NOON, entropy=entropy, registry=registry)
            hospitals[name] = Hospital(name, key, journal, door, ids, (roles or {}).get(name, "development"))
        coordinator = Ed25519PrivateKey.from_private_bytes(seeded_bytes("coordinator")(32))
        federation = cls(hospitals, coordinator, lock=None, registry=registry)  # type: ignore[arg-type]
        federation.new_study(study, tuple(patients), blocks)
        return federation

    def new_study(self, study: Study | None, sites: tuple[str, ...], blocks: tuple[tuple[str, ...], ...] | None = None) -> StudyLock:
        """Lock a study over some of the sites; the doors and their journals stay."""
        training = Training(cut_days=CUTS, intervals=len(CUTS) + 1)
        plan = study or Study(title="attack", training=training, sites=tuple(StudySite(name=name) for name in sites))
        entries = tuple(self.hospitals[name].entry for name in sites)
        by_role: dict[Role, tuple[tuple[str, ...], ...]] = {}
        for role in ("development", "evaluation"):
            names = tuple(entry.name for entry in entries if entry.role == role)
            if names:
                by_role[role] = (names,)
        if blocks is not None:
            by_role["development"] = blocks
        key = self.coordinator.public_key().public_bytes_raw().hex()
        holders = planned_holders(plan) if len(plan.sites) >= FEWEST_HOLDERS else ()
        self.lock = StudyLock(study=plan, roster=entries, blocks=by_role, code_digest="00" * 32, coordinator_key=key, holders=holders)
        return self.lock

    def context(
        self, statistic: str, parameters: Parameters, *, sites: tuple[str, ...] = (), state: Arrays | None = None, **fields: Any
    ) -> Context:
        """The context of an ask over `sites` (all hospitals of the lock when left out)."""
        signing = {entry.name: entry.signing_key for entry in self.lock.roster}
        given = {"phase": "clinical", "round": 0, "attempt": 1, "study": self.lock.study_id, **fields}
        return Context(
            statistic=statistic,
            parameters=parameters_hash(canonical_parameters(parameters)),
            state=state_hash(state or {}),
            roster=roster_hash(sites or tuple(signing), signing),
            **given,
        )

    def keys(self, context: Context, sites: tuple[str, ...]) -> dict[str, KeysReply]:
        """First exchange."""
        return {name: self.hospitals[name].door.keys(KeysRequest(context=context, sites=sites), self.lock) for name in sites}

    def release(
        self,
        name: str,
        context: Context,
        parameters: Parameters,
        keys: Mapping[str, KeysReply],
        compute: Compute,
        *,
        state: Arrays | None = None,
        counts: OpenedCounts | None = PLENTY,
        sites: tuple[str, ...] = (),
    ) -> tuple[ReleaseReply, dict[str, NDArray[Any]]]:
        """Second exchange with one site."""
        hospital = self.hospitals[name]
        request = ReleaseRequest(context=context, parameters=canonical_parameters(parameters), keys=dict(keys), counts=counts, sites=sites)
        cohort = CohortFacts(keys=hospital.patients, n=len(hospital.patients), role=hospital.role)
        return hospital.door.release(request, self.lock, state or {}, compute, cohort)

    def open_request(self, context: Context, hashes: Mapping[str, str]) -> OpenRequest:
        """The coordinator's signed list."""
        signature = self.coordinator.sign(secure_sum_signatures.list_bytes(context, hashes)).hex()
        return OpenRequest(context=context, hashes=dict(hashes), signature=signature)

    def segments(self, context: Context, parameters: Parameters) -> tuple[Segment, ...]:
        """The declared segments of a statistic."""
        return self.registry[context.statistic].segments(parameters)

    def ask(
        self,
        statistic: str,
        parameters: Parameters,
        compute: Mapping[str, Compute],
        *,
        sites: tuple[str, ...] = (),
        state: Arrays | None = None,
        counts: OpenedCounts | None = PLENTY,
        **fields: Any,
    ) -> dict[str, NDArray[Any]]:
        """A whole ask as the honest coordinator does it: keys, releases, check, open, sum."""
        roster = sites or tuple(entry.name for entry in self.lock.roster)
        context = self.context(statistic, parameters, sites=roster, state=state, **fields)
        signing = {entry.name: entry.signing_key for entry in self.lock.roster}
        seen = Seen(context)
        self.seen.append(seen)
        keys = self.keys(context, roster)
        hashes: dict[str, str] = {}
        for name in roster:
            reply, vectors = self.release(name, context, parameters, keys, compute[name], state=state, counts=counts)
            secure_sum_signatures.check_vectors_signature(context, reply, pairwise_masks.vectors_hash(vectors), name, signing[name])
            seen.vectors[name], hashes[name] = vectors, reply.hash
        request = self.open_request(context, hashes)
        for name in roster:
            seen.seeds[name] = bytes.fromhex(self.hospitals[name].door.open(request, self.lock).seed)
        seen.total = dict(pairwise_masks.open_sum(self.segments(context, parameters), seen.vectors, seen.seeds, context, len(roster)))
        return seen.total
