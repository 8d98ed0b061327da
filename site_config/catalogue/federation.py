"""Problems 7xx: Flower, the coordinator, phases, resume."""

from __future__ import annotations

from site_config.problems import Exit, Kind

STUDY_STALLED = Kind(
    750,
    "study-stalled",
    "The study waits for hospitals that did not answer in time",
    why="A block of hospitals was not complete before the phase's deadline. Rosters never shrink, so nothing was opened without the missing "
    "hospital; everything opened before is kept.",
    fix="Bring the named hospitals back (fedhcc-coordinator sites shows them), then run: fedhcc-coordinator resume",
    exit=Exit.STALLED,
)
EMPTY_AGGREGATE = Kind(
    751,
    "empty-aggregate",
    "A sum over hospitals holds no patient",
    why="Every hospital of the roster answered, and together they contributed nothing. A study must not go on as if that were a result.",
    fix="Look at each hospital's findings with: fedhcc-site data review",
    exit=Exit.CONTENT,
)
STATE_UNREADABLE = Kind(
    752,
    "state-unreadable",
    "The coordinator's stored state cannot be read",
    why="A file of the study's folder is damaged or may not be opened. It was written whole, so it was changed or its disk failed.",
    fix="Restore the study's folder from its backup, then run: fedhcc-coordinator resume",
    exit=Exit.ACCESS,
)
ADMISSION_REFUSED = Kind(
    753,
    "admission-refused",
    "A hospital refuses the study",
    why="Its policy, its lock or its software does not agree with the study. The hospital's own screen says which rule.",
    fix="Ask the hospital to run: fedhcc-site studies",
    exit=Exit.REFUSED,
)
REPLY_INVALID = Kind(
    754,
    "reply-invalid",
    "A hospital's reply does not fit what was asked",
    why="A signature, a hash, a length or a field is wrong: the reply was changed on the way, or the software differs.",
    fix="Compare the software versions with: fedhcc-coordinator list",
    exit=Exit.IDENTITY,
)
STATE_MISSING = Kind(
    755,
    "broadcast-missing",
    "The hospital does not hold the broadcast the request refers to",
    why="The program at the hospital was restarted since the weights were sent. The coordinator sends them again by itself.",
    fix="Nothing is to be done; the study goes on.",
    exit=Exit.STALLED,
)
STUDY_STOPPED = Kind(
    756,
    "study-stopped",
    "The study was stopped",
    why="Somebody asked for it, with the stop command or Ctrl-C. Everything up to the last finished step is kept.",
    fix="Go on where it stopped with the same command, or: fedhcc-coordinator resume",
    exit=Exit.INTERRUPTED,
)
AWAITING_APPROVAL = Kind(
    757,
    "awaiting-approval",
    "The hospital has not approved this study",
    why="A study runs at a hospital only after somebody there has looked at its roster and approved it.",
    fix="At the hospital: fedhcc-site studies, then fedhcc-site approve STUDY",
    exit=Exit.REFUSED,
)
UNKNOWN_STUDY = Kind(
    758,
    "unknown-study",
    "A request names a study this hospital was not admitted to",
    why="Admission comes first; it was not done, or for another study.",
    fix="Run the study from its admission: fedhcc-coordinator resume",
    exit=Exit.REFUSED,
)
SITE_FAILED = Kind(
    759,
    "site-failed",
    "The hospital's program met a fault it does not tell outside",
    why="What happened stays in the hospital's own log, since its words could tell something of a patient.",
    fix="At the hospital: fedhcc-site logs",
    exit=Exit.INTERNAL,
)
NOT_ESTIMABLE = Kind(
    760,
    "not-estimable",
    "A part of the study cannot be estimated from these patients",
    why="There are too few patients or events, or the sum that would tell is smaller than what may be opened.",
    fix="Nothing is to be repaired; the report names the part and shows the others.",
    exit=Exit.FINDINGS,
)
