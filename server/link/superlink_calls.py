"""What the SuperLink does with the calls of one request: Flower's own handlers on Flower's state in memory, and two that wait.

A site that asks (`receive`) is answered as soon as a message for it is there with everything it holds; the coordinator
(`collect`) as soon as one reply is there whole, or can never come. So nobody asks in vain, and nobody fetches a piece that
has not arrived. What was handed to a site that then asks again without having answered was lost on the way, and is handed
out again; what was handed to a program that has been started anew since is lost, because the keys of a sum live in memory.

Everything here runs in the event loop of one process; nothing of it outlives the process.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from flwr.proto import fleet_pb2, heartbeat_pb2, message_pb2, run_pb2, runtime_pb2
from flwr.proto.task_pb2 import Task
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.supercore.constant import NodeStatus
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.object_store import NoObjectInStoreError
from flwr.superlink.servicer.fleet import fleet_handlers
from flwr.superlink.servicer.runtime import runtime_handlers

from shared_model.flower.several_calls import STANDS_STILL, Call, join_calls, together

LOOK_S = 1.0
"""How often somebody who waits looks by himself: for a deadline, or for a site that stopped its heartbeats."""
PATIENCE_S = 50.0
"""How long a site counts as there after its last heartbeat, at the most (it says itself in how many seconds the next one comes)."""
Answer = Callable[[Any], Any]
Answered = Any
"""Flower's reply to a call, a protobuf message; its library has no types."""


class Desk:
    """Flower's state, and who waits for what of it."""

    def __init__(self, state: InMemoryLinkState, tell: Callable[[str], None] = lambda _line: None) -> None:
        self.state = state
        self._tell = tell
        self._still: set[int] = set()
        self._bells: dict[object, asyncio.Event] = defaultdict(asyncio.Event)
        self._newest: dict[int, object] = {}
        self._arriving: dict[str, object] = {}
        self._fleet = self._fleet_calls(state)
        self._runtime = self._runtime_calls(state)

    def _fleet_calls(self, state: InMemoryLinkState) -> dict[str, tuple[Any, Answer]]:
        handlers = fleet_handlers
        return {
            "activate-node": (fleet_pb2.ActivateNodeRequest, self._activate),
            "deactivate-node": (fleet_pb2.DeactivateNodeRequest, self._deactivate),
            "send-node-heartbeat": (heartbeat_pb2.SendNodeHeartbeatRequest, self._beats),
            STANDS_STILL: (heartbeat_pb2.SendNodeHeartbeatRequest, self._stands_still),
            "get-run": (run_pb2.GetRunRequest, lambda r: handlers.get_run(r, state)),
            "push-messages": (fleet_pb2.PushMessagesRequest, self._push_reply),
            "push-object": (message_pb2.PushObjectRequest, lambda r: handlers.push_object(r, state)),
            "pull-object": (message_pb2.PullObjectRequest, lambda r: handlers.pull_object(r, state)),
            "confirm-message-received": (
                message_pb2.ConfirmMessageReceivedRequest,
                lambda r: handlers.confirm_message_received(r, state, state.object_store),
            ),
        }

    def _runtime_calls(self, state: InMemoryLinkState) -> dict[str, tuple[Any, Callable[..., Any]]]:
        return {
            "push-messages": (runtime_pb2.PushAppMessagesRequest, self._push_questions),
            "push-object": (message_pb2.PushObjectRequest, lambda r, task: runtime_handlers.push_object(r, state, task)),
            "pull-object": (message_pb2.PullObjectRequest, lambda r, task: runtime_handlers.pull_object(r, state, task)),
            "confirm-message-received": (
                message_pb2.ConfirmMessageReceivedRequest,
                lambda r, task: runtime_handlers.confirm_message_received(r, state, task),
            ),
            "get-nodes": (runtime_pb2.GetNodesRequest, lambda r, task: runtime_handlers.get_nodes(r, state, task)),
        }

    def fleet(self, calls: Iterable[Call], node: int, key: bytes) -> Iterator[Answered]:
        """Do a site's calls one after another; `PermissionError` where one names another node than the key's, before any is done.

        Objects that are pushed in one request with their message belong to its push session.
        """
        wanted = []
        for name, payload in calls:
            form, answer = self._fleet[name]
            request = form.FromString(payload)
            claimed = request.node.node_id if hasattr(request, "node") else getattr(request, "node_id", node)
            if claimed != node or getattr(request, "public_key", key) != key:
                raise PermissionError("another node")
            wanted.append((name, request, answer))
        return self._do(wanted)

    def runtime(self, calls: Iterable[Call], task: Task) -> Iterator[Answered]:
        """Do the coordinator's calls one after another."""
        wanted = []
        for name, payload in calls:
            form, answer = self._runtime[name]
            wanted.append((name, form.FromString(payload), partial(answer, task=task)))
        return self._do(wanted)

    @staticmethod
    def _do(wanted: Sequence[tuple[str, Any, Answer]]) -> Iterator[Answered]:
        session = ""
        for name, request, answer in wanted:
            if name == "push-object" and not request.session_id:
                request.session_id = session
            answered = answer(request)
            if name == "push-messages":
                session = answered.session_id
            yield answered

    def announce(self) -> None:
        """Ring for whoever waits for a message that is whole by now."""
        for message in [one for one in self._arriving if self._whole(one)]:
            self._bells[self._arriving.pop(message)].set()

    async def receive(self, request: Any, seconds: float) -> bytes:
        """The next message for a site, within so many seconds; a later question of the same site ends this one."""
        node = int(request.node.node_id)
        turn = self._newest[node] = object()
        self._bells[node].set()
        self._hand_out_again(node)
        end = asyncio.get_running_loop().time() + seconds
        while not self._ready(node):
            left = end - asyncio.get_running_loop().time()
            if left <= 0 or self._newest.get(node) is not turn or not self._online(node):
                return self._with_objects(fleet_pb2.PullMessagesResponse())
            await self._ring(node, left)
        answer = fleet_handlers.pull_messages(request, self.state, self.state.object_store)
        return self._with_objects(answer)

    async def collect(self, request: Any, seconds: float, task: Task) -> bytes:
        """Replies that are whole, and questions that no reply can come to, of those asked for, within so many seconds."""
        wanted = list(request.message_ids)
        end = asyncio.get_running_loop().time() + seconds
        while not (ready := [one for one in wanted if self._decided(one)]):
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                return self._with_objects(runtime_pb2.PullAppMessagesResponse())
            await self._ring(task.run_id, min(left, LOOK_S))
        answer = self._replies(ready, task)
        return self._with_objects(answer, over=True)

    def _replies(self, ready: list[str], task: Task) -> Answered:
        """Flower's answer; whoever replied and then went away counts as there for as long as it takes."""
        with self.state.lock:
            asked = [
                self.state.message_ins_store[one].metadata.dst_node_id
                for one in ready
                if one in self.state.message_ins_id_to_message_res_id
            ]
            gone = {number: node.online_until for number in asked if (node := self.state.nodes.get(number)) is not None}
            for number in gone:
                self.state.nodes[number].online_until = max(gone[number], time.time() + LOOK_S)
            answer = runtime_handlers.pull_messages(runtime_pb2.PullAppMessagesRequest(message_ids=ready), self.state, task)
            for number, until in gone.items():
                self.state.nodes[number].online_until = until
        return answer

    async def _ring(self, whom: object, seconds: float) -> None:
        bell = self._bells[whom]
        bell.clear()
        try:
            await asyncio.wait_for(bell.wait(), seconds)
        except TimeoutError:
            return

    def _with_objects(self, answer: Answered, *, over: bool = False) -> bytes:
        """Flower's answer and the small objects of its messages; with `over`, a message that is handed over entirely is deleted."""
        store = self.state.object_store
        trees = {tree.object_id: [piece.object_id for piece in iterate_object_tree(tree)] for tree in answer.message_object_trees}
        known = {name: store.get(name) or b"" for names in trees.values() for name in names}
        chosen = together([(name, len(content)) for name, content in known.items()])
        for message, names in trees.items():
            if over and chosen.issuperset(names):
                store.delete(message)
        return join_calls([("", answer.SerializeToString()), *((name, known[name]) for name in known if name in chosen)])

    def _whole(self, message: str) -> bool:
        store = self.state.object_store
        try:
            tree = store.get_object_tree(message)
        except NoObjectInStoreError:
            return True  # it is gone: whoever waits for it shall be told
        return all(store.get(piece.object_id) for piece in iterate_object_tree(tree))

    def _online(self, node: int) -> bool:
        found = self.state.nodes.get(node)
        return found is not None and found.status == NodeStatus.ONLINE

    def _ready(self, node: int) -> bool:
        """Whether the next message for a site is there with everything it holds."""
        with self.state.lock:
            for identifier, message in self.state.message_ins_store.items():
                if message.metadata.dst_node_id == node and not message.metadata.delivered_at:
                    return self._whole(identifier)
        return False

    def _decided(self, question: str) -> bool:
        """Whether a question has a whole reply, or can have none: it is gone or too old, or its site is."""
        with self.state.lock:
            asked = self.state.message_ins_store.get(question)
            if asked is None:
                return True
            reply = self.state.message_ins_id_to_message_res_id.get(question)
            if reply is not None and self._whole(reply):
                return True
            nodes = self.state.get_node_info(node_ids=[asked.metadata.dst_node_id], statuses=[NodeStatus.ONLINE])
        return not nodes

    def _asked(self, node: int) -> list[str]:
        """Questions that were handed to a site and have no whole reply."""
        answered = self.state.message_ins_id_to_message_res_id
        return [
            identifier
            for identifier, message in self.state.message_ins_store.items()
            if message.metadata.dst_node_id == node
            and message.metadata.delivered_at
            and not (identifier in answered and self._whole(answered[identifier]))
        ]

    def _hand_out_again(self, node: int) -> None:
        """What a site asks for anew never reached it; a reply of which it sent a part only, it has given up."""
        with self.state.lock:
            asked = self._asked(node)
            half = {one for one in asked if one in self.state.message_ins_id_to_message_res_id}
            for identifier in set(asked) - half:
                self.state.message_ins_store[identifier].metadata.delivered_at = ""
            self._give_up(half)

    def _give_up(self, questions: set[str]) -> None:
        """Forget questions that no reply can come to; who waits for one is told that it is not available."""
        runs = {self.state.message_ins_store[one].metadata.run_id for one in questions}
        self.state.delete_messages(questions)
        for run in runs:
            self._bells[run].set()

    def _activate(self, request: Any) -> Any:
        answer = fleet_handlers.activate_node(request, self.state)
        with self.state.lock:
            self._give_up(set(self._asked(int(answer.node_id))))
        return answer

    def strike(self, node: int) -> None:
        """Take a node out: its key is refused from now on, and what was asked of it is not available."""
        with self.state.lock:
            key = self.state.nodes.pop(node).public_key
            self.state.node_public_key_to_node_id.pop(key, None)
            for nodes in self.state.owner_to_node_ids.values():
                nodes.discard(node)
            self._give_up({one for one, message in self.state.message_ins_store.items() if message.metadata.dst_node_id == node})
        self._bells[node].set()

    def slept(self, seconds: float) -> None:
        """This machine did nothing for so long: no site is to blame for silence, and no question has grown older."""
        with self.state.lock:
            for node in self.state.nodes.values():
                if node.status == NodeStatus.ONLINE:
                    node.online_until = time.time() + PATIENCE_S
            for message in self.state.message_ins_store.values():
                message.metadata.__dict__["_ttl"] = message.metadata.ttl + seconds

    def _beats(self, request: Any) -> Any:
        self._still.discard(int(request.node.node_id))
        return fleet_handlers.send_node_heartbeat(request, self.state)

    def _stands_still(self, request: Any) -> Any:
        """A site says that its working process shows no sign of life: written once into the log, where the coordinator reads."""
        node = int(request.node.node_id)
        if node not in self._still:
            self._tell(f"the working process of node ID {node} shows no sign of life")
        self._still.add(node)
        return fleet_handlers.send_node_heartbeat(request, self.state)

    def _deactivate(self, request: Any) -> Any:
        answer = fleet_handlers.deactivate_node(request, self.state)
        self._bells[int(request.node_id)].set()
        return answer

    def _push_reply(self, request: Any) -> Any:
        answer = fleet_handlers.push_messages(request, self.state)
        for head in request.messages_list:
            self._arriving[head.metadata.message_id] = head.metadata.run_id
        return answer

    def _push_questions(self, request: Any, task: Task) -> Any:
        answer = runtime_handlers.push_messages(request, self.state, task)
        for head in request.messages_list:
            if head.metadata.message_id in answer.message_ids:
                self._arriving[head.metadata.message_id] = head.metadata.dst_node_id
        return answer
