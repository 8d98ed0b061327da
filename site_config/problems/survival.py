"""Problems 8xx: estimation."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

NO_EVENTS = Kind(
    801,
    "no-events",
    "Nobody died in the patients given",
    why="A hazard ratio, a C-index and a median need deaths; without one the likelihood does not depend on the model.",
    fix="Check the event column and its coding; otherwise wait until deaths have been observed.",
    exit=Exit.CONTENT,
)
NO_PATIENTS = Kind(
    802,
    "no-patients",
    "No complete patient is left",
    why="Rows with a missing value in a column that is used are left out, and every row has one.",
    fix="Name fewer covariates, or complete the table.",
    exit=Exit.CONTENT,
)
FEW_EVENTS = Kind(
    804,
    "few-events-per-variable",
    "Fewer than ten events a variable",
    why="Coefficients of such a model are optimistic and their intervals too narrow (Peduzzi et al. 1995).",
    fix="Read the coefficients with caution, or use fewer variables.",
    exit=Exit.FINDINGS,
)
CONSTANT = Kind(
    805,
    "constant-covariate",
    "A covariate has one value only",
    why="A covariate that does not vary among patients who are compared has no hazard ratio.",
    fix="Leave the covariate out.",
    exit=Exit.FINDINGS,
)
COLLINEAR = Kind(
    806,
    "collinear-covariate",
    "A covariate is a combination of earlier ones",
    why="Its effect cannot be separated from theirs; as in R, the later one is dropped and has no coefficient.",
    fix="Leave one of them out.",
    exit=Exit.FINDINGS,
)
MONOTONE = Kind(
    807,
    "monotone-likelihood",
    "A coefficient runs to infinity",
    why="The likelihood keeps rising, slower and slower, along this covariate: one of its groups has no events, or it orders the deaths perfectly.",
    fix="Do not read the coefficient or its standard error; merge categories, or leave the covariate out.",
    exit=Exit.FINDINGS,
)
NOT_CONVERGED = Kind(
    808,
    "not-converged",
    "The iteration ended before it converged",
    why="Coefficients still changed at the last permitted iteration.",
    fix="Look for outliers or nearly collinear covariates, and do not use the estimates.",
    exit=Exit.FINDINGS,
)
BEYOND_FOLLOW_UP = Kind(
    809,
    "horizon-beyond-follow-up",
    "A horizon lies beyond the follow-up",
    why="Nobody was observed beyond it (or nobody died before it), so survival and AUC at that time would be an extrapolation.",
    fix="Choose an earlier horizon.",
    exit=Exit.FINDINGS,
)
NOT_ESTIMABLE = Kind(
    810,
    "not-estimable",
    "A quantity cannot be estimated from these patients",
    why="It needs comparable pairs, two groups, or a group that is large enough, and there are none.",
    fix="Pool more patients or sites.",
    exit=Exit.FINDINGS,
)
ROWS_DROPPED = Kind(
    811,
    "rows-dropped",
    "Rows with missing values were left out",
    why="Models are fitted to complete cases.",
    fix="Complete the table if the values exist.",
    exit=Exit.FINDINGS,
)
NO_CUTOFF = Kind(
    812,
    "no-cutoff",
    "No cut-off leaves enough patients on either side",
    why="A cut-off is opened only with at least ten patients above and below it; tied scores or few patients leave none.",
    fix="Use more training patients, or a score with more distinct values.",
    exit=Exit.REFUSED,
)
TEXT_COVARIATE = Kind(
    814,
    "text-covariate",
    "A covariate is text and was coded by its levels",
    why="A Cox model needs numbers: as R does with a factor, every level but the first got a column of zeros and ones.",
    fix="Code the column yourself if another level should be the reference.",
    exit=Exit.FINDINGS,
)
WORD_KEPT = Kind(
    815,
    "word-kept-as-label",
    "A word that often means a missing value was kept as a label",
    why="A stage, a group or a hospital may be called None or NA. In columns of labels, and of events where their values are declared, only blank cells are missing, unless a word is declared to mean it.",
    fix="Say `--missing None` (it may be repeated; in Python `missing=['None']`) where the word means that the value is not known.",
    exit=Exit.FINDINGS,
)
SMALL_GROUP = Kind(
    816,
    "small-group",
    "A level or group has one patient, or no event",
    why="One patient is not a group: its curve is that patient's life, and one day decides a hazard ratio against it. Without events a hazard ratio has no finite estimate.",
    fix="Merge it with another level, or leave it out.",
    exit=Exit.FINDINGS,
)
NO_INFORMATION = Kind(
    817,
    "no-information",
    "The patients compared do not differ in a covariate",
    why="A Cox model compares patients at risk at the same time in the same stratum. If all of them have the same value of a covariate, or only one patient is at risk, nothing is learned about that covariate.",
    fix="Use fewer or larger strata, or leave the covariate out.",
    exit=Exit.FINDINGS,
)
UNIT_OF_TIME = Kind(
    818,
    "unit-of-time",
    "Times may not be days",
    why="Times are read as days unless another unit is declared; a column of years or months looks the same, and so do dates that a spreadsheet wrote as numbers. Horizons and cut points are days.",
    fix="Declare the unit with `--time-unit years`, `months`, `weeks` or `days` (in Python `time_unit='years'`); write times from the start to the last contact.",
    exit=Exit.FINDINGS,
)
ONE_EVENT_CODE = Kind(
    819,
    "one-event-code",
    "The event column holds one code only",
    why="A column of ones means that everybody died if the coding is 0/1, and that nobody died if it is 1/2.",
    fix="Declare which value is an event with `--event-value` (in Python `event_values=`).",
    exit=Exit.FINDINGS,
)
TABLE_UNREADABLE = Kind(
    821,
    "table-unreadable",
    "The table cannot be opened",
    why="The file does not exist or may not be read.",
    fix="Check the path and the file's permissions.",
    exit=Exit.ACCESS,
)
TABLE_MALFORMED = Kind(
    822,
    "table-malformed",
    "The file is not a table with a header",
    why="A table has one header line and rows with as many fields, separated by comma, semicolon, tab, bar or blank.",
    fix="Save the sheet as CSV (UTF-8) and try again.",
    exit=Exit.CONTENT,
)
NO_COLUMN = Kind(
    823,
    "no-such-column",
    "A column is not in the table",
    why="The header does not hold the name, or holds it twice.",
    fix="Use a name of the header.",
    exit=Exit.USAGE,
)
EVENT_CODING = Kind(
    824,
    "event-coding",
    "The event column is not coded as 0/1, 1/2 or true/false",
    why="An event is 1 (0 censored), 2 (1 censored), true or yes; other codes are ambiguous.",
    fix="Name each value that is an event with `--event-value VALUE`, and words for not known with `--missing WORD` (in Python `event_values=[...]`, `missing=[...]`); or recode the column to "
    "0 = censored, 1 = event.",
    exit=Exit.CONTENT,
)
BAD_VALUE = Kind(
    825,
    "bad-value",
    "A value is not what its column needs",
    why="Times are numbers from 0, scores and covariates finite numbers (text covariates have at most 20 levels).",
    fix="Correct the value, or leave the field empty if it is unknown.",
    exit=Exit.CONTENT,
)
RANGE_TOO_WIDE = Kind(
    826,
    "range-too-wide",
    "A covariate's declared range is too wide for its effect",
    why="On shared rows the risks at the ends of the declared ranges may differ by at most a factor of 10^13; here they differ by more, which"
    " the patients themselves may be far from.",
    fix="Declare the range the patients really have (an age from 18 to 95, not from 0 to 200), or use the covariate's logarithm.",
    exit=Exit.FINDINGS,
)
AMBIGUOUS_NUMBER = Kind(
    828,
    "ambiguous-number",
    "A number can be read in two ways",
    why="1,230 is 1230 where the comma separates thousands and 1.23 where it separates decimals; nothing in the column tells which. A wrong guess can turn a coefficient's sign.",
    fix="Declare the mark of decimals with `--decimal point` or `--decimal comma` (in Python `decimal='point'`).",
    exit=Exit.CONTENT,
)
SPLIT_CODING = Kind(
    827,
    "split-coding",
    "The column of training and test rows is not coded in words",
    why="A row is training (train, training, development) or test (test, testing, evaluation, held-out, external), and both must be there. Numbers do not tell which is which, and a validation set is neither.",
    fix="Recode the column to `train` and `test`; leave the cell of a row that takes no part blank.",
    exit=Exit.CONTENT,
)

ON_SHARES = Kind(
    829,
    "computed-on-shares",
    "Computed on secret shares",
    why="Only declared results were opened, each on its grid; what a sum would have shown (likelihoods, covariances) does not exist.",
    fix="Nothing to do. `--resolution exact` (in Python `resolution='exact'`) gives the sums' own statistics where all sites may pool rows anyway.",
    exit=Exit.FINDINGS,
)

NOT_ON_SHARES = Kind(
    830,
    "not-on-shares",
    "This is not computed on secret shares",
    why="The analyses on shares are a closed list, each with its declared results; what was asked is not one of them.",
    fix="Leave the option out, or use `--resolution exact` (in Python `resolution='exact'`).",
    exit=Exit.USAGE,
)

BY_WEEKS = Kind(
    831,
    "cox-by-weeks",
    "Computed by weeks instead of days",
    why="Above a declared number of patients risk sets are formed by week: the cost of pairs grows with the square of the patients.",
    fix="Nothing to do. `--grid days` (in Python `grid='days'`) computes by days where the time does not matter.",
    exit=Exit.FINDINGS,
)

EXTREME_SCORES = Kind(
    832,
    "extreme-scores",
    "A few scores lie far from all others",
    why="The effect of a score is so large that risks over the whole range of scores differ by more than a fit on shares has room for (a factor"
    " of 10^13). The fit counts a score beyond some standard deviations from the median as one at that distance; everything else reads"
    " the scores as they are.",
    fix="Look at the images of the patients with extreme scores (`fedhcc-site predict` draws heat maps), and at whether training went on too long; the"
    " coefficient is right for the range that is named.",
    exit=Exit.FINDINGS,
)

CODE_FOR_MISSING = Kind(
    833,
    "code-for-missing",
    "A number may be a code for a missing value",
    why="Statistics programs and questionnaires write 9, 99 or -999 where a value is not known. One such number, taken for a value, can hide the effect of a whole column.",
    fix="Say `--missing 999` (it may be repeated; in Python `missing=[999]`) where the number means that the value is not known; nothing where it is a value.",
    exit=Exit.FINDINGS,
)

ALIKE_LABELS = Kind(
    834,
    "alike-labels",
    "Labels differ in capital letters or blanks only, or are one number",
    why="`Male` and `male`, or `Berlin` and `berlin`, are two levels, groups or hospitals, each with a part of the patients; `01` and `1` are one, with the patients of both.",
    fix="Write each label in one way, unless they are different.",
    exit=Exit.FINDINGS,
)

REPEATED_ROWS = Kind(
    835,
    "repeated-rows",
    "Rows stand in the table more than once",
    why="A patient entered twice counts twice and makes intervals too narrow. In a table with few columns, two patients may have equal values by chance.",
    fix="Delete the rows that are the same patient; give every patient a column of their own (`--key` of `from-table` refuses a key that stands twice).",
    exit=Exit.FINDINGS,
)

ONE_SITE = Kind(
    836,
    "one-site",
    "The table names one hospital",
    why="Nothing is federated where all rows belong to one hospital.",
    fix="Nothing to do if that is meant; otherwise name the column that tells the hospitals apart with `--site` (in Python `site=`).",
    exit=Exit.FINDINGS,
)

EVENT_VALUE_ABSENT = Kind(
    837,
    "event-value-absent",
    "A declared event value stands in no row",
    why="What is not declared an event counts as censored: if the table spells the value in another way, its deaths count as censored.",
    fix="Compare `--event-value` (in Python `event_values=`) with the line `Events read`; nothing to do where this table has no such event.",
    exit=Exit.FINDINGS,
)

LEVELS_OF_NUMBERS = Kind(
    838,
    "numbers-as-levels",
    "Numbers with a unit, or dates, were read as something else",
    why="`10%`, `5 mg` and `<0.5` are texts, and so are dates: few different ones become levels, each with a coefficient of its own, without an order. A spreadsheet's dates become plain numbers.",
    fix="Write numbers alone, with the unit in the column's name, and dates as days from one moment; nothing to do where levels are meant.",
    exit=Exit.FINDINGS,
)

LATE_ENTRY = Kind(
    839,
    "late-entry",
    "Entry times are not read",
    why="Right-censored survival is analysed here: every patient is followed from 0. Rows that begin later (left truncation, or several rows a patient with covariates that change) would need another analysis.",
    fix="Give one row a patient, with the time from the start to the last contact; nothing to do where the column means something else.",
    exit=Exit.FINDINGS,
)
