"""The `local` engine: the same server and client apps in one process, without a network.

Flower's abstract Grid over a list of nodes. A message is copied both ways, so that no array is shared and a site cannot see
what another one does with it; as many sites answer at a time as there are processors, and replies stand in the order of asking.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.serverapp.grid import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from client.app import app as installed
from server.link.flower_grid import FlowerTransport
from site_config.health.machine_questions import processors

MOST_AT_A_TIME = 4
"""Sites that compute at a time: each holds a network's activations."""


class LocalGrid(Grid):  # type: ignore[misc]
    """A Grid whose nodes are client apps in this process; `homes` gives each node's home folder."""

    def __init__(self, app: ClientApp, homes: Mapping[int, Path]) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, SUPERLINK_NODE_ID
        self._app = app
        self._contexts = {node: Context(1, node, {"home": str(home)}, RecordDict(), {}) for node, home in homes.items()}
        self._inbox: dict[str, Message] = {}
        self._run = Run.create_empty(run_id=1)

    def set_run(self, run: Run) -> None:
        """Set the run."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run."""
        return self._run

    def create_message(self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None) -> Message:
        """A message, as the abstract class asks."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Every node: all are online."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Keep messages for their nodes; an unknown node gets an empty id."""
        identifiers = []
        for message in messages:
            known = message.metadata.dst_node_id in self._contexts
            identifier = f"{len(self._inbox)}-{id(message)}" if known else ""
            if known:
                sent = copy.deepcopy(message)
                sent.metadata.__dict__["_message_id"] = identifier
                self._inbox[identifier] = sent
            identifiers.append(identifier)
        return identifiers

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Let the nodes answer and give their replies."""
        waiting = [self._inbox.pop(identifier) for identifier in message_ids if identifier in self._inbox]
        if len(waiting) < 2:
            return [self._answer(message) for message in waiting]
        with ThreadPoolExecutor(min(len(waiting), processors(), MOST_AT_A_TIME)) as pool:
            return list(pool.map(self._answer, waiting))

    def _answer(self, message: Message) -> Message:
        return copy.deepcopy(self._app(message, self._contexts[message.metadata.dst_node_id]))

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Both at once; nothing waits here, so the timeout is met."""
        del timeout
        return self.pull_messages(self.push_messages(messages))


def local_transport(homes: Mapping[str, Path], app: ClientApp | None = None) -> FlowerTransport:
    """A transport to sites in this process; `homes` gives each site's home folder by name."""
    if app is None:
        app = installed
    nodes = {site: number for number, site in enumerate(homes, start=1)}
    grid = LocalGrid(app, {nodes[site]: home for site, home in homes.items()})
    return FlowerTransport(lambda: grid, nodes)
