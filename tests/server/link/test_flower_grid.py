"""The coordinator's adapter: silence, errors and lost runs are failures; the installed Flower is the one it was written for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest
from flwr.app import Message as FlowerMessage
from flwr.app.error import Error
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode

import client.program.flower_node as at_site
from server.link.flower_grid import FlowerTransport, LinkEffects
from shared_model.flower import flower_version
from shared_model.flower.flower_records import from_records, to_records
from shared_model.secure_sum.federation_messages import Message
from simulations.engines.local_engine import LocalGrid


def echo_app(*, fail: frozenset[int] = frozenset()) -> ClientApp:
    app = ClientApp()

    @app.query("fedhcc")
    def handle(message: FlowerMessage, context: object) -> FlowerMessage:
        node = message.metadata.dst_node_id
        if node in fail:
            return FlowerMessage(Error(ErrorCode.NODE_UNAVAILABLE, "secret text"), reply_to=message)
        return at_site.answer(message, lambda request: Message("status", {"node": node}, dict(request.arrays)))

    return app


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def effects(self) -> LinkEffects:
        return LinkEffects(self.wait, lambda: self.now)


class Silent(LocalGrid):
    """Nodes in `deaf` never answer; `lost` raises as a SuperLink that forgot the run."""

    deaf: frozenset[int] = frozenset()
    lost = False

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[FlowerMessage]:
        if self.lost:
            request = httpx.Request("POST", "https://superlink")
            raise httpx.HTTPStatusError("secret text", request=request, response=httpx.Response(401, request=request))
        return super().pull_messages([i for i in message_ids if i in self._inbox and self._inbox[i].metadata.dst_node_id not in self.deaf])


def homes(*nodes: int) -> dict[int, Path]:
    return {node: Path("/nowhere") for node in nodes}


def requests(*sites: str) -> dict[str, Message]:
    return {site: Message("status", {}, {"w": np.arange(3, dtype=np.float64)}, room=24) for site in sites}


def test_named_sites_answer_with_their_own_copy() -> None:
    grid = LocalGrid(echo_app(), homes(1, 2))
    transport = FlowerTransport(lambda: grid, {"a": 1, "b": 2})
    sent = requests("a", "b")
    done = transport.exchange(sent, 5)
    assert {site: reply.body["node"] for site, reply in done.replies.items()} == {"a": 1, "b": 2} and not done.failures
    done.replies["a"].arrays["w"][0] = 99
    assert sent["b"].arrays["w"][0] == 0 and done.replies["b"].arrays["w"][0] == 0
    assert transport.sites() == {"a": True, "b": True}


def test_every_site_stands_in_replies_or_failures() -> None:
    grid = Silent(echo_app(fail=frozenset({2})), homes(1, 2, 3))
    grid.deaf = frozenset({3})
    clock = Clock()
    transport = FlowerTransport(lambda: grid, {"a": 1, "b": 2, "c": 3, "d": 4}, clock.effects())
    done = transport.exchange(requests("a", "b", "c", "d", "ghost"), 20)
    assert set(done.replies) == {"a"}
    assert {site: failure.code for site, failure in done.failures.items()} == {
        "b": "FH-702",
        "c": "FH-701",
        "d": "FH-702",
        "ghost": "FH-702",
    }
    assert "secret" not in str(done.failures) and clock.now >= 20


def test_a_lost_run_is_taken_up_again() -> None:
    grids = [Silent(echo_app(), homes(1)), LocalGrid(echo_app(), homes(1))]
    grids[0].lost = True
    made = iter(grids)
    transport = FlowerTransport(lambda: next(made), {"a": 1})
    assert transport.exchange(requests("a"), 5).failures["a"].code == "FH-706"
    assert set(transport.exchange(requests("a"), 5).replies) == {"a"}


def test_a_reply_that_is_not_ours_is_malformed() -> None:
    app = ClientApp()

    @app.query("fedhcc")
    def handle(message: FlowerMessage, context: object) -> FlowerMessage:
        from flwr.app import RecordDict

        return FlowerMessage(RecordDict(), reply_to=message)

    grid = LocalGrid(app, homes(1))
    assert FlowerTransport(lambda: grid, {"a": 1}).exchange(requests("a"), 5).failures["a"].code == "FH-705"


def test_large_arrays_pass_the_records() -> None:
    message = Message("release", {"x": 1}, {"w": np.arange(200_000, dtype=np.uint32), "s": np.ones(2)})
    back = from_records(to_records(message))
    assert back.body == message.body and np.array_equal(back.arrays["w"], message.arrays["w"]) and back.arrays["w"].dtype == np.uint32


@pytest.mark.parametrize(("module", "digits"), [*flower_version.internals(version("flwr")).items()])
def test_flower_is_the_one_this_was_written_for(module: str, digits: str) -> None:
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    found = hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:16]
    assert found == digits, f"{module} changed: read what changed, then docs/explanation/flower.md"


def test_another_flower_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from site_config.problems.base import Problem

    for release in (flower_version.FLOWER, *flower_version.EARLIER):
        monkeypatch.setattr(flower_version, "version", lambda _name, found=release: found)
        flower_version.check_version()
    for release in ("1.40.0", "1.43.0"):
        monkeypatch.setattr(flower_version, "version", lambda _name, found=release: found)
        with pytest.raises(Problem, match="FH-717"):
            flower_version.check_version()
