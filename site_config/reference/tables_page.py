"""The prose of docs/reference/tables.md; the columns themselves come from `columns`."""

from __future__ import annotations

INTRODUCTION = """# The two tables of a hospital

`cohort.csv` has a row a patient, `scans.csv` a row a scan. Both stay in the hospital. Save them from a spreadsheet as "CSV UTF-8";
`fedhcc-site check` reads them and shows every fault at once with its row and column.

## How cells are written
- Separator `;`, `,` or tab; with or without byte-order mark; UTF-8 (UTF-16 with a byte-order mark is read too). The first row names the
  columns; order and case do not matter. Columns that are not listed here are refused: a table holds what the study needs and nothing else.
- Dates are `YYYY-MM-DD`. Anything else is refused with its row, also where only one reading is possible.
- Decimals have a point or a comma; days are whole numbers.
- A blank cell means what the column's last entry says; `NA` and `NaN` count as blank. Any other word for "unknown" is refused.
- Row numbers in messages are the spreadsheet's: the header is row 1. Messages name row and column and never repeat a cell.

## Dates or days
Every moment is given either as a date (`treatment_date`) or as whole days (`treatment_day`), the same way in the whole of both tables.
Days count from any one day of that patient, usually the first dose (day 0); earlier days are negative.
"""

EXAMPLES = {
    "order": """The order must be baseline CT and first dose < follow-up CT ≤ death. A death before the follow-up CT is refused:
a patient enters the study by reaching it. A patient without an event is followed to the latest of last contact, last CT and follow-up CT.
Survival of 0 days is taken as 1 and reported as a finding.""",
    "cohort": """```
patient,age,sex,treatment_day,baseline_ct_day,followup_ct_day,last_contact_day,last_ct_day,event,differentiation,nash,pvtt,surgery,ebrt,tace,rfa,response
P001,63,M,0,-9,55,412,388,1,2,0,1,0,0,1,0,PD
P002,71.5,F,0,-3,61,230,305,0,1,1,0,0,0,1,0,NE
```
The clinical variables are those of the study; the seven shown are the default. Cells hold the code or its label (`1` or `yes`).""",
    "scans": """```
patient,visit,day,region,phase,path,mask_liver,mask_liver_tumour,mask_lung,mask_lung_tumour,series_uid,manufacturer
P001,baseline,-9,abdomen,portal,P001/base_abdomen.nii.gz,P001/base_liver.nii.gz,P001/base_liver_tumour.nii.gz,,,,Siemens
P001,baseline,-9,chest,,P001/base_chest.nii.gz,,,P001/base_lung.nii.gz,P001/base_lung_tumour.nii.gz,,Siemens
```
Several scans of one visit and region may be listed; the program chooses by rule and says which. Paths use `/` (a backslash is read as
`/`), stay below the images folder (links that lead out of it are refused), and are never absolute: a path of the host means nothing
inside a container. A further organ of the study adds its own columns `mask_TARGET`.""",
}
