"""A site's real program whose resident process only echoes: `python echo_site.py HOME`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from client.program import site_runner
from client.program.hospital_log import log_to_file
from client.program.resident_worker import Worker
from client.program.site_runner import SiteProgram
from shared_model.secure_sum.federation_messages import Message
from site_config.documents.read_yaml_documents import load_site
from site_config.problems.base import Problem


def echo(home: Path) -> Callable[[Message], Message]:
    def handle(message: Message) -> Message:
        (home / "executed").touch()
        if message.body.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        return Message("status", {"pid": os.getpid(), "home": home.name}, message.arrays)

    return handle


def main() -> None:
    site = load_site(Path(sys.argv[1]) / "site.yaml")
    log_to_file(site.state, "info", 2)
    if "impatient" in sys.argv:
        site_runner.PATIENCE_ACTIVE_S = 5.0
    program = SiteProgram(site, Worker(site.home, echo))
    signal.signal(signal.SIGTERM, lambda *_: program.stop())
    try:
        program.run()
    except Problem as problem:
        print(problem, flush=True)
        sys.exit(int(problem.kind.exit))


if __name__ == "__main__":
    main()
