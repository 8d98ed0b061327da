"""Do two scans of a hospital show the same slices? Prints of axial slices, and who shares them.

A print is a hash of every fourth pixel of every fourth row of one slice, so a cut along the body, a copy under another
name and a second conversion of the same series share prints; a resampled or noisy copy does not. Prints stay in the
hospital, in the prepared records.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

SHARED_SLICES = 3
FLAT_HU = 20.0


def slice_prints(thin: NDArray[np.int16]) -> tuple[str, ...]:
    """Prints of the slices that show something, of `Volume.thin`; slices of air alone are alike everywhere and have none."""
    shown = [plane for plane in thin if float(plane.std()) > FLAT_HU]
    return tuple(hashlib.blake2b(plane.tobytes(), digest_size=8).hexdigest() for plane in shown)


def shared(scans: Mapping[tuple[str, str], tuple[str, ...]]) -> list[tuple[tuple[str, str], tuple[str, str], int]]:
    """Pairs of scans, named by (patient's key, scan), that share at least three slices, with how many."""
    holders: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for name, prints in scans.items():
        for one in set(prints):
            holders[one].add(name)
    pairs: dict[tuple[tuple[str, str], tuple[str, str]], int] = defaultdict(int)
    for names in holders.values():
        for first, second in combinations(sorted(names), 2):
            pairs[first, second] += 1
    return [(first, second, count) for (first, second), count in sorted(pairs.items()) if count >= SHARED_SLICES]
