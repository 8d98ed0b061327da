"""Words for the names that travel."""

from __future__ import annotations

LABELS = {
    "age": "Age, years",
    "sex": "Sex",
    "manufacturer": "Scanner manufacturer",
    "response": "RECIST response",
    "flags": "Handling of scans",
}
VALUE_LABELS = {
    "SIEMENS": "Siemens",
    "PHILIPS": "Philips",
    "TOSHIBA": "Toshiba",
    "OTHER": "other",
    "UNKNOWN": "unknown",
    "NE": "not evaluable",
    "followup_chest_carried_forward": "follow-up chest carried forward",
    "slices_repeated": "slices repeated",
    "partial_organ": "organ partly outside the scan",
}
