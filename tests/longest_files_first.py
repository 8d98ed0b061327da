"""Which test files are started first: those that took longest, so that no worker ends long after the others.

`python -m tests.longest_files_first JUNIT.xml` writes tests/seconds_by_file.json anew from a complete run.
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


def known() -> dict[str, int]:
    """File, from the root of the repository → whole seconds of its last complete run."""
    return {str(file): int(seconds) for file, seconds in json.loads(SECONDS.read_text()).items()} if SECONDS.exists() else {}


def place(file: str, seconds: Mapping[str, int]) -> int:
    """A sort key: the longest first, then all others in the order in which they were found.

    >>> sorted(["tests/test_a.py", "tests/test_b.py", "tests/test_c.py"], key=lambda one: place(one, {"tests/test_c.py": 90}))
    ['tests/test_c.py', 'tests/test_a.py', 'tests/test_b.py']
    """
    return -seconds.get(file, 0)


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
