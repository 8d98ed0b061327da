"""Problems 5xx: the door: policy, secure sums, the journal."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

SITE_CANNOT_RELEASE = Kind(
    501,
    "site-cannot-release",
    "A site cannot release the value it was asked for",
    why="Something that depends on the hospital's patients stands against it; what it is stays in the hospital's own journal.",
    fix="At the hospital: `fedhcc-site egress --refusals` shows the reason; the coordinator waits for that site.",
    exit=Exit.REFUSED,
)
STATISTIC_UNKNOWN = Kind(
    502,
    "statistic-unknown",
    "The coordinator asks for a statistic this software does not know",
    why="Only named statistics leave a hospital. The coordinator runs other software than this site, or the request was forged.",
    fix="Compare the code digest on both sides: `fedhcc-site studies` and `fedhcc-coordinator study show`.",
    exit=Exit.REFUSED,
    leaves=True,
)
STATISTIC_REFUSED = Kind(
    503,
    "statistic-refused",
    "The site's policy does not permit this statistic",
    why="`policy.statistics` in site.yaml lists what may be asked, and this name is not in it.",
    fix="If the hospital agrees, add the name to `policy.statistics` in site.yaml and start the client again.",
    exit=Exit.REFUSED,
    leaves=True,
)
RESOLUTION_REFUSED = Kind(
    504,
    "resolution-refused",
    "The site's policy does not permit this resolution",
    why="The difference of exact cells can reveal single patients, so every hospital itself has to permit `exact`.",
    fix="Ask the coordinator for a study at the default resolution, or add it to `policy.resolutions` in site.yaml.",
    exit=Exit.REFUSED,
    leaves=True,
)
PARAMETERS_REFUSED = Kind(
    505,
    "parameters-refused",
    "The parameters of a statistic are not permitted",
    why="They are out of the declared range, unknown, or not in canonical form.",
    fix="Compare the software versions of coordinator and site: `fedhcc-site --version`.",
    exit=Exit.REFUSED,
    leaves=True,
)
ROSTER_TOO_SMALL = Kind(
    506,
    "roster-too-small",
    "Too few hospitals would stand behind the sum",
    why="A sum over few hospitals tells about each of them; the site's policy and the study set minima.",
    fix="The coordinator enrols more hospitals (`fedhcc-coordinator enrol NAME.request.json`), names them in study.yaml and locks again; "
    "where enough are enrolled, it raises `blocks.minimum_sites`.",
    exit=Exit.REFUSED,
    leaves=True,
)
PEERS_UNKNOWN = Kind(
    507,
    "peers-unknown",
    "Too few hospitals in the roster are known to this one",
    why="`policy.known_peers` asks for fingerprints the hospitals exchanged themselves, because the coordinator signs the roster.",
    fix="Ask the other hospitals for the fingerprint shown by `fedhcc-site identity` and add it to `policy.known_peers` in site.yaml.",
    exit=Exit.REFUSED,
    leaves=True,
)
ROSTER_NOT_WHOLE = Kind(
    508,
    "roster-not-whole-blocks",
    "The roster is not made of whole blocks of the study",
    why="Rosters never shrink or grow by single hospitals: two sums that differ by one hospital are that hospital's value.",
    fix="The coordinator asks whole blocks only; a hospital that cannot take part needs a new lock without it.",
    exit=Exit.REFUSED,
    leaves=True,
)
ROLE_REFUSED = Kind(
    509,
    "role-refused",
    "This statistic is not for a hospital of this role",
    why="A held-out evaluation centre never takes part in training, and a statistic is declared for certain roles and phases.",
    fix="Check the roles in study.yaml and `policy.role` in site.yaml: `fedhcc-site studies` shows both.",
    exit=Exit.REFUSED,
    leaves=True,
)
OUTSIDE_SCHEDULE = Kind(
    510,
    "outside-schedule",
    "The site does not compute at this hour",
    why="`policy.schedule` in site.yaml names the hours in which this hospital computes.",
    fix="Nothing is wrong: the coordinator asks again within the hours, or change `policy.schedule` in site.yaml.",
    exit=Exit.REFUSED,
    leaves=True,
)
TOO_FEW_PATIENTS = Kind(
    511,
    "too-few-patients",
    "Too few patients would stand behind the sum",
    why="The opened counts of this roster lie below the minimum of the study or of the site's policy, or were not opened yet.",
    fix="The coordinator widens the roster, drops the column, or leaves the statistic out; the report then says so.",
    exit=Exit.REFUSED,
    leaves=True,
)
QUERY_BUDGET_SPENT = Kind(
    512,
    "query-budget-spent",
    "The hospital's budget for this statistic is spent",
    why="`policy.query_budget` limits how often a statistic of the same patients may be opened, over all studies.",
    fix="`fedhcc-site egress --statistic NAME` shows what was opened; raise `policy.query_budget` in site.yaml if the hospital agrees.",
    exit=Exit.REFUSED,
)
VALUE_DIFFERS_BY_FEW = Kind(
    513,
    "value-differs-by-few",
    "The same value was opened before over nearly the same hospitals or patients",
    why="The difference of two such sums is the value of the few hospitals or patients that make the difference.",
    fix="If the hospital agrees to that difference being seen: `fedhcc-site egress allow STUDY`.",
    exit=Exit.REFUSED,
)
VALUE_BURNED = Kind(
    514,
    "value-burned",
    "This value was opened already, under another roster or state",
    why="Once a site has opened its mask, the value may be asked again by the same roster with the same state only.",
    fix="The coordinator goes on with the next round: `fedhcc-coordinator resume`.",
    exit=Exit.REFUSED,
)
MASKS_REQUIRED = Kind(
    515,
    "masks-required",
    "The study asks for values in the clear",
    why="Clear sums exist for simulated patients on one machine only; this site's policy requires masks or its patients are real.",
    fix="Set `privacy.masks: true` in study.yaml and lock the study again.",
    exit=Exit.REFUSED,
    leaves=True,
)
CONTEXT_MISMATCH = Kind(
    516,
    "context-mismatch",
    "A request does not belong to what was agreed",
    why="Study, roster, parameters, broadcast state or keys differ from the context that masks and signatures are bound to.",
    fix="If it stays after a resume, compare the lock on both sides: `fedhcc-site studies` and `fedhcc-coordinator study show`.",
    exit=Exit.REFUSED,
    leaves=True,
)
SIGNATURE_INVALID = Kind(
    517,
    "signature-invalid",
    "A signature does not fit its message",
    why="A key, a vector or a list of hashes was changed on the way, belongs to another context, or was signed by another key.",
    fix="Compare the fingerprints of the lock with the hospital's by telephone: `fedhcc-site identity`.",
    exit=Exit.IDENTITY,
    leaves=True,
)
ATTEMPT_SPENT = Kind(
    518,
    "attempt-spent",
    "A message of an attempt that is over",
    why="Masks are used once: after a release, a newer attempt or a restart the keys of the earlier attempt are gone.",
    fix="The coordinator begins a new attempt by itself; nothing to do.",
    exit=Exit.REFUSED,
    leaves=True,
)
LIST_INCOMPLETE = Kind(
    519,
    "list-incomplete",
    "The list of received vectors does not hold the whole roster",
    why="A site opens its mask only when every site of the roster has released, and its own vector arrived unchanged.",
    fix="The coordinator begins a new attempt by itself; nothing to do.",
    exit=Exit.REFUSED,
    leaves=True,
)
VALUE_OUT_OF_BOUNDS = Kind(
    520,
    "value-out-of-bounds",
    "A computed value does not fit its declaration",
    why="A statistic declares bounds so that sums cannot overflow; what does not fit is clipped only where that is declared.",
    fix="`fedhcc-site check` finds impossible values in the cohort; otherwise report it with the statistic's name.",
    exit=Exit.REFUSED,
)
VECTOR_MALFORMED = Kind(
    521,
    "vector-malformed",
    "A released vector has not the declared form",
    why="A segment is missing, has another length or number type, or its hash is not the one that was signed.",
    fix="The coordinator begins a new attempt by itself; if it stays, compare the site's software version.",
    exit=Exit.CONTENT,
)
SUM_DOES_NOT_OPEN = Kind(
    522,
    "sum-does-not-open",
    "The masks do not cancel",
    why="The sum lies outside what its sites can reach: they were shown different models or a vector was exchanged.",
    fix="Begin a new attempt with `fedhcc-coordinator resume`; if it stays, compare the lock at the sites.",
    exit=Exit.CONTENT,
)
JOURNAL_TAMPERED = Kind(
    523,
    "journal-tampered",
    "The journal was changed",
    why="Every entry holds the hash of the one before; one of them does not fit. Nothing is released without an intact journal.",
    fix="Restore the state folder from a backup and tell the data-protection officer: `fedhcc-site egress verify` names the entry.",
    exit=Exit.CONTENT,
)
JOURNAL_TRUNCATED = Kind(
    524,
    "journal-truncated",
    "The journal lacks entries at its end",
    why="The side file with the last hash knows an entry that the journal no longer holds: an old copy was put back, or lines were cut.",
    fix="Restore the newest backup of the state folder and tell the data-protection officer.",
    exit=Exit.CONTENT,
)
JOURNAL_GONE = Kind(
    534,
    "journal-gone",
    "The journal is gone or is another one",
    why="A note beside the hospital's keys says that a journal was begun. Without it nobody knows what was opened before, and the rules that "
    "compare a release with earlier ones would hold against nothing.",
    fix="Restore state/journal.jsonl and state/journal.head from the newest backup. Without a backup decline every study of these patients, "
    "tell the data-protection officer, and enrol anew in a folder of its own: `fedhcc-site init --name NAME --home NEW-FOLDER`.",
    exit=Exit.CONTENT,
    leaves=True,
)
JOURNAL_WENT_BACK = Kind(
    529,
    "journal-went-back",
    "The journal lacks entries the coordinator has seen",
    why="At the last admission the hospital showed the hash of its newest entry. The journal of today does not hold it: an old backup of "
    "the state folder was put back, and what was opened since is forgotten here.",
    fix="Restore the newest backup of the state folder. If there is none, a person decides: `fedhcc-site egress go-on` with the reason.",
    exit=Exit.REFUSED,
    leaves=True,
)
COHORT_EMPTIED = Kind(
    530,
    "cohort-emptied",
    "No patient of the hospital is left in the study",
    why="Every patient whose rows the study computes from has withdrawn. A result without them would differ from an earlier one by "
    "exactly these patients.",
    fix="Nothing at the hospital. The coordinator goes on without it: `fedhcc-coordinator leave STUDY --without HOSPITAL`.",
    exit=Exit.REFUSED,
    leaves=True,
)
ROWS_WAIT = Kind(
    531,
    "rows-wait",
    "The rows differ from an earlier result's by too few patients",
    why="A result over these rows and an earlier one over others would together tell of the few patients who joined, left or changed between "
    "them. They wait until, against every earlier result, nothing changed or at least the minimum of patients did.",
    fix="`fedhcc-site studies` says what waits and since when; until then study the rows of the last generation. A study that is under way goes "
    "on with `fedhcc-coordinator leave STUDY`. One refused at admission: lock it anew, under another title, when more patients have come. "
    "Where a column is new or written in other codes: keep rows of patients who came since out of cohort.csv until they are enough. Where a "
    "scan or masks were replaced: put the former ones back and run `fedhcc-site data prepare`.",
    exit=Exit.REFUSED,
    leaves=True,
)
OUTSIDE_LOCK = Kind(
    532,
    "outside-lock",
    "A number of a request is not the lock's",
    why="Cut points, grids, bins, columns, sets and rounds are what the signed lock says, and coefficients lie within bounds that no honest fit "
    "leaves; the hospital's policy sets floors below which no lock goes. A finer grid is a list of patients, whatever it is called.",
    fix="At the coordinator: ask what the study declares. In a plan: coarser cells, within the hospitals' floors; see "
    "docs/reference/site.md and docs/reference/study.md.",
    exit=Exit.REFUSED,
    leaves=True,
)
ONLY_WITH_NOISE = Kind(
    540,
    "only-with-noise",
    "Nothing leaves this study without noise",
    why="The study declares differential privacy: updates of networks, one hazard and, where the study gives a part of its budget to "
    "`results`, counts leave with noise. Every other number is refused rather than approximated. A noised statistic in a study that "
    "declares none is refused as well.",
    fix="At the coordinator: run the study with the software its lock names. Counts and Kaplan-Meier curves come with `privacy.dp.results` "
    "above 0; C-indices on held-out hospitals from a study of `kind: validate` that names the bundle.",
    exit=Exit.REFUSED,
    leaves=True,
)
EPSILON_SPENT = Kind(
    541,
    "epsilon-spent",
    "A patient's privacy budget would be exceeded",
    why="`policy.epsilon_budget` bounds what trained networks may cost a patient of this hospital, over all studies. A new study, a new "
    "container or another export of the same patients does not reset it.",
    fix="At the hospital: `fedhcc-site privacy` shows what was spent and what the study would spend. The coordinator can lower "
    "`privacy.dp.epsilon`; the hospital can raise its budget.",
    exit=Exit.REFUSED,
)
PEER_DIGITS = Kind(
    533,
    "peer-digits",
    "The digits read out are not those of the lock",
    why="The fingerprint a hospital reads out from its own screen is not the one the coordinator put into the lock under its name: a slip of "
    "the ear, a hospital with new keys, or a hospital that is not who the lock says.",
    fix="Have them read again, at least the first 16 digits, from `fedhcc-site identity`. If they still differ, do not approve, and tell both "
    "data-protection officers.",
    exit=Exit.IDENTITY,
)
OLD_ROWS = Kind(
    535,
    "old-rows",
    "New patients wait: the study uses the rows of the last one",
    why="Against an earlier study of these hospitals, fewer patients of this set joined, left or changed than the minimum. Two results that "
    "differ by few patients would together tell of them, so the rows stay as they were. The holders found out on secret shares; nobody "
    "learned how many there are.",
    fix="Nothing has to be done: the rows used last are complete. The next study of these hospitals asks again.",
    exit=Exit.FINDINGS,
)
JOURNAL_BUSY = Kind(
    525,
    "journal-busy",
    "Another process writes the journal",
    why="Two clients of one site would each open values the other does not know of.",
    fix="Stop the second client: `fedhcc-site status` shows which one runs.",
    exit=Exit.ACCESS,
)
PATIENTS_NOT_SIMULATED = Kind(
    526,
    "patients-not-simulated",
    "A demonstration study at a site with real patients",
    why="`privacy.demonstration` lifts minima and is meant for made-up patients; this site has not declared its patients as such.",
    fix="Leave `privacy.demonstration` out of study.yaml, or set `policy.simulated_patients` where every patient is made up.",
    exit=Exit.REFUSED,
    leaves=True,
)

HOLDERS_REFUSED = Kind(
    527,
    "holders-refused",
    "The study's holders of shares are not what this hospital asks for",
    why="Rows are shared secretly among the holders the lock names; this hospital's policy asks for more of them, or not to be one.",
    fix="Agree with the coordinator on `shares` in study.yaml, or change `policy.share_holders` in site.yaml.",
    exit=Exit.REFUSED,
    leaves=True,
)
MINIMA_CLASH = Kind(
    528,
    "minima-clash",
    "A hospital asks for more patients than the study",
    why="Where enough patients for the study and too few for the hospital stand behind a sum, the coordinator asks and the hospital refuses: the study would stall, after days of training perhaps.",
    fix="Make the two minima equal: in `privacy` of study.yaml, or in `policy` of the hospital's site.yaml.",
    exit=Exit.REFUSED,
)
