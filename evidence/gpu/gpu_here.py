"""Is there a GPU to check? `make gpu` asks this before it installs anything, so this needs no package but this repository's own code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from client.program.gpu_watch import require
from site_config.problems import host
from site_config.problems import model as problems
from site_config.problems.base import Problem


def check(wheels: Path | None = None, devices: Path = Path("/dev")) -> None:
    """Raises FH-605 where no card can be opened, FH-910 where the folder of wheels that is named is not there."""
    try:
        require("cuda", devices)
    except Problem as problem:
        raise problems.NO_GPU.problem(
            f"{problem.what.replace('compute.device is cuda, and there', 'there')}; nothing was measured",
            why="The driver, this user's right to the device files, or the container's device access is missing.",
            fix="Run it where nvidia-smi lists a card.",
        ) from None
    if wheels is not None and not wheels.is_dir():
        raise host.FILE_MISSING.problem(
            "the folder of wheels does not exist",
            why="make gpu installs from this folder and asks no index.",
            fix="Fill it where there is an index, `make gpu-wheels WHEELS=folder`, or name an environment: `make gpu GPU_PYTHON=python`.",
        )


def told(problem: Problem) -> int:
    """A problem's lines on standard error; its exit status."""
    for line in (str(problem), f"  why: {problem.why}", f"  fix: {problem.fix}", f"  more: docs/problems/{problem.code}.md"):
        print(line, file=sys.stderr)
    return int(problem.kind.exit)


def main() -> int:
    """0 where there is a GPU."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--wheels", type=Path)
    try:
        check(parser.parse_args().wheels)
    except Problem as problem:
        return told(problem)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
