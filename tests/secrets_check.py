"""`python -m tests.secrets_check`: fail on anything that looks like a secret and is not in the reviewed list `.secrets.baseline`.

The reviewed findings are hashes of models, of Flower's internals and of known answers, and words in tests; none is a secret.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BASELINE = Path(".secrets.baseline")
LEFT_OUT = r"requirements/.*|docs/evidence/.*|\.secrets\.baseline"


def found_in(report: Any) -> set[tuple[str, str]]:
    """File and hash of every finding."""
    return {(file, secret["hashed_secret"]) for file, secrets in report["results"].items() for secret in secrets}


def main() -> int:
    """Print findings that nobody reviewed; 1 when there are any."""
    tool = str(Path(sys.executable).with_name("detect-secrets"))
    done = subprocess.run([tool, "scan", "--no-verify", "--exclude-files", LEFT_OUT], capture_output=True, text=True, check=True)
    new = found_in(json.loads(done.stdout)) - found_in(json.loads(BASELINE.read_text()))
    for file, digest in sorted(new):
        print(f"{file}: looks like a secret ({digest[:8]})")
    print(f"secrets: {len(new)} unreviewed")
    return int(bool(new))


if __name__ == "__main__":
    raise SystemExit(main())
