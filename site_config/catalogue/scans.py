"""Problems 3xx: scans, segmentation, slices and the prepared cohort."""

from __future__ import annotations

from site_config.problems import Exit, Kind
