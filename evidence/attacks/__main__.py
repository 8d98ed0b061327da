"""`python -m evidence.attacks`: the whole harness, recorded."""

from __future__ import annotations

import sys

from evidence.attacks.measure import main

if __name__ == "__main__":
    sys.exit(main())
