"""`python -m tests.skips JUNIT.xml`: fail when a test was skipped for a reason that tests/allowed_skips.txt does not list."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def unlisted(report: Path, allowed: Path) -> list[str]:
    """Skipped tests whose reason is not listed, as `test: reason`."""
    reasons = [line.strip() for line in allowed.read_text().splitlines() if line.strip() and not line.startswith("#")]
    found = []
    for case in ElementTree.parse(report).iter("testcase"):
        for skip in case.iter("skipped"):
            message = skip.get("message", "")
            if skip.get("type") != "pytest.xfail" and not any(reason in message for reason in reasons):
                found.append(f"{case.get('classname')}.{case.get('name')}: {message}")
    return found


def main() -> int:
    """Print unlisted skips; 1 when there is one."""
    found = unlisted(Path(sys.argv[1]), Path(__file__).with_name("allowed_skips.txt"))
    for line in found:
        print(f"skipped without leave: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
