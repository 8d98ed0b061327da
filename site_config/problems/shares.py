"""Problems 55x: numbers computed on secret shares: the holders, the relay between them, and what may be opened."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

RELAY_DIFFERS = Kind(
    551,
    "relay-differs",
    "What was delivered is not what the holders sent",
    why="The holders compare a random combination of everything they sent with the same combination of what they received, before anything "
    "is opened. Something between them changed, exchanged or left out a number.",
    fix="Nothing was opened. Tell the coordinator and the other holders' data-protection officers; start the phase again only when the cause "
    "is known: `fedhcc-coordinator resume`.",
    exit=Exit.REFUSED,
)
SHARE_MESSAGE_MALFORMED = Kind(
    552,
    "share-message-malformed",
    "A message of the computation on shares has not the form that is due",
    why="Kind, step and length of every message are known beforehand; this one is from another step or run, cut off, or damaged.",
    fix="Compare the software on both sides (`fedhcc-site --version`), then resume: `fedhcc-coordinator resume`.",
    exit=Exit.REFUSED,
)
SEALED_MESSAGE_FOREIGN = Kind(
    553,
    "sealed-message-foreign",
    "A sealed message does not open",
    why="What one holder (or a hospital) seals for another opens only with the right keys, in the same study, run and step. It was replayed, "
    "exchanged or damaged, or sealed for another key.",
    fix="Compare the holders' fingerprints by telephone (`fedhcc-site identity`), then resume: `fedhcc-coordinator resume`.",
    exit=Exit.REFUSED,
)
RESULT_REFUSED = Kind(
    554,
    "result-refused",
    "A result was asked for that is not declared",
    why="Only results named in the study's lock are opened, on their declared grid and once. Anything else is refused by every holder.",
    fix="Compare the code digest on both sides: `fedhcc-site studies` and `fedhcc-coordinator study show`.",
    exit=Exit.REFUSED,
)
RANGE_REFUSED = Kind(
    555,
    "range-refused",
    "A computation on shares could leave the room its numbers have",
    why="Every number has a range proved from declared bounds. Beyond it a result would be silently wrong and a mask too narrow, so the "
    "computation is refused beforehand.",
    fix="Declare narrower bounds for the clinical columns or fewer days in study.yaml, and lock again: `fedhcc-coordinator study lock`.",
    exit=Exit.CONTENT,
)
OPENED_OUT_OF_RANGE = Kind(
    556,
    "opened-out-of-range",
    "An opened number lies outside its declared range",
    why="Declared bounds rule this out, so a hospital's shares do not hold what it declared, or two holders run different software.",
    fix="Nothing further is opened. Compare `fedhcc-site --version` at the holders; then let every hospital upload its shares again.",
    exit=Exit.REFUSED,
)
SHARE_ATTEMPTS_SPENT = Kind(
    557,
    "share-attempts-spent",
    "This computation may not be started again",
    why="Each start uses random streams of its own, numbered before use; a number serves once, and after five restarts no more are given.",
    fix="Find out why the holders stopped (`fedhcc-site logs`); a new phase needs a new lock: `fedhcc-coordinator study lock`.",
    exit=Exit.REFUSED,
)
SHARED_ROWS_MALFORMED = Kind(
    558,
    "shared-rows-malformed",
    "Uploaded shares have not the declared form",
    why="A slot's shares are damaged, of another study or generation, or the holders were given slots in different orders.",
    fix="Let the hospital upload again; when it stays, compare `fedhcc-site --version` at hospital and holders.",
    exit=Exit.REFUSED,
)
ROW_OUT_OF_RANGE = Kind(
    559,
    "row-out-of-range",
    "A patient's value lies outside the declared bounds",
    why="Bounds are declared in the study, and every number computed on shares is proved to stay in range from them; a value beyond would "
    "make the whole study's results wrong, silently.",
    fix="Check the column in clinical.csv with `fedhcc-site check`; if the value is right, the study has to declare wider bounds.",
    exit=Exit.CONTENT,
)
RECORDS_DIFFER = Kind(
    560,
    "records-differ",
    "Two holders have different numbers on record for one result",
    why="A result is opened once and every holder keeps it. Two different numbers mean that a journal was exchanged or edited.",
    fix="Compare `fedhcc-site egress` at the holders; the study cannot go on until it is known which journal is right.",
    exit=Exit.REFUSED,
)
HOLDERS_DIFFER = Kind(
    561,
    "holders-differ",
    "Holders' keys or signatures are not those of the lock",
    why="Keys and opened results are believed only where the holders that the lock names signed them; here one is missing or another stands in.",
    fix="At the trial office: `fedhcc-coordinator status STUDY` names the holders; resume the study when all of them are connected.",
    exit=Exit.REFUSED,
)
FROZEN_MODELS = Kind(
    562,
    "frozen-models-differ",
    "The frozen models are not those of the study's lock",
    why="A validation study names its bundle by the SHA-256 of `bundle.json`, which every hospital approved; scores, cut-offs and baseline "
    "hazards are taken from that file and from nowhere else.",
    fix="At the trial office: compare the bundle's SHA-256 with `bundle_sha256` in study.yaml, then `fedhcc-coordinator resume`.",
    exit=Exit.REFUSED,
    leaves=True,
)
TOO_MANY_PATIENTS = Kind(
    563,
    "too-many-patients-for-shares",
    "The hospitals hold more patients than pairs of them can be computed on shares",
    why="Every patient is compared with every other one on shares: what a holder computes, keeps and sends grows with the square of their "
    "number. Nothing was uploaded or opened but the counts of patients and events.",
    fix="At the trial office: declare `resolution: exact` in study.yaml, whose sums a cohort of this size can open, and lock again: "
    "`fedhcc-coordinator study lock`.",
    exit=Exit.CONTENT,
)
