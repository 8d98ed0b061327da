"""Problems 1xx: study.yaml, site.yaml and other documents."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

NOT_YAML = Kind(
    101,
    "not-yaml",
    "The document is not valid YAML",
    why="The text breaks a rule of YAML at the line given, so nothing after it can be read. Common causes: a tab in place of spaces, a missing colon or quote, uneven indentation.",
    fix="Correct the line given (indent with spaces, put texts with a colon in quotes), then run the check again.",
)

ENCODING = Kind(
    102,
    "wrong-encoding",
    "The file is not UTF-8 text",
    why="Some bytes are not UTF-8. The file was probably saved in an older encoding (Windows-1252), or it is not a text file.",
    fix='Save the file again as UTF-8 (in a spreadsheet: "CSV UTF-8").',
    exit=Exit.CONTENT,
)

NOT_TEXT = Kind(
    103,
    "not-text",
    "The file holds bytes that no text has",
    why="The file holds NUL bytes or control characters. It is damaged, was copied incompletely, or is another kind of file with this name.",
    fix="Copy the file again from its source and check that the path names the right file.",
    exit=Exit.CONTENT,
)

TOO_COMPLEX = Kind(
    104,
    "too-complex",
    "The document is nested too deeply or has too many entries",
    why="No study or site needs that much. A document like this would only keep the program busy, so it is refused before it is expanded.",
    fix="Start again from a preset: `fedhcc-coordinator study new`.",
)

ALIAS = Kind(
    105,
    "alias-or-tag",
    "The document uses YAML anchors, aliases or tags",
    why="Anchors (&), aliases (*) and tags (!) can expand a small text to gigabytes or name code. A document here says each thing once, plainly.",
    fix="Write the value out where the alias stands and remove the anchor or tag.",
)

DUPLICATE_FIELD = Kind(
    106,
    "duplicate-field",
    "A field stands twice",
    why="YAML readers would silently keep the last of the two; nobody can know which one was meant.",
    fix="Remove one of the two lines.",
)

UNKNOWN_FIELD = Kind(
    107,
    "unknown-field",
    "A field is not known",
    why="The name is misspelt or the field belongs elsewhere. It is refused, because a misspelt setting that is ignored would leave a default that nobody chose.",
    fix="Correct the name; docs/reference lists every field.",
)

MISSING_FIELD = Kind(
    108,
    "missing-field",
    "A field is missing",
    why="The field has no default, so it must be written.",
    fix="Add the field.",
)

WRONG_TYPE = Kind(
    109,
    "wrong-type",
    "A value has the wrong type",
    why="The field expects another kind of value, for example a number where a text stands.",
    fix="Write the value as expected.",
)

WRONG_VALUE = Kind(
    110,
    "wrong-value",
    "A value is not among those allowed",
    why="The value is misspelt or out of range. It is never replaced by a default.",
    fix="Use one of the allowed values.",
)

WRONG_FORM = Kind(
    111,
    "wrong-form",
    "The document has the wrong form",
    why="A document is one mapping of fields to values. This one is empty, is a list or a single value, or holds several documents.",
    fix="Start from a preset (`fedhcc-coordinator study new`) or from the template of site.yaml.",
)

DUPLICATE_NAME = Kind(
    112,
    "duplicate-name",
    "A name stands twice",
    why="Sites, clinical variables, organs and models are known by their names; two with the same name cannot be distinguished.",
    fix="Rename or remove one of the two.",
)

UNKNOWN_SITE = Kind(
    113,
    "unknown-site",
    "A site of the study is not enrolled",
    why="A study can be locked only over hospitals whose keys the coordinator holds. The name is misspelt, or the hospital has not sent its request yet.",
    fix="Correct the name in study.yaml, or enrol the hospital first.",
)

ROLES = Kind(
    114,
    "site-roles",
    "The roles of the sites do not add up",
    why="Every site is either development or evaluation: written beside its name, or drawn when the study is locked. Here a role is missing, or the draw asks for more sites than are left.",
    fix="Give each site a role, or set `draw` to fewer evaluation sites than there are sites without a role.",
)

TOO_FEW_SITES = Kind(
    115,
    "too-few-sites",
    "Too few sites for the study's own minimum",
    why="A sum over fewer sites than `privacy.minimum_sites` is never opened, so the study could not run.",
    fix="Enrol more hospitals (`fedhcc-coordinator enrol NAME.request.json`) and name them, or plan the study differently; lowering the minimum lowers the protection of every hospital in it.",
)

MODELS = Kind(
    116,
    "models",
    "The models to fit do not fit together",
    why="A fused model (RadCLN-S, RadCLN-D) is made of the clinical model and of its radiological one, so both must be in the study.",
    fix="Add the missing model to `models`.",
)

VARIABLE = Kind(
    117,
    "clinical-variable",
    "A clinical variable is declared wrongly",
    why="A binary variable has exactly two codes, an ordinal one at least three, a nominal one at least two; a continuous one has bounds instead.",
    fix="Correct `values`, or `bounds`, of the variable.",
)

CONTRADICTION = Kind(
    118,
    "contradiction",
    "Two settings contradict each other",
    why="Each of the two is allowed alone, but they cannot be combined.",
    fix="Change one of the two.",
)

ESCAPING_PATH = Kind(
    119,
    "escaping-path",
    "A path leads out of its folder",
    why="Files of a model are named relative to its folder. A name that leads out of it would be checked in one place and read in another.",
    fix="Name the file relative to the folder, without `..` and without a leading `/`.",
)

SOURCE = Kind(
    120,
    "mask-source",
    "A target has no source, two sources, or an unknown one",
    why="Each target of the study comes from one place: labels of a model declared under `segmentation.models`, or supplied masks.",
    fix="Give the target either `model` with `labels`, or `masks: true`.",
)

VALIDATION_STUDY = Kind(
    121,
    "validate-study",
    "A validation study is declared wrongly",
    why="`kind: validate` evaluates a frozen model at new hospitals: it needs the model's SHA-256, and every site is an evaluation site.",
    fix="Set `bundle_sha256`, give every site the role evaluation and remove `draw`.",
)

NOT_IN_STUDY = Kind(
    122,
    "not-in-study",
    "This hospital is not a site of the study",
    why="The name in site.yaml is not among the study's sites: misspelt, or another name than the coordinator enrolled.",
    fix="Write the name under which the hospital was enrolled.",
)

DEMONSTRATION = Kind(
    123,
    "demonstration",
    "Minima are lifted although the patients are real",
    why="`privacy.demonstration` and sums without masks are for simulated patients only.",
    fix="Remove `demonstration` and keep `masks: true`; or, if every patient is made up, set `simulated: true`.",
)

FEW_EVENTS = Kind(
    124,
    "few-events",
    "Fewer than ten events a variable are to be expected",
    why="A Cox model with fewer than about ten events a variable overfits: coefficients are too large and intervals too narrow (Peduzzi et al. 1995).",
    fix="Add hospitals, or declare fewer clinical variables.",
    exit=Exit.FINDINGS,
)

HASH = Kind(
    125,
    "not-a-hash",
    "A SHA-256 is not 64 hexadecimal digits",
    why="A shortened or mistyped hash would protect nothing.",
    fix="Write all 64 digits, for example from `sha256sum FILE`.",
)

PRESET = Kind(
    126,
    "unknown-preset",
    "There is no preset of this name",
    why="Presets are complete studies to start from; the name given is none of them.",
    fix="Choose one of the presets listed by `fedhcc-coordinator study new --help`.",
    exit=Exit.USAGE,
)

LOCK_DAMAGED = Kind(
    127,
    "lock-inconsistent",
    "A study lock contradicts itself",
    why="The sites, roles and blocks of a lock must agree with each other; this one was edited or made by other software.",
    fix="Lock the study again from study.yaml: `fedhcc-coordinator study lock`.",
)

HOLDERS = Kind(
    128,
    "share-holders",
    "The holders of shares do not fit the study",
    why="Three or five hospitals of the study hold secret shares of the rows; with fewer hospitals, holders could rebuild them too easily.",
    fix="Name 3 or 5 different sites of the study under `shares.names`, or leave it out and let the lock draw them.",
)

UNKNOWN_ANSWER = Kind(
    129,
    "unknown-answer",
    "An answer fits no question",
    why="`data choose` takes the number of a question and the letter of a candidate, as `data review` lists them, or `none` or `same` in the letter's place; a phase is native, arterial, portal, delayed or other. One refused answer refuses the command.",
    fix="Run `fedhcc-site data review` and answer with what stands in its first column, such as `fedhcc-site data choose 1b`.",
    exit=Exit.CONFIGURATION,
)

MOMENT = Kind(
    130,
    "unknown-moment",
    "A moment is not declared, or its name is taken",
    why="Survival counts from a moment the study names: one of those every study knows, or one that it declares under `moments` in its own words. The CTs and the last contact keep their meaning.",
    fix="Declare the moment under `moments`, or count from a known one.",
)

SIZE_OF_SETS = Kind(
    132,
    "size-of-sets",
    "Minima and sets do not fit the expected number of patients",
    why="A minimum that is never reached, or a training set without patients, stops the study after its hospitals were asked; a minimum of one patient protects nobody.",
    fix="Correct the named field of study.yaml, or say how many patients to expect: `--patients-per-site`.",
    exit=Exit.FINDINGS,
)

NOT_ENFORCED = Kind(
    131,
    "not-enforced",
    "A field asks for something this version does not do",
    why="What is declared is either done or refused, because people would rely on a setting that does nothing.",
    fix="Leave the field out, or what it stands beside.",
)
