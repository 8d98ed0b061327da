"""The documentation's links lead somewhere, and every command it shows exists with the options it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from client.cli import app as site
from server.cli import app as coordinator
from server.report.list_of_parts import CONTENTS
from server.report.parts.part import ReportPart
from simulations.cli import app as sim
from site_config.documents.read_yaml_documents import load_site, load_study
from site_config.problems.base import Exit, Kind
from tests.support import ROOT, run_cli

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
APPS = {"fedhcc-site": site, "fedhcc-coordinator": coordinator, "fedhcc-sim": sim}
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?<!-t )(?:\.venv/bin/)?(fedhcc-(?:site|coordinator|sim)\b(?![:@\x22])[^`\n]*)")  # -t, : and @: an image; a quote: R


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target.strip()).exists()]
    assert not missing


def shown(page: Path) -> list[str]:
    """Commands in code blocks and in back-ticks, without comments and shell beyond them."""
    text = page.read_text()
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", text)
    lines = [line for block in blocks for line in block.splitlines()] + inline
    found = [match.group(1) for line in lines for match in [COMMAND.search(line)] if match]
    return [re.split(r"\s+#|\s*[|>&;]\s|…", command)[0].strip() for command in found]


def fault(command: str) -> str | None:
    """What is wrong with a command line, or None."""
    words = shlex.split(command.replace("[", "").replace("]", ""))
    here: click.Command = typer.main.get_command(APPS[words[0]])
    rest = words[1:]
    while isinstance(here, click.Group) and rest and not rest[0].startswith("-"):
        if rest[0] not in here.commands:
            return f"{command!r}: no command {rest[0]!r}"
        here = here.commands[rest[0]]
        rest = rest[1:]
    options = {name for parameter in here.params for name in [*parameter.opts, *parameter.secondary_opts]} | {"--help"}
    for word in rest:
        if word.startswith("--") and word.split("=")[0] not in options:
            return f"{command!r}: no option {word!r}"
    return None


TYPED = [page for page in PAGES if page.parent.name != "gallery"]
"""What the commands print about themselves is made from them; `test_gallery` holds that none is missing."""


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page: Path) -> None:
    faults = [found for command in shown(page) if "/" not in command.split()[0] for found in [fault(command)] if found]
    assert not faults


TOPS = ("client", "server", "shared_model", "site_config", "simulations", "evidence", "fedhcc", "tests", "docs", "requirements", "docker")
FILE = re.compile(rf"`((?:{'|'.join(TOPS)})/[\w./-]+)`")
NOT_HERE = {"docs/README.md": "in a MONAI bundle", "docs/evidence/gpu.json": "until somebody measures a GPU"}
TOLD = [
    page
    for page in (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")
    if page.parent.name != "problems" and page.name != "moved.md"  # which says what no longer is
]


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_a_page_names_is_there(page: Path) -> None:
    named = FILE.findall(page.read_text())
    assert [name for name in named if name not in NOT_HERE and not (ROOT / name).exists()] == []


ENTRIES = [("add-a-clinical-variable", "clinical", "cox"), ("add-an-organ", "organs", "paper"), ("a-study-of-tables", "", "cox")]


@pytest.mark.parametrize(("page", "field", "preset"), ENTRIES)
def test_entries_shown_on_a_page_are_accepted(page: str, field: str, preset: str, tmp_path: Path) -> None:
    """As a reader would: a study by its preset, the page's entries in their place, and `study check`."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "how-to" / f"{page}.md").read_text(), flags=re.DOTALL)
    shown = yaml.safe_load(block)
    assert run_cli(coordinator, "study", "new", "--preset", preset, "--out", tmp_path / "study.yaml").status == 0
    if not field:
        (tmp_path / "site.yaml").write_text(block)
        assert load_site(tmp_path / "site.yaml").site == shown["site"]
        return
    document = yaml.safe_load((tmp_path / "study.yaml").read_text())
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**document, field: shown[field]}))
    study = load_study(tmp_path / "study.yaml")
    assert [one.name for one in getattr(study, field)] == [one["name"] for one in shown[field]]


def test_the_part_shown_on_its_page_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / "add-a-report-part.md").read_text(), flags=re.DOTALL)
    (tmp_path / "shown_part.py").write_text(block)
    spec = spec_from_file_location("shown_part", tmp_path / "shown_part.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["shown_part"] = module
    spec.loader.exec_module(module)
    assert isinstance(module.DRAWN_TO, ReportPart) and module.DRAWN_TO.name not in {part.name for part in CONTENTS}


SHOWN = [
    ("add-a-report-part", "server/report/parts/patients/shown.py"),
    ("add-a-problem", "site_config/problems/shown.py"),
    ("add-an-analysis", "tests/shared_model/analyses/shown.py"),
]


@pytest.mark.parametrize(("page", "place"), SHOWN)
def test_what_a_page_shows_passes_the_checks_where_it_is_put(page: str, place: str) -> None:
    """`make check` reads a file made of it as it would any other; only the names that its file has already are not known."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / f"{page}.md").read_text(), flags=re.DOTALL)
    for words in (["check", "--quiet", "--ignore", "F821,D100"], ["format", "--quiet", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *words, "--stdin-filename", place, "-"]
        done = subprocess.run(ruff, input=block, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_problem_shown_on_its_page_is_one() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / "add-a-problem.md").read_text(), flags=re.DOTALL)
    shown: dict[str, Any] = {"Kind": Kind, "Exit": Exit}
    exec(block, shown)
    assert isinstance(shown["TOO_SHORT"], Kind)


def test_the_analysis_shown_on_its_page_opens_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / "add-an-analysis.md").read_text(), flags=re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.strip() == block.strip().rsplit("# ", 1)[1]
