"""Problems 2xx: cohort.csv and scans.csv."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

NOT_A_TABLE = Kind(
    201,
    "not-a-table",
    "The file is no table with a header",
    why="The first row must name the columns, separated by `;`, `,` or tabs. None of the names is known, or no row follows.",
    fix="Export the table again as CSV with its header row; docs/reference/tables.md lists the columns.",
    exit=Exit.CONTENT,
)

RAGGED_ROW = Kind(
    202,
    "ragged-row",
    "A row has more cells than the header",
    why="Most often decimal commas (63,5) in a table separated by commas, or a text with the separator in it that is not in quotes. Which cell belongs to which column cannot be known.",
    fix="Export the table again with `;` as separator, or with quotes around such cells.",
    exit=Exit.CONTENT,
)

DUPLICATE_PATIENT = Kind(
    203,
    "duplicate-patient",
    "A patient stands twice",
    why="A patient counts once. Two rows with one key (upper and lower case are the same) are two versions of one patient, or one key given to two.",
    fix="Keep the right row, or give each patient a key of their own.",
    exit=Exit.CONTENT,
)

UNKNOWN_COLUMN = Kind(
    204,
    "unknown-column",
    "A column is not known",
    why="A misspelt column would be read as missing; a column beyond those listed holds data the study does not need. Neither is passed over silently.",
    fix="Correct the column's name, or remove the column from the export.",
    exit=Exit.CONTENT,
)

MISSING_COLUMN = Kind(
    205,
    "missing-column",
    "A needed column is missing",
    why="The header lacks a column the study cannot do without. Single cells of most columns may be blank; the column itself must be there.",
    fix="Add the column to the table; docs/reference/tables.md says what it holds.",
    exit=Exit.CONTENT,
)

DUPLICATE_COLUMN = Kind(
    206,
    "duplicate-column",
    "A column stands twice",
    why="Which of the two was meant cannot be known.",
    fix="Remove one of the two columns.",
    exit=Exit.CONTENT,
)

BLANK = Kind(
    207,
    "blank-cell",
    "A needed cell is blank",
    why="This column may not be blank: without it the row cannot be used.",
    fix="Fill in the cell.",
    exit=Exit.CONTENT,
)

NOT_A_NUMBER = Kind(
    208,
    "not-a-number",
    "A cell is not the number expected",
    why="The cell holds a text, a fraction where a whole number belongs, or a number out of range.",
    fix="Correct the cell; numbers are written with digits, decimals with a point or comma, without thousands separators or units.",
    exit=Exit.CONTENT,
)

NOT_A_DATE = Kind(
    209,
    "not-a-date",
    "A date is not written as YYYY-MM-DD",
    why="Only ISO dates are read, because every other form is read differently somewhere.",
    fix="Format the column as YYYY-MM-DD in the spreadsheet (custom format yyyy-mm-dd) and export again.",
    exit=Exit.CONTENT,
)

AMBIGUOUS_DATE = Kind(
    210,
    "ambiguous-date",
    "A date can be read in two ways",
    why="A date like 03/04/2021 is 3 April in one country and 4 March in another. A wrong guess moves a patient's survival by months.",
    fix="Format the column as YYYY-MM-DD in the spreadsheet (custom format yyyy-mm-dd) and export again; do not correct it by hand.",
    exit=Exit.CONTENT,
)

MIXED_MOMENTS = Kind(
    211,
    "dates-and-days",
    "Dates and days are mixed",
    why="Every moment of a table is a date, or every moment is a count of days. With both, one patient's time would have two zeros.",
    fix="Use only `_date` columns or only `_day` columns.",
    exit=Exit.CONTENT,
)

IMPLAUSIBLE_DATE = Kind(
    212,
    "implausible-date",
    "A date lies in the future or before 1990",
    why="Typing errors and spreadsheets' own defaults (1900-01-01) look like this.",
    fix="Correct the date in the source and export again.",
    exit=Exit.CONTENT,
)

WRONG_CODE = Kind(
    213,
    "wrong-code",
    "A cell is not one of the codes of its column",
    why="Each column has its own list of codes. A code that is not in it is never guessed, and never read as unknown.",
    fix="Use one of the codes given, or leave the cell blank if the value is unknown.",
    exit=Exit.CONTENT,
)

TIME_ORDER = Kind(
    214,
    "time-order",
    "Two moments of a patient are in the wrong order",
    why="A follow-up CT comes after the baseline CT, and the last contact after the moment survival is counted from.",
    fix="Correct the two dates or days of this row; often two columns were swapped.",
    exit=Exit.CONTENT,
)

DEATH_BEFORE_FOLLOWUP = Kind(
    215,
    "death-before-followup",
    "A death lies before the follow-up CT",
    why="Patients enter the study by reaching their follow-up CT, so a death before it is a typing error or a patient outside the study's definition.",
    fix="Correct the date of death or of the follow-up CT; a patient who had no follow-up CT gets a blank cell there.",
    exit=Exit.CONTENT,
)

EVENT_WITHOUT_TIME = Kind(
    216,
    "event-without-time",
    "A patient has an event but no time",
    why="Without the day of death (or of last contact) the patient has no survival time.",
    fix="Fill in last_contact: the day of death if event is 1, else the last day known alive.",
    exit=Exit.CONTENT,
)

CT_AFTER_DEATH = Kind(
    217,
    "ct-after-death",
    "A CT lies after the death",
    why="Either the date of death, the event or the date of the CT is wrong.",
    fix="Correct the row: event is 0 if the patient was alive at last contact.",
    exit=Exit.CONTENT,
)

UNKNOWN_PATIENT = Kind(
    218,
    "unknown-patient",
    "A scan belongs to no patient of cohort.csv",
    why="The key in scans.csv is not in cohort.csv: misspelt, changed by the spreadsheet (leading zeros), or the patient's row is missing.",
    fix="Correct the key in scans.csv, or add the patient to cohort.csv.",
    exit=Exit.CONTENT,
)

PATH_OUTSIDE = Kind(
    219,
    "path-outside",
    "A path leads out of the images folder",
    why="Only files below the images folder of site.yaml are opened; `..`, absolute paths and links that lead out of it are refused. An absolute path of the host means nothing inside a container.",
    fix="Write the path relative to the images folder, or set `paths.images` in site.yaml to a folder that holds all scans.",
    exit=Exit.CONTENT,
)

SCAN_MISSING = Kind(
    220,
    "scan-missing",
    "A scan or mask is not there",
    why="The path in scans.csv leads to nothing this program can see. That is a matter of access: the folder is not mounted, was moved, or the name differs in upper and lower case. The patient's data are not in question; keep the row.",
    fix="Check that the images folder is mounted and that the name is written exactly as on disk.",
    exit=Exit.ACCESS,
)

SCAN_UNREADABLE = Kind(
    221,
    "scan-unreadable",
    "A scan or mask may not be read",
    why="The operating system refuses this user. That is a matter of permissions, not of the data; keep the row and the file.",
    fix="Give the user that runs this program permission to read the images folder.",
    exit=Exit.ACCESS,
)

DUPLICATE_SCAN = Kind(
    222,
    "duplicate-scan",
    "A scan stands twice",
    why="One file (or one series of a folder) is listed for two visits, two patients or twice.",
    fix="Remove the row that is wrong; a scan that shows abdomen and chest is one row with region `whole`.",
    exit=Exit.CONTENT,
)

SPREADSHEET_DAMAGE = Kind(
    223,
    "spreadsheet-damage",
    "The spreadsheet has changed a cell",
    why="The cell holds a spreadsheet's error (#REF!, #VALUE!), its internal day number in place of a date, or a key turned into 1.2E+11.",
    fix="Correct the cell in the spreadsheet (format keys as text, dates as yyyy-mm-dd) and export again.",
    exit=Exit.CONTENT,
)

NO_FOLLOWUP = Kind(
    224,
    "no-ct-visit",
    "A patient has no baseline or no follow-up CT",
    why="Blank here means that there was no such scan. The patient stays in the table and is counted as excluded from the models that need it.",
    fix="If there was a scan, fill in the cell; else nothing needs to be done.",
    exit=Exit.FINDINGS,
)

SAME_DAY = Kind(
    225,
    "no-time-at-risk",
    "A patient's survival time is 0 days",
    why="Death or last contact is on the same day from which survival is counted. The patient is taken as followed for one day.",
    fix="Check the row; if the days are right, nothing needs to be done.",
    exit=Exit.FINDINGS,
)

INTERVAL = Kind(
    226,
    "interval",
    "The two CTs lie outside the study's interval",
    why="The study declares how many days may lie between baseline and follow-up CT. The patient is counted as excluded from the models that need both.",
    fix="Check the two moments of the row; if they are right, nothing needs to be done.",
    exit=Exit.FINDINGS,
)

BEYOND_GRID = Kind(
    237,
    "beyond-the-grid",
    "A follow-up is longer than the study's grid of days",
    why="The study declares the longest follow-up in days (`shares.longest_days`) and computes on single days up to it. A longer one is refused rather than cut short.",
    fix="Check the row; if its days are right, ask the coordinator for a study with a larger `shares: {longest_days: …}`.",
    exit=Exit.CONTENT,
)

BLANKS = Kind(
    227,
    "blanks",
    "Cells of a column are blank",
    why="A blank cell means unknown. It is not read as 0 or as no.",
    fix="Fill in what is known; blanks that stay are handled as missing values.",
    exit=Exit.FINDINGS,
)

VISIT_MOMENT = Kind(
    228,
    "visit-moment",
    "A scan's day does not fit its visit",
    why="A follow-up scan lies on or before a baseline scan of the same patient, or far from the visit's moment in cohort.csv.",
    fix="Correct the visit or the day of the row in scans.csv, or the moment in cohort.csv.",
    exit=Exit.CONTENT,
)

TOO_LARGE = Kind(
    229,
    "table-too-large",
    "The table is larger than a hospital's can be",
    why="There are more rows or longer cells than any hospital's table has; it is probably another file.",
    fix="Check that the path names the right table.",
    exit=Exit.CONTENT,
)

NO_SCANS = Kind(
    230,
    "patient-without-scans",
    "A patient has no scan in scans.csv",
    why="cohort.csv says the visit took place, but no row of scans.csv belongs to it. The patient is counted as excluded from the image models.",
    fix="Add the scan's row to scans.csv.",
    exit=Exit.FINDINGS,
)

QUOTES = Kind(
    232,
    "quotes",
    "The quotes of a table are broken",
    why="A cell begins with a quote that is never closed, so the rest of the table would become one cell.",
    fix="Close the quote in the row given, or export the table again.",
    exit=Exit.CONTENT,
)

BAD_KEY = Kind(
    234,
    "bad-key",
    "A patient's key cannot be used",
    why="A key is 1 to 64 printable characters without spaces at its ends. A formula (=…) is not a key.",
    fix="Give the patient a plain key, for example a study number; it never leaves the hospital.",
    exit=Exit.CONTENT,
)
BASELINE_AFTER_DOSE = Kind(
    235,
    "baseline-after-dose",
    "The baseline CT of cohort.csv lies after the first dose",
    why="A scan after the first dose already shows the treatment, so it is never a baseline: none of this patient's scans will be taken for one.",
    fix="Correct `baseline_ct` or `treatment` in cohort.csv; if there is no CT before the first dose, leave `baseline_ct` blank.",
    exit=Exit.FINDINGS,
)
MOMENT_DIFFERS = Kind(
    236,
    "moment-differs",
    "A scan was taken on another day than cohort.csv states",
    why="cohort.csv states the day of the visit's CT, and this scan is of a neighbouring day: the table may hold the day of the visit, or this is another examination.",
    fix="Compare the scan with the report; correct the day in cohort.csv or name the right scan in scans.csv. If both are right, leave them: the remark stays.",
    exit=Exit.FINDINGS,
)
SCANS_THERE = Kind(
    238,
    "scans-there",
    "scans.csv exists already",
    why="Somebody may have corrected it by hand, so an accepted review does not overwrite it without `--replace`.",
    fix="`fedhcc-site data review --accept --replace` takes the review's table and keeps the old one as scans.csv.1; look at its corrections.",
    exit=Exit.CONTENT,
)
