"""Problems 4xx: keys, kits, rosters, locks."""

from __future__ import annotations

from site_config.problems import Exit, Kind
