"""Words for the names that travel."""

from __future__ import annotations

LABELS = {
    "age": "Age, years",
    "sex": "Sex",
    "manufacturer": "Scanner manufacturer",
    "response": "RECIST response",
    "flags": "Handling of scans",
    "interval_days": "Days between baseline and follow-up scan",
}
SUBGROUP_LABELS = {"response": "RECIST", "manufacturer": "Scanner", "risk": "risk group"}
VALUE_LABELS = {
    "siemens": "Siemens",
    "ge": "GE",
    "philips": "Philips",
    "canon": "Canon (Toshiba)",
    "fujifilm": "Fujifilm",
    "neusoft": "Neusoft",
    "united imaging": "United Imaging",
    "UNKNOWN": "unknown",
    "NE": "not evaluable",
    "carried_forward": "follow-up chest carried forward",
    "slices_repeated": "slices repeated",
    "partial": "organ partly outside the scan",
}
