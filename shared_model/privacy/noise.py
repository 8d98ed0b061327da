"""Room for differential privacy: integer noise a site adds in the ring, after quantisation and before the masks.

Nothing adds noise yet. The door takes a `Noise` and hands it each encoded segment, so that a sum carries exactly the
accounted distribution; `describe` is what the journal shows.
"""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from shared_model.statistics.base import Segment


class Noise(Protocol):
    """A mechanism that adds one site's share of noise."""

    def add(self, segment: Segment, units: NDArray[Any], n_sites: int) -> None:
        """Add noise to the ring integers of one segment, in place."""

    def describe(self) -> str:
        """The mechanism and its size as a data-protection officer reads it."""
