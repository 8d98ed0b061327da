"""A site's program with something odd about it: `python -m evidence.faults.misbehaving_site WHAT run --home HOME`.

WHAT holds words with commas between: `clock` runs it with a clock ten minutes ahead, `version` as another version of the
software, `hasty` with less patience, `stubborn` knocks each second for as long as the product does, `slow` pauses before each
answer. Nothing of this is in the program itself: the module changes what the program imports before its command line starts.
"""

from __future__ import annotations

import datetime as dt
import sys
import time

from client.cli import main as start
from client.program import site_runner
from client.program.resident_worker import Worker
from shared_model.secure_sum.federation_messages import Message
from site_config.study.flower_app_bundle import bundle_hash

AHEAD_S = 600.0
PATIENCE_S = 15.0
PAUSE_S = 1.5


def wrong_clock() -> None:
    """Every clock the program and Flower's signatures read is ten minutes ahead."""
    from flwr.supernode import node_auth_http_interceptor as signing

    honest = time.time
    signing.now = lambda: dt.datetime.fromtimestamp(honest() + AHEAD_S, dt.UTC)
    setattr(site_runner, "wall_clock", lambda: honest() + AHEAD_S)  # noqa: B010 - a name the module imports, changed on purpose


def other_version() -> None:
    """The program believes to be release 9.9.9, whose bundle is another one."""
    setattr(site_runner, "bundle_hash", lambda: bundle_hash("9.9.9"))  # noqa: B010 - a name the module imports, changed on purpose


def hasty() -> None:
    """A refused key is given up after fifteen seconds instead of ninety."""
    site_runner.PATIENCE_ACTIVE_S = PATIENCE_S


def stubborn() -> None:
    """A refused key is tried again each second for ninety seconds, so that it is refused while the study runs on any machine."""
    site_runner.BACKOFF_S, site_runner.PATIENCE_ACTIVE_S = (1.0, 1.0, 1.0, 1.0), 90.0


def slow() -> None:
    """Each answer waits in the program before it is sent, so that a fault can be timed to fall before it."""
    handle = Worker.handle

    def later(worker: Worker, request: Message) -> Message:
        reply = handle(worker, request)
        time.sleep(PAUSE_S)
        return reply

    setattr(Worker, "handle", later)  # noqa: B010 - a method the program calls, changed on purpose


def main() -> None:
    """Change what is asked and start the command line with the remaining arguments."""
    for word in sys.argv.pop(1).split(","):
        {"clock": wrong_clock, "version": other_version, "hasty": hasty, "stubborn": stubborn, "slow": slow}[word]()
    start()


if __name__ == "__main__":
    main()
