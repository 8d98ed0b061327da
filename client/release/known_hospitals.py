"""Hospitals this one knows: whose fingerprint a person heard on the telephone and typed, not read from what the coordinator sent.

A coordinator can invent hospitals: a victim and two ghosts are a roster of three. So a roster counts only with enough
hospitals whose digits were read out: `approve` asks for them, keeps them in state/peers.json, and does not show them first.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from site_config.atomic_files import read_json, write_json
from site_config.keys_and_signatures import mistyped, same_fingerprint
from site_config.problems import host, privacy
from site_config.problems.base import Problem
from site_config.site_yaml import KnownPeers, Policy, SiteConfig
from site_config.study.plan_and_lock import RosterEntry, Strict, StudyLock

PEERS = "peers.json"


class CheckedPeer(Strict):
    """A hospital whose digits were read out: its name then, who typed them when."""

    name: str
    at: str


def checked(state: Path) -> dict[str, CheckedPeer]:
    """The fingerprints that were checked by telephone. Raises STATE_DAMAGED for a file that is none."""
    path = state / PEERS
    if not path.exists():
        return {}
    try:
        return {str(key): CheckedPeer.model_validate(value) for key, value in dict(read_json(path, "state/peers.json")).items()}
    except (ValidationError, TypeError, ValueError):
        raise host.STATE_DAMAGED.problem("state/peers.json is not a list of hospitals", where="state/peers.json") from None


def check(state: Path, entry: RosterEntry, digits: str, now: str) -> None:
    """Keep a hospital whose digits, as read out, are those of the lock. Raises PEER_DIGITS where they are not, or too few."""
    if not same_fingerprint(digits, entry.fingerprint):
        fault = mistyped(digits)
        what = (
            f"what was typed for {entry.name} {fault}"
            if fault
            else f"the digits typed for {entry.name} are not those of its key in the lock"
        )
        raise privacy.PEER_DIGITS.problem(what)
    known = {key: one.model_dump() for key, one in checked(state).items()}
    write_json(state / PEERS, {**known, entry.fingerprint: CheckedPeer(name=entry.name, at=now).model_dump()})


def wanted(policy: Policy) -> int:
    """How many other hospitals of a roster have to be known: half the minimum roster, or what the policy says."""
    own = policy.known_peers.at_least if policy.known_peers else 0
    return max(own, -(-policy.minimum_roster // 2))


def wanted_holders(lock: StudyLock, site: str) -> int:
    """How many holders have to be known, this hospital not counted: with them known, too few are left to rebuild rows."""
    return max(len(lock.holders) - lock.collusion - (site in lock.holders), 0) if lock.holders else 0


def heard(site: SiteConfig) -> tuple[str, ...]:
    """Fingerprints of the hospitals this one knows: those of its policy, and those whose digits were heard."""
    listed = site.policy.known_peers.fingerprints if site.policy.known_peers else ()
    return tuple(dict.fromkeys((*listed, *checked(site.state))))


def effective(site: SiteConfig) -> Policy:
    """The policy with every checked hospital among the known ones; made-up patients need nobody's telephone."""
    policy = site.policy
    if policy.simulated_patients:
        return policy
    fingerprints = heard(site)
    return policy.model_copy(update={"known_peers": KnownPeers(at_least=wanted(policy), fingerprints=fingerprints)})


def unchecked(policy: Policy, lock: StudyLock, site: str) -> tuple[RosterEntry, ...]:
    """The other hospitals of a lock that are not known here, holders first."""
    known = set(policy.known_peers.fingerprints) if policy.known_peers else set()
    others = [entry for entry in lock.roster if entry.name != site and entry.fingerprint not in known]
    return tuple(sorted(others, key=lambda entry: (entry.name not in lock.holders, entry.name)))


def holder_faults(policy: Policy, lock: StudyLock, site: str) -> list[Problem]:
    """PEERS_UNKNOWN where too few holders are known to this hospital."""
    if policy.known_peers is None or policy.simulated_patients:
        return []
    trusted = set(policy.known_peers.fingerprints)
    known = sum(lock.entry(holder).fingerprint in trusted for holder in lock.holders if holder != site)
    least = wanted_holders(lock, site)
    if known >= least:
        return []
    return [privacy.PEERS_UNKNOWN.problem(f"{known} of the holders known to this hospital, at least {least} are asked")]
