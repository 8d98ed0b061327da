"""Helpers that several test folders share."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from site_config import console

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ran:
    """What a command line printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)


def run_cli(app: typer.Typer, *arguments: str | Path) -> Ran:
    """Run a command line in this process exactly as its console script does."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = console.invoke(app, [str(argument) for argument in arguments])
    return Ran(status, out.getvalue(), err.getvalue())


def app_of(*registers: Any) -> typer.Typer:
    """An application made of `register(app)` functions, for tests of one command module."""
    app = typer.Typer()
    for register in registers:
        register(app)

    @app.callback()
    def main() -> None:
        """Commands under test."""

    return app


def shared_data() -> Path | None:
    """The folder of real test data: FEDHCC_TEST_DATA, or `shared/data` beside or above the repository; None where absent."""
    named = os.environ.get("FEDHCC_TEST_DATA")
    places: Sequence[Path] = [Path(named)] if named else [ROOT.parent / "shared" / "data", ROOT / "shared" / "data"]
    return next((place for place in places if (place / "ct").is_dir()), None)
