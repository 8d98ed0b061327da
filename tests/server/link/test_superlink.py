"""Who is there while a reply arrives in pieces, and what becomes of a reply whose sender went away."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from flwr.proto.message_pb2 import ObjectTree, PullObjectResponse
from flwr.supercore.run import Run

from server.link.superlink import PRESENCE_S, AttachedGrid, Presence, SuperLinkAddress


def test_presence_is_asked_again_when_it_is_old_and_tells_a_restart() -> None:
    answers = iter([{7: "noon"}, {7: "noon"}, {7: "noon"}, {7: "one"}, {}])
    now = [0.0]
    seen = Presence(lambda: next(answers), lambda: now[0])
    assert seen.since(7) == "noon" and seen.since(8) == ""
    told = []
    for _ in range(3):
        now[0] += PRESENCE_S + 1
        told.append(seen.since(7))
    assert told == ["noon", "one", ""]


def test_a_site_that_just_came_back_is_not_taken_for_the_one_that_is_gone() -> None:
    answers = iter([{}, {7: "one"}])
    seen = Presence(lambda: next(answers), lambda: 0.0)
    assert [seen.since(7) for _ in range(3)] == ["", "one", "one"]


@pytest.mark.parametrize("later", [{}, {7: "one"}], ids=["it is gone", "it was started again"])
def test_the_rest_of_a_reply_is_not_waited_for_when_its_site_is_gone(later: dict[int, str]) -> None:
    grid = AttachedGrid(SuperLinkAddress("127.0.0.1:1", b"", ""), "token")
    grid.set_run(Run.create_empty(run_id=1))
    asked = iter([{7: "noon"}])
    grid._presence = Presence(lambda: next(asked, later), lambda: time.monotonic() * 100)
    grid._client = SimpleNamespace(
        PullObject=lambda _request: PullObjectResponse(object_found=True, object_available=False), ConfirmMessageReceived=None
    )
    began = time.monotonic()
    reply = grid._fetch(SimpleNamespace(src_node_id=7, reply_to_message_id="asked", message_id="answer"), ObjectTree(object_id="piece"))
    assert reply.has_error() and reply.metadata.reply_to_message_id == "asked"
    assert time.monotonic() - began < 30
