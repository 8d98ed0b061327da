"""The table of contents: every part of the report, in the order of reading.

To add a part, write one file with one `ReportPart` (see `server.report.parts.part`) and add its value here, or from anywhere else
with `CONTENTS.append(…)`. Sections follow from the parts' headings.
"""

from __future__ import annotations

from typing import Any, Final

from server.report.parts.at_a_glance import GLANCE
from server.report.parts.conduct.deviations import PAPER
from server.report.parts.conduct.egress import EGRESS
from server.report.parts.conduct.grad_cam import GRAD_CAM
from server.report.parts.conduct.limitations import LIMITATIONS
from server.report.parts.conduct.participation import PARTICIPATION
from server.report.parts.conduct.privacy_settings import PROTECTION
from server.report.parts.conduct.reproduce import REPRODUCE
from server.report.parts.conduct.simulation import SIMULATION
from server.report.parts.conduct.training import TRAINING
from server.report.parts.discrimination.auc_and_roc import AREAS
from server.report.parts.discrimination.comparisons import COMPARISONS
from server.report.parts.discrimination.concordance import CONCORDANCE
from server.report.parts.discrimination.models_without_scores import FITTED
from server.report.parts.models.calibration import CALIBRATION
from server.report.parts.models.clinical import CLINICAL
from server.report.parts.models.importance import IMPORTANCE
from server.report.parts.models.nomogram import NOMOGRAM
from server.report.parts.part import ReportPart
from server.report.parts.patients.characteristics import CHARACTERISTICS
from server.report.parts.patients.flow import FLOW
from server.report.parts.patients.set_survival import SET_SURVIVAL
from server.report.parts.patients.sizes import SIZES
from server.report.parts.risk.distribution import DISTRIBUTION
from server.report.parts.risk.response import RESPONSE
from server.report.parts.risk.risk_groups import RISK_GROUPS
from server.report.parts.risk.subgroups import SUBGROUPS

CONTENTS: Final[list[ReportPart[Any]]] = [
    GLANCE,
    SIMULATION,
    SIZES,
    FLOW,
    CHARACTERISTICS,
    SET_SURVIVAL,
    CLINICAL,
    FITTED,
    CONCORDANCE,
    AREAS,
    COMPARISONS,
    DISTRIBUTION,
    RISK_GROUPS,
    NOMOGRAM,
    IMPORTANCE,
    CALIBRATION,
    RESPONSE,
    SUBGROUPS,
    GRAD_CAM,
    TRAINING,
    PARTICIPATION,
    EGRESS,
    PROTECTION,
    LIMITATIONS,
    REPRODUCE,
    PAPER,
]
