"""The table of contents: every part of the report, in the order of reading.

To add a part, write one file with one `ReportPart` (see `server.report.parts.part`) and add its value here, or from anywhere else
with `CONTENTS.append(…)`. Sections follow from the parts' headings.
"""

from __future__ import annotations

from typing import Any, Final

from server.report.parts.at_a_glance import GLANCE
from server.report.parts.conduct.deviations_section import PAPER
from server.report.parts.conduct.heat_map_figure import GRAD_CAM
from server.report.parts.conduct.limitations import LIMITATIONS
from server.report.parts.conduct.loss_by_round import TRAINING
from server.report.parts.conduct.participation_table import PARTICIPATION
from server.report.parts.conduct.privacy_settings import PROTECTION
from server.report.parts.conduct.reproduce import REPRODUCE
from server.report.parts.conduct.simulation_truth import SIMULATION
from server.report.parts.conduct.what_left_hospitals import EGRESS
from server.report.parts.discrimination.auc_and_roc import AREAS
from server.report.parts.discrimination.cindex_table import CONCORDANCE
from server.report.parts.discrimination.model_comparisons import COMPARISONS
from server.report.parts.discrimination.models_without_scores import FITTED
from server.report.parts.models.calibration_figure import CALIBRATION
from server.report.parts.models.clinical_cox_model import CLINICAL
from server.report.parts.models.nomogram_figure import NOMOGRAM
from server.report.parts.models.variable_importance import IMPORTANCE
from server.report.parts.part import ReportPart
from server.report.parts.patients.patient_flow import FLOW
from server.report.parts.patients.set_sizes import SIZES
from server.report.parts.patients.set_survival import SET_SURVIVAL
from server.report.parts.patients.table1_characteristics import CHARACTERISTICS
from server.report.parts.risk.recist_response import RESPONSE
from server.report.parts.risk.risk_groups import RISK_GROUPS
from server.report.parts.risk.score_distribution import DISTRIBUTION
from server.report.parts.risk.subgroup_table import SUBGROUPS

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
