"""A site's program with another agent: `python -m evidence.capture.site_with_other_agent failing|leaking run --home HOME`."""

from __future__ import annotations

import sys
from functools import partial

from client.cli import main as start
from client.program import site_runner
from client.program.resident_worker import Worker
from evidence.capture.leaking_agents import failing_agent, leaking_agent

AGENTS = {"failing": failing_agent, "leaking": leaking_agent}


def main() -> None:
    """Change the agent's maker and start the command line with the remaining arguments."""
    setattr(site_runner, "Worker", partial(Worker, factory=AGENTS[sys.argv.pop(1)]))  # noqa: B010 - a name the module imports, changed on purpose
    start()


if __name__ == "__main__":
    main()
