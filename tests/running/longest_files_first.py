"""Which test files are started first: those that took longest, so that no worker ends long after the others.

Files that look at the same finished studies go to one worker, because every worker would run these studies for itself.

`python -m tests.running.longest_files_first JUNIT.xml` writes tests/running/seconds_by_file.json anew from a complete run.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

SECONDS = Path(__file__).with_name("seconds_by_file.json")
LONG_S = 20
"""Files that took less are not listed: their order does not matter."""
STUDIES = ("finished", "finished_exact")
"""The fixtures that run a whole study once a worker."""
ONE_WORKER = tuple(f"tests/end_to_end/studies/test_{name}.py" for name in ("tiny_study", "toys", "validate"))
"""The files whose tests ask for them."""


def worker_scope(nodeid: str) -> str:
    """What of a test's name decides its worker: its file, or one name for the files of the finished studies.

    >>> worker_scope("tests/test_a.py::test_it[b::c]")
    'tests/test_a.py'
    >>> worker_scope("tests/end_to_end/studies/test_toys.py::test_it") == worker_scope("tests/end_to_end/studies/test_validate.py::test_it")
    True
    """
    file = nodeid.partition("::")[0]
    return ONE_WORKER[0] if file in ONE_WORKER else file


def known() -> dict[str, int]:
    """File, from the root of the repository → whole seconds of its last complete run."""
    return {str(file): int(seconds) for file, seconds in json.loads(SECONDS.read_text()).items()} if SECONDS.exists() else {}


def place(file: str, seconds: Mapping[str, int]) -> int:
    """A sort key: the longest first, then all others in the order in which they were found.

    >>> sorted(["tests/test_a.py", "tests/test_b.py", "tests/test_c.py"], key=lambda one: place(one, {"tests/test_c.py": 90}))
    ['tests/test_c.py', 'tests/test_a.py', 'tests/test_b.py']
    """
    return -sum(seconds.get(one, 0) for one in (ONE_WORKER if file in ONE_WORKER else (file,)))


def of_report(report: Path) -> dict[str, int]:
    """File → seconds of a complete run's JUnit report, of those that took long, the longest first."""
    found: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        found[case.get("classname", "").replace(".", "/") + ".py"] += round(float(case.get("time", 0)) * 1000)
    return {file: round(ms / 1000) for file, ms in found.most_common() if ms >= LONG_S * 1000}


def main() -> None:
    """Write the table."""
    SECONDS.write_text(json.dumps(of_report(Path(sys.argv[1])), indent=1) + "\n")


if __name__ == "__main__":
    main()
