"""The columns of cohort.csv and scans.csv: one list for the readers, the checks and the reference page."""

from __future__ import annotations

from dataclasses import dataclass

from site_config.study.model import ClinicalVariable, Organ

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


def cohort_columns(clinical: tuple[ClinicalVariable, ...]) -> tuple[TableColumn, ...]:
    """Columns of cohort.csv other than the moments, in the order of the template."""
    variables = tuple(
        TableColumn(
            variable.name,
            True,
            f"{variable.label}: " + ", ".join(f"{code} {label}" for code, label in sorted(variable.values.items())),
            "unknown",
        )
        for variable in clinical
    )
    return (
        TableColumn("patient", True, "your own key for the patient; it never leaves the hospital", "refused"),
        TableColumn("age", False, "years at time zero, 0 to 120; decimals with point or comma", "unknown"),
        TableColumn("sex", False, "F or M", "unknown"),
        TableColumn("event", True, "1 died, 0 alive at last contact", "refused"),
        *variables,
        TableColumn("response", False, "RECIST at first follow-up: CR, PR, SD, PD, or NE (not evaluable)", "unknown (not the same as NE)"),
    )


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
        TableColumn("same_person", False, "yes, where you have checked that images which name others are this patient's", "not checked"),
        TableColumn("manufacturer", False, "maker of the scanner; needed for NIfTI, which does not record it", "from DICOM, else unknown"),
    )
