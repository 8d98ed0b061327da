"""Problems 9xx: the machine, simulations, internal faults."""

from __future__ import annotations

from site_config.problems import Exit, Kind
