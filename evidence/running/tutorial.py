"""Evidence: the commands of the two tutorials, as they stand in the pages, run one after the other.

`docs/tutorials/site-it.md` and `coordinator.md` mark their blocks `<!-- run: NN -->` (or `<!-- run: NN, exit S -->` for the
status of the block's last command). All blocks run in one shell, in the order of the numbers, in an empty folder.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from evidence.code_meaning import ROOT
from evidence.record import record

PAGES = ("docs/tutorials/coordinator.md", "docs/tutorials/site-it.md")
BLOCK = re.compile(r"<!-- run: (\d+)(?:, exit (\d+))? -->\n```bash\n(.*?)```", re.DOTALL)
LIMIT_S = 1800.0
STEP = "::step"


@dataclass(frozen=True)
class ShellBlock:
    """A marked block: its place in the order, the exit status of its last command, its page and its commands."""

    order: int
    status: int
    page: str
    commands: str


def blocks() -> list[ShellBlock]:
    """Every marked block of both pages in the order of the numbers; equal numbers in the order of the page."""
    found = [
        ShellBlock(int(order), int(status or 0), page, commands)
        for page in PAGES
        for order, status, commands in BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    ]
    return sorted(found, key=lambda block: block.order)


def script(wanted: list[ShellBlock]) -> str:
    """One shell script that tells the exit status after each block."""
    return "".join(f"{block.commands}echo '{STEP}' {number} $?\n" for number, block in enumerate(wanted))


def run(folder: Path) -> tuple[str, dict[int, int]]:
    """Everything the blocks printed, and the exit status by block."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", script(blocks())],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    statuses = {int(number): int(status) for number, status in re.findall(rf"{STEP} (\d+) (\d+)", done.stdout)}
    return done.stdout, statuses


def main() -> int:
    """Run both tutorials in a temporary folder; 1 when a block ended otherwise than its page says."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tutorial") as folder:
        printed, statuses = run(Path(folder))
        report = bool(list(Path(folder).glob("office/studies/*/run/report.html")))
    print(printed)
    wanted = blocks()
    wrong = [f"{b.page} run {b.order}: {statuses.get(i)}" for i, b in enumerate(wanted) if statuses.get(i) != b.status]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "blocks": len(wanted),
        "commands": sum(block.commands.count("fedhcc-") for block in wanted),
        "as_the_pages_say": not wrong,
        "canary_passed": "Canary passed" in printed,
        "stalled_by_name": "hospital-03" in printed and "STALLED" in printed,
        "complete_with_report": report,
        "wall_seconds": round(time.monotonic() - began),
        "cpu_seconds": round(children.ru_utime + children.ru_stime),
    }
    print(figures, *wrong, sep="\n")
    record("tutorial", covers=[*PAGES, "evidence/running/tutorial.py"], figures=figures, seeds=[7])
    return int(bool(wrong) or not report)


if __name__ == "__main__":
    raise SystemExit(main())
