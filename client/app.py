"""The Flower ClientApp: one query handler, which hands a message to the site's agent and returns the reply.

The home folder of the site comes from the node's configuration (`home`) or from the environment (`FEDHCC_SITE_HOME`); a node of
Flower's simulation may also find it in the run's configuration (`sites`). One agent lives per home for as long as the process,
since the keys of a secure sum are in its memory.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from client.program.flower_node import Handle, answer
from shared_model.secure_sum.federation_messages import Message as Reply
from site_config.problems import identity
from site_config.problems.base import Problem

HOME_VARIABLE = "FEDHCC_SITE_HOME"

app = ClientApp()
_agents: dict[Path, Handle] = {}
_making = threading.Lock()


def agent_of(home: Path) -> Handle:
    """The resident agent of a site's home folder, made at its first message."""
    key = home.resolve()
    with _making:
        if key not in _agents:
            from client.program.message_agent import Agent
            from client.release.door import outward_code
            from site_config.documents.read_yaml_documents import load_site

            try:
                _agents[key] = Agent(load_site(key / "site.yaml")).handle
            except Problem as problem:
                code = outward_code(problem)
                return lambda _message: Reply("refusal", {"code": code})
        return _agents[key]


def forget_agents(home: Path | None = None) -> None:
    """Drop every resident agent, or that of one home, as a restart of the process would; for tests and simulations."""
    with _making:
        for key in [key for key in _agents if home is None or key == home.resolve()]:
            close = getattr(getattr(_agents.pop(key), "__self__", None), "close", None)
            if close is not None:
                close()


def home_of(context: Context) -> Path:
    """The home folder this node works for; Flower's simulation numbers its nodes, and the setting then lists their homes.

    Only there may the run say where: a hospital's own node takes no folder from whoever starts a run.
    """
    partition = context.node_config.get("partition-id")
    home = context.node_config.get("home") or os.environ.get(HOME_VARIABLE)
    if not home and partition is not None:
        home = context.run_config.get("sites")
    if home and partition is not None and os.pathsep in str(home):
        home = str(home).split(os.pathsep)[int(partition)]
    if not home:
        raise identity.IDENTITY_MISSING.problem(f"Neither the node's configuration nor {HOME_VARIABLE} names a home folder")
    return Path(str(home))


@app.query("fedhcc")  # type: ignore[untyped-decorator]
def handle(message: Message, context: Context) -> Message:
    """Answer one message; the agent turns every fault into a code."""
    return answer(message, agent_of(home_of(context)))


@app.query("site")  # type: ignore[untyped-decorator]
def say_site(message: Message, context: Context) -> Message:
    """Which site this node stands for: asked in simulations, where nodes have no registered keys."""
    from site_config.documents.read_yaml_documents import load_site

    return Message(RecordDict({"who": ConfigRecord({"site": load_site(home_of(context) / "site.yaml").site})}), reply_to=message)
