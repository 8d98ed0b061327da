"""Problems 1xx: study.yaml, site.yaml and other documents."""

from __future__ import annotations

from site_config.problems import Exit, Kind
