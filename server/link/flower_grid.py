"""Flower at the coordinator: messages to named sites over a Grid."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
from flwr.app import Message as FlowerMessage
from flwr.common.constant import ErrorCode
from flwr.serverapp.grid import Grid
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectPushError
from flwr.supercore.run import RunNotRunningException

from server.link.transport import Exchange, Failure, Watch
from shared_model.flower.flower_records import MESSAGE_TYPE, from_records, to_many
from shared_model.secure_sum.federation_messages import Message
from shared_model.secure_sum.message_bytes import WireError
from site_config.problems import federation

LOST = (httpx.HTTPError, RunNotRunningException, ObjectPushError, ObjectPullError, ConnectionError, ValueError)
FIRST_POLL_S, LAST_POLL_S = 0.03, 0.3

CODES = {
    ErrorCode.LOAD_CLIENT_APP_EXCEPTION: federation.BUNDLE_REFUSED,
    ErrorCode.CLIENT_APP_RAISED_EXCEPTION: federation.SITE_CRASHED,
    ErrorCode.MESSAGE_UNAVAILABLE: federation.SITE_UNAVAILABLE,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE: federation.SITE_UNAVAILABLE,
    ErrorCode.NODE_UNAVAILABLE: federation.SITE_UNAVAILABLE,
    ErrorCode.INVALID_FAB: federation.BUNDLE_REFUSED,
    ErrorCode.CLIENT_APP_CRASHED: federation.SITE_CRASHED,
    ErrorCode.UNKNOWN: federation.REPLY_MALFORMED,
}


@dataclass(frozen=True)
class LinkEffects:
    """Waiting and time, passed in so that tests never sleep; and whoever follows the questions."""

    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    watch: Watch | None = None


class FlowerTransport:
    """Carries messages to named sites over a Grid.

    `attach` makes a Grid; it is called at once, and again after the SuperLink lost the run. `nodes` gives Flower's node id of
    every site. Nothing here raises for a site's or a network's sake: each becomes a `Failure`. A Grid that has
    `pull_within` waits for replies by itself; another one is asked again and again.
    """

    def __init__(self, attach: Callable[[], Grid], nodes: Mapping[str, int], effects: LinkEffects | None = None) -> None:
        self._attach = attach
        self._nodes = dict(nodes)
        self._effects = effects or LinkEffects()
        self._grid: Grid | None = attach()

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """Send one request to each named site and wait up to `deadline_s` seconds for the replies."""
        done = Exchange()
        end = self._effects.clock() + deadline_s
        try:
            grid = self._connected()
            pending = self._push(grid, requests, deadline_s, done)
            if self._effects.watch is not None:
                self._effects.watch.asked({site: requests[site] for site in pending.values()}, deadline_s)
            self._collect(grid, pending, {site: request.room for site, request in requests.items()}, end, done)
        except LOST as error:
            self._lose(error, requests, done)
        except RunLost as lost:
            self._lose(lost, requests, done)
        return done

    def sites(self) -> Mapping[str, bool]:
        """Every site, and whether its heartbeats arrive."""
        try:
            online = {node.node_id for node in self._connected().get_nodes()}
        except (*LOST, RunLost):
            self._drop()
            online = set()
        return {site: node in online for site, node in self._nodes.items()}

    def close(self) -> None:
        """End the run."""
        self._drop()

    def _connected(self) -> Grid:
        if self._grid is None:
            self._grid = self._attach()
        return self._grid

    def _drop(self) -> None:
        grid, self._grid = self._grid, None
        close = getattr(grid, "close", None)
        if close is not None:
            close()

    def _lose(self, error: Exception, requests: Mapping[str, Message], done: Exchange) -> None:
        for site in requests:
            if site not in done.replies and site not in done.failures:
                done.failures[site] = Failure(federation.LINK_LOST.label, type(error).__name__)
        self._drop()

    def _push(self, grid: Grid, requests: Mapping[str, Message], ttl: float, done: Exchange) -> dict[str, str]:
        sites = [site for site in requests if site in self._nodes]
        for site in requests:
            if site not in self._nodes:
                done.failures[site] = Failure(federation.SITE_UNAVAILABLE.label, "not registered")
        contents = to_many(requests[site] for site in sites)
        outgoing = [
            FlowerMessage(content, self._nodes[site], MESSAGE_TYPE, ttl=max(ttl, 1.0))
            for site, content in zip(sites, contents, strict=True)
        ]
        identifiers = list(grid.push_messages(outgoing)) if outgoing else []
        if len(identifiers) != len(sites):
            raise RunLost("push")
        pending: dict[str, str] = {}
        rooms = getattr(grid, "rooms", {})  # a grid that fetches in pieces stops at the room
        for site, identifier in zip(sites, identifiers, strict=True):
            if identifier:
                pending[identifier] = site
                rooms[identifier] = requests[site].room
            else:
                done.failures[site] = Failure(federation.SITE_UNAVAILABLE.label, "not registered")
        return pending

    def _collect(self, grid: Grid, pending: dict[str, str], rooms: Mapping[str, int], end: float, done: Exchange) -> None:
        pause = FIRST_POLL_S
        waits: Callable[[list[str], float], list[FlowerMessage]] | None = getattr(grid, "pull_within", None)
        while pending:
            if self._effects.clock() >= end:
                done.failures.update({site: Failure(federation.SITE_SILENT.label, "deadline") for site in pending.values()})
                return
            arrived = False
            left = max(end - self._effects.clock(), 0.0)
            for reply in waits(list(pending), left) if waits else grid.pull_messages(list(pending)):
                site = pending.pop(reply.metadata.reply_to_message_id, None)
                if site is not None:
                    arrived = True
                    self._take(site, reply, rooms[site], done)
                    self._follow(site, done)
            self._follow("", done)
            if pending and waits is None:
                pause = FIRST_POLL_S if arrived else min(pause * 1.3, LAST_POLL_S)
                self._effects.wait(pause)

    def _follow(self, site: str, done: Exchange) -> None:
        watch = self._effects.watch
        if watch is None:
            return
        if not site:
            watch.look()
            return
        watch.answered(site, done.replies.get(site))

    @staticmethod
    def _take(site: str, reply: FlowerMessage, room: int, done: Exchange) -> None:
        if reply.has_error():
            kind = CODES.get(reply.error.code, federation.SITE_UNAVAILABLE)
            done.failures[site] = Failure(kind.label, f"flower {int(reply.error.code)}")
            return
        try:
            done.replies[site] = from_records(reply.content, room, own=False)
        except WireError:
            done.failures[site] = Failure(federation.REPLY_MALFORMED.label, "format")


class RunLost(Exception):
    """The run cannot be used any more."""
