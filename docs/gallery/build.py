"""Write the gallery: `python docs/gallery/build.py` from the checkout.

`report.md`: every figure of a report, drawn from a made-up study of 207 patients at 52 hospitals; `commands.md`: what every command
of the three command lines prints with `--help`. Both are for looking at; nothing reads them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ["COLUMNS"] = "100"
os.environ["NO_COLOR"] = "1"
os.environ["TERM"] = "dumb"
os.environ["SOURCE_DATE_EPOCH"] = "0"

import click
import typer
from typer.testing import CliRunner

from client.cli import app as site
from server.cli import app as coordinator
from server.report.export.exported_items import figures
from server.report.export.figure_and_table_files import pictures
from server.report.page_blocks import Figure, Photos
from server.report.parts.part import ReportedStudy
from server.report.report_page import sections
from simulations.cli import app as researcher
from tests.server.report.fixture_study import make

APPS = {"fedhcc-sim": researcher, "fedhcc-site": site, "fedhcc-coordinator": coordinator}
HERE = Path(__file__).resolve().parent
MOST_PANELS = 2
REPORT = """# Every figure of a report

A report is one page of figures and tables; `fedhcc-coordinator report export` writes each as a file. Those below are of **made-up
patients** (207 at 52 hospitals, with the marginals of the study this software follows), and say so. Where a figure has a panel for
every model, two are shown. How to read them: [read the report](../how-to/read-the-report.md).
"""
COMMANDS = """# Every command

What each command prints with `--help`. Add `--json` to a command for its result as data; a fault has a number, and
`fedhcc-site problem FH-715` shows its page. Outputs of whole sessions stand in the [three afternoons](../tutorials/researcher.md).
"""


def figure_page() -> str:
    """The page of figures; writes their files."""
    report = ReportedStudy(make(seed=7))
    lines, seen = [REPORT], set[str]()
    for path in HERE.glob("*.svg"):
        path.unlink()
    for section in sections(report):
        here = []
        for stem, figure in figures([section]):
            if isinstance(figure, Photos) or stem in seen:
                continue
            seen.add(stem)
            drawn = pictures(figure, simulated=True)
            here.append(f"### {figure.label}: {figure.title}\n" if figure.label else f"### {figure.title}\n")
            for end, picture in drawn[:MOST_PANELS]:
                (HERE / f"{stem}{end}.svg").write_bytes(picture.file("svg"))
                here.append(f"![{_words(picture.alternative)}]({stem}{end}.svg)\n")
            if isinstance(figure, Figure) and len(drawn) > MOST_PANELS:
                here.append(f"*{len(drawn) - MOST_PANELS} more panels in the report.*\n")
        if here:
            lines += [f"## {section.title}\n", *here]
    return "\n".join(lines)


def _words(text: str) -> str:
    return re.sub(r"[\[\]\s]+", " ", text).strip()


def commands(group: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every command below a group that is no group itself."""
    if not isinstance(group, click.Group):
        yield path
        return
    for name, command in group.commands.items():
        if not command.hidden:
            yield from commands(command, (*path, name))


def command_page() -> str:
    """The page of commands."""
    lines = [COMMANDS]
    for name, app in APPS.items():
        lines.append(f"## {name}\n")
        for path in commands(typer.main.get_command(app), ()):
            said = CliRunner().invoke(app, [*path, "--help"], prog_name=name).output
            shown = "\n".join(line.rstrip() for line in said.strip().splitlines())
            lines.append(f"### {name} {' '.join(path)}\n\n```text\n{shown}\n```\n")
    return "\n".join(lines)


def main() -> None:
    """Write both pages."""
    (HERE / "report.md").write_text(figure_page())
    (HERE / "commands.md").write_text(command_page())
    size = sum(path.stat().st_size for path in HERE.iterdir())
    print(f"{len(list(HERE.glob('*.svg')))} figures, {size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
