"""Problems 8xx: estimation."""

from __future__ import annotations

from site_config.problems import Exit, Kind
