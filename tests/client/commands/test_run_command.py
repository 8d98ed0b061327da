"""`fedhcc-site run` ends when it is told to, however early that is."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from client.commands import run
from client.program import site_runner
from tests.support import app_of, run_cli


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_program_is_loaded_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    served: list[str] = []

    class Program:
        """Told to stop while it is made."""

        def __init__(self, site: Any) -> None:
            self.kit = type("Kit", (), {"address": "127.0.0.1:1"})
            os.kill(os.getpid(), number)

        def run(self) -> None:
            served.append("run")

        def stop(self) -> None:
            served.append("stop")

    monkeypatch.setattr(site_runner, "SiteProgram", Program)
    (tmp_path / "site.yaml").write_text("site: one\n")
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        ran = run_cli(app_of(run.register), "run", "--home", tmp_path)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert ran.status == 0, ran.err
    assert "stopped" in ran.err and "run" not in served
