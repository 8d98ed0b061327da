"""A tired person's desk: a hospital and an office, a mistake, and what one screen has to say of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from client.cli import app as site_app
from server.cli import app as office_app
from simulations.study.site_folders import Homes
from site_config.console import invoke
from site_config.study.plan_and_lock import StudyLock

LINES = 40
"""Of a terminal; a longer screen scrolls away."""


@dataclass
class Desk:
    """A hospital and an office beside each other, with what a test undoes at its end."""

    homes: Homes
    lock: StudyLock
    place: Path
    undo: ExitStack
    monkeypatch: pytest.MonkeyPatch

    @property
    def name(self) -> str:
        return self.lock.names("development")[0]

    @property
    def home(self) -> str:
        return str(self.homes.site(self.name))

    @property
    def office(self) -> str:
        return str(self.homes.coordinator)

    def edit(self, **sections: dict[str, object]) -> None:
        """Change sections of the hospital's site.yaml."""
        path = Path(self.home) / "site.yaml"
        document = yaml.safe_load(path.read_text())
        for section, values in sections.items():
            document[section] = {**document.get(section, {}), **values}
        path.write_text(yaml.safe_dump(document))


Screen = tuple[str, list[str], str, str]
"""Which command, its words, the problem's number, and a part of the fix."""
Mistake = Callable[[Desk], Screen]


def said_on_one_screen(mistake: Mistake, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Make the mistake and hold what the command says against what it should."""
    with desk.undo:
        which, words, code, fix = mistake(desk)
        capsys.readouterr()
        status = invoke(site_app if which == "site" else office_app, words)
    said = "".join(capsys.readouterr())
    print(f"{mistake.__name__}: status {status}\n{said}")
    assert status != 0
    plain = " ".join(said.replace("│", " ").split())
    assert code in said and fix in plain
    assert said.count(f"{code} ") <= 1 or not code or len(code) < 6, "said once"
    assert len(said.splitlines()) <= LINES, "one screen"
    assert "Traceback" not in said
