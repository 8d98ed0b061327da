"""Problems 4xx: keys, kits, rosters, locks."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

IDENTITY_MISSING = Kind(
    401,
    "identity-missing",
    "No keys here yet",
    why="The state folder holds no signing key and no node key, so nothing can be signed and the coordinator cannot know who this is.",
    fix="A hospital: `fedhcc-site init --name NAME`, once. The trial office: `fedhcc-coordinator init --address HOST:PORT --title TITLE`, once. "
    "Where keys were made before, name their folder with --home.",
    exit=Exit.IDENTITY,
)
IDENTITY_EXISTS = Kind(
    402,
    "identity-exists",
    "Keys exist already",
    why="New keys would no longer be those the others know, and what was signed so far could no longer be attributed.",
    fix="Keep the keys: the next step is `fedhcc-site join NAME.kit.json`, or `fedhcc-site status`. To replace them on purpose: move the "
    "identity folder away, `fedhcc-site init --name NAME`, and send the new request; at the office: "
    "`fedhcc-coordinator renew NAME --request NAME.request.json`.",
    exit=Exit.IDENTITY,
)
KEY_PERMISSIONS = Kind(
    403,
    "key-permissions",
    "A private key is readable by others",
    why="Anybody who can read the key can act as this site. Keys have mode 0600 and belong to the account the program runs under.",
    fix="Run `chmod 600` on the named file (all keys of a folder: `chmod -R go= FOLDER`) and check who could read it before; if that was somebody else, renew the keys.",
    exit=Exit.ACCESS,
)
IDENTITY_UNREADABLE = Kind(
    404,
    "identity-unreadable",
    "A key or identity file cannot be understood",
    why="The file was cut short, edited, or is of another kind (node key: OpenSSH, P-384, no password; signing key: Ed25519, PEM).",
    fix="Restore the identity folder from the backup of the state folder.",
    exit=Exit.IDENTITY,
)
REQUEST_INVALID = Kind(
    405,
    "request-invalid",
    "The enrolment request proves nothing",
    why="A request is signed with both keys it names. One of the signatures does not fit, "
    "so it was changed on its way or made without the keys.",
    fix="Ask the hospital to send `NAME.request.json` again and compare the fingerprint by telephone.",
    exit=Exit.IDENTITY,
)
NAME_TAKEN = Kind(
    406,
    "name-taken",
    "Another hospital has this name",
    why="Sites are known by name; two sites with one name or one key could not be distinguished in a roster.",
    fix="The same hospital with new keys: `fedhcc-coordinator renew NAME --request NAME.request.json`. Another hospital: let it choose another "
    "name; a name stays with the hospital that had it, revoked or not.",
    exit=Exit.IDENTITY,
)
KIT_SIGNATURE = Kind(
    407,
    "kit-signature",
    "The kit was not signed by its coordinator",
    why="The kit's signature does not fit the coordinator's key in it: the file was changed or damaged.",
    fix="Fetch the kit again from the coordinator; do not edit it.",
    exit=Exit.IDENTITY,
)
KIT_NOT_YOURS = Kind(
    408,
    "kit-not-yours",
    "The kit is for another site",
    why="A kit names the site and the keys it was issued for. These are not the keys in this state folder.",
    fix="Ask the coordinator for the kit of this site, issued after the last `fedhcc-site init`.",
    exit=Exit.IDENTITY,
)
FINGERPRINT_DIFFERS = Kind(
    409,
    "fingerprint-differs",
    "The fingerprint is not the one that was read out",
    why="The key in the file has another fingerprint than the one given: somebody else may have made the file.",
    fix="Telephone the other side, on a number you already know, and compare the fingerprints again before going on.",
    exit=Exit.IDENTITY,
)
LOCK_SIGNATURE = Kind(
    410,
    "lock-signature",
    "The study lock was not signed by this site's coordinator",
    why="The signature does not fit the coordinator's key of the kit: the lock was changed after signing, or comes from somebody else.",
    fix="Take the file as the office sent it; a lock is never edited. If it is that file, ask the office to send it again. A study is changed "
    "in study.yaml and locked anew: `fedhcc-coordinator study lock study.yaml`.",
    exit=Exit.IDENTITY,
    leaves=True,
)
LOCK_ROSTER = Kind(
    411,
    "lock-roster",
    "The study lock names other keys for this site, or does not name it",
    why="A site takes part under the keys it enrolled with. A lock made before a change of keys cannot be used.",
    fix="Ask the coordinator to lock the study again with the present enrolment: `fedhcc-coordinator study lock`.",
    exit=Exit.IDENTITY,
    leaves=True,
)
COORDINATOR_DIFFERS = Kind(
    412,
    "coordinator-differs",
    "Another coordinator's key",
    why="A hospital's folder belongs to the one coordinator whose kit it joined. This kit or lock comes from another coordinator, or from an office that was made anew.",
    fix="Telephone the coordinator and compare fingerprints (`fedhcc-site identity`). If the office is the same and was made anew, ask for it to be "
    "restored from its backup. For another office make a folder of its own: `fedhcc-site init --name NAME --home NEW-FOLDER`.",
    exit=Exit.IDENTITY,
)
NOT_ENROLLED = Kind(
    413,
    "not-enrolled",
    "The site is not enrolled, or its enrolment was revoked",
    why="Only enrolled hospitals stand in the coordinator's register.",
    fix="See who is: `fedhcc-coordinator list`. To enrol it: the hospital's `fedhcc-site init --name NAME`, then at the office "
    "`fedhcc-coordinator enrol NAME.request.json`, then at the hospital `fedhcc-site join NAME.kit.json`.",
    exit=Exit.IDENTITY,
)
OTHER_DOCUMENT = Kind(
    414,
    "other-document",
    "The file is another of the program's documents",
    why="Requests, kits and locks are all files that are sent around. This one is in order, but of another kind than the command takes.",
    fix="A hospital sends NAME.request.json and joins with NAME.kit.json; the signed lock goes to `fedhcc-coordinator study publish LOCK` at the office and "
    "to `fedhcc-site approve LOCK` at a hospital.",
    exit=Exit.IDENTITY,
)
CODE_DIFFERS = Kind(
    415,
    "code-differs",
    "The study was locked for other software",
    why="The digest of the code in this installation is not the one in the lock: versions would compute different numbers.",
    fix="Install the release the study names. Or the study is locked again for this one, at the office: `fedhcc-coordinator study lock study.yaml`.",
    exit=Exit.IDENTITY,
    leaves=True,
)
OFFICE_CODE_DIFFERS = Kind(
    420,
    "office-code-differs",
    "The study is under way with other code of the office",
    why="The digest of the coordinator's own code is neither the one in the lock nor the last one recorded since. Another release "
    "may compute other numbers from the same answers.",
    fix="Install the release the study began with; or record a deliberate change, which the report shows: `fedhcc-coordinator upgrade STUDY`.",
    exit=Exit.IDENTITY,
)
NOT_JOINED = Kind(
    416,
    "not-joined",
    "The site has no kit yet",
    why="Without the kit the site knows neither the coordinator's address nor its key.",
    fix="Send `NAME.request.json` to the coordinator and run `fedhcc-site join KIT` with the kit it sends back.",
    exit=Exit.IDENTITY,
    leaves=True,
)
STUDY_UNKNOWN = Kind(
    417,
    "study-unknown",
    "No study with this id here",
    why="The study was not offered to this site yet, or the id has a typing error.",
    fix="List the studies with `fedhcc-site studies`.",
    exit=Exit.IDENTITY,
    leaves=True,
)
STUDY_NOT_APPROVED = Kind(
    418,
    "study-not-approved",
    "The site has not approved this study",
    why="Nothing is computed for a study before a person at the hospital approved its lock.",
    fix="Look at it and decide: `fedhcc-site approve STUDY` or `fedhcc-site decline STUDY`.",
    exit=Exit.REFUSED,
    leaves=True,
)
ANOTHER_STUDY = Kind(
    421,
    "another-study",
    "The study is not the earlier one without some of its patients",
    why="A study that goes on from another one has the same plan, the same code and hospitals of it alone; then the decision for the "
    "earlier one holds. This one names a study that is not known here, or differs in more than who takes part.",
    fix="At the coordinator: lock it as a study of its own (`fedhcc-coordinator study lock`), which every hospital decides about.",
    exit=Exit.REFUSED,
    leaves=True,
)
STUDY_DECLINED = Kind(
    419,
    "study-declined",
    "The site declined this study",
    why="A person at the hospital declined it.",
    fix="Speak with the hospital; `fedhcc-site approve STUDY` takes the decision back.",
    exit=Exit.REFUSED,
    leaves=True,
)
