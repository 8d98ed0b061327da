"""The columns of cohort.csv and scans.csv: one list for the readers, the checks and the reference page."""

from __future__ import annotations

from dataclasses import dataclass, replace

from site_config.study.plan_and_lock import ClinicalVariable, Endpoint, Organ, Study, seven_variables
from site_config.study.prognostic_models import MODELS
from site_config.study.time_points import zero_column, zero_words

RESPONSES = ("CR", "PR", "SD", "PD", "NE")
VISITS = ("baseline", "followup")
REGIONS = ("abdomen", "chest", "whole")
PHASES = ("native", "arterial", "portal", "delayed", "other")
UNKNOWN = frozenset({"", "NA", "NaN"})
MASK = "mask_"


@dataclass(frozen=True)
class TableColumn:
    """One column: whether the header must have it, what a cell holds, and what a blank cell means."""

    name: str
    needed: bool
    holds: str
    blank: str


@dataclass(frozen=True)
class Moment:
    """A point in a patient's time, given as `NAME_date` (ISO) or `NAME_day` (whole days)."""

    name: str
    needed: bool
    holds: str
    blank: str


MOMENTS = (
    Moment("treatment", True, "first dose of immunotherapy", "refused when the study counts from treatment, else unknown"),
    Moment("baseline_ct", True, "the baseline CT", "no baseline CT: kept, counted as excluded from image models"),
    Moment("followup_ct", True, "the first follow-up CT", "no follow-up CT: kept, counted as excluded"),
    Moment("last_contact", True, "death if event is 1, else last day known alive (case report form)", "refused"),
    Moment("last_ct", False, "last CT of any kind; censoring is at the later of this and last_contact", "unknown"),
)


def study_moments(study: Study | None) -> tuple[Moment, ...]:
    """The moments a study reads of cohort.csv: where it counts from, the visits its models read, and the last contact.

    Without a study those of the study this follows.
    """
    if study is None:
        return MOMENTS
    zero = zero_column(study)
    known = {moment.name: moment for moment in MOMENTS}
    start = replace(known.get(zero) or Moment(zero, True, zero_words(study), "refused"), needed=True)
    last = replace(known["last_contact"], holds=f"{study.endpoint.event_label} if event is 1, else the last day known without it")
    if not study.reads_scans:
        return (start, last)
    if zero in known:
        return tuple(replace(moment, needed=True) if moment.name == zero else moment for moment in MOMENTS)
    return (start, *(moment for moment in MOMENTS if moment.name != "treatment"))


def variable_column(variable: ClinicalVariable) -> TableColumn:
    """The column of a clinical variable."""
    if variable.coded:
        holds = f"{variable.label}: " + ", ".join(f"{code} {label}" for code, label in sorted(variable.values.items()))
    else:
        low, high = variable.bounds or (0.0, 0.0)
        holds = f"{variable.label}{f' in {variable.unit}' if variable.unit else ''}, {low:g} to {high:g}"
    return TableColumn(variable.name, True, holds, "unknown")


def cohort_columns(clinical: tuple[ClinicalVariable, ...], *, scans: bool = True, event: str = "") -> tuple[TableColumn, ...]:
    """Columns of cohort.csv other than the moments, in the order of the template; `event` is the study's word for one."""
    declared = {variable.name for variable in clinical}
    happened = f"1 {event}, 0 none up to the last contact" if event else "1 died, 0 alive at last contact"
    age = TableColumn("age", False, "years at time zero, 0 to 120; decimals with point or comma", "unknown")
    sex = TableColumn("sex", False, "F or M", "unknown")
    response = TableColumn(
        "response", False, "RECIST at first follow-up: CR, PR, SD, PD, or NE (not evaluable)", "unknown (not the same as NE)"
    )
    return (
        TableColumn("patient", True, "your own key for the patient; it never leaves the hospital", "refused"),
        *(column for column in (age, sex) if column.name not in declared),
        TableColumn("event", True, happened, "refused"),
        *map(variable_column, clinical),
        *((response,) if scans else ()),
    )


def columns_of(study: Study | None) -> tuple[TableColumn, ...]:
    """The columns of cohort.csv that a study reads, other than its moments."""
    if study is None:
        return cohort_columns(seven_variables())
    clinical = study.clinical if MODELS.read_variables(study.models) else ()
    words = "" if study.endpoint.event_label == Endpoint().event_label else study.endpoint.event_label
    return cohort_columns(clinical, scans=study.reads_scans, event=words)


def unread_names() -> frozenset[str]:
    """Columns of cohort.csv that some studies read: where a study does not, they are passed over without a word."""
    moments = {f"{moment.name}_{form}" for moment in MOMENTS for form in ("date", "day")}
    return frozenset(moments | {column.name for column in cohort_columns(seven_variables())})


def scans_columns(organs: tuple[Organ, ...]) -> tuple[TableColumn, ...]:
    """Columns of scans.csv other than date or day, in the order of the template."""
    targets = tuple(target for organ in organs for target in organ.targets)
    masks = tuple(
        TableColumn(
            f"{MASK}{target}",
            False,
            f"the {target} mask below the images folder: NIfTI, RTSTRUCT, DICOM SEG, or a folder of TotalSegmentator",
            "no supplied mask",
        )
        for target in targets
    )
    return (
        TableColumn("patient", True, "the same key as in cohort.csv", "refused"),
        TableColumn("visit", True, "baseline or followup", "refused"),
        TableColumn("region", True, "abdomen, chest or whole", "refused"),
        TableColumn("phase", False, "contrast phase: native, arterial, portal, delayed or other", "unknown"),
        TableColumn("path", True, "a NIfTI file or a DICOM folder, relative to the images folder of site.yaml", "refused"),
        *masks,
        TableColumn("series_uid", False, "SeriesInstanceUID, where a folder holds several series", "the series is chosen by rule"),
        TableColumn(
            "acquisition",
            False,
            "number of the volume within its series, as `data review` lists it, where one series holds several",
            "chosen by rule",
        ),
        TableColumn(
            "same_person",
            False,
            "yes, where you have checked that images which name others are this patient's; no, where they are somebody else's:"
            " a fault of `check`, and the patient is left out until the row is removed",
            "not checked",
        ),
        TableColumn("manufacturer", False, "maker of the scanner; needed for NIfTI, which does not record it", "from DICOM, else unknown"),
    )
