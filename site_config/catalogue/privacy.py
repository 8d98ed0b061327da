"""Problems 5xx: the door: policy, secure sums, the journal."""

from __future__ import annotations

from site_config.problems import Exit, Kind
