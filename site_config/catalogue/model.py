"""Problems 6xx: networks, weights, training, bundles."""

from __future__ import annotations

from site_config.problems import Exit, Kind
