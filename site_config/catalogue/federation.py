"""Problems 7xx: Flower, the coordinator, phases, resume."""

from __future__ import annotations

from site_config.problems import Exit, Kind
