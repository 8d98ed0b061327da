"""Which hospitals may connect: the SuperLink's nodes are the enrolment register's active hospitals, in this one place.

The SuperLink keeps nothing on disk. When it starts, and whenever `register.json` changes while it runs, it takes in whoever was
enrolled and strikes whoever is no longer. A node's number follows from its key, so it is the same after every start, and a
hospital that made new keys is a new node.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.constant import NodeStatus
from flwr.supercore.date import now

from server.hospital_register import Enrolled, Register, load
from server.link.superlink_calls import Desk
from site_config.problems.base import Problem


def key_of(site: Enrolled) -> bytes:
    """A hospital's node key as Flower keeps it."""
    public = serialization.load_ssh_public_key(site.node_key.encode())
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def reconcile(desk: Desk, register: Register) -> tuple[set[str], set[int]]:
    """Make the SuperLink's nodes those of the register; the names taken in, and the numbers struck."""
    state = desk.state
    wanted = {site.node_id: site for site in register.active().values()}
    struck = set(state.nodes) - set(wanted)
    for node in struck:
        desk.strike(node)
    new = {node: site for node, site in wanted.items() if node not in state.nodes}
    for node, site in new.items():
        key = key_of(site)
        with state.lock:
            state.nodes[node] = NodeInfo(
                node_id=node,
                owner_aid=NOOP_FLWR_AID,
                owner_name=NOOP_ACCOUNT_NAME,
                status=NodeStatus.REGISTERED,
                registered_at=now().isoformat(),
                public_key=key,
                name=site.name,
            )
            state.node_public_key_to_node_id[key] = node
            state.owner_to_node_ids.setdefault(NOOP_FLWR_AID, set()).add(node)
    return {site.name for site in new.values()}, struck


class Registration:
    """Follows the register of a coordinator's home."""

    def __init__(self, home: Path, desk: Desk) -> None:
        self._home, self._desk = home, desk
        self._seen = 0

    def look(self) -> None:
        """Take over the register where it has changed since the last look."""
        try:
            changed = (self._home / "register.json").stat().st_mtime_ns
            if changed == self._seen:
                return
            register = load(self._home)
        except (OSError, Problem):
            return  # a register that cannot be read strikes nobody; the commands that read it say so
        reconcile(self._desk, register)
        self._seen = changed
