"""Problems 2xx: cohort.csv and scans.csv."""

from __future__ import annotations

from site_config.problems import Exit, Kind
