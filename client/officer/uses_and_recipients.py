"""What a study uses of a patient, who receives it, how it is protected and for how long: the questions a lawyer asks first."""

from __future__ import annotations

from client.release.site_policy import Floor
from site_config.keys_and_signatures import Kit
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import MODELS
from site_config.words_of_messages import plural

HOUR_S = 3600.0


def used_rows(lock: StudyLock, kit: Kit, least: Floor) -> list[tuple[str, str]]:
    """Question and answer, from the lock and the kit alone."""
    return [
        ("Of whom", _whom(lock)),
        ("What is read here", _read(lock)),
        ("Kind of data", _kind(lock)),
        ("Is it still personal?", _personal(lock, least)),
        ("Who receives what", _recipients(lock, kit)),
        ("On the way", _way(lock, kit)),
        ("At rest here", "The state folder can be read by the program's account alone. The program does not encrypt it: encrypt the disk."),
        ("How long", _long(lock)),
        ("If something goes wrong", _wrong(lock)),
        ("Decisions", "None about a patient: the study makes a model and a report."),
    ]


def _wrong(lock: StudyLock) -> str:
    return (
        f"fedhcc-site decline {lock.study_id[:12]} stops everything from the next message on; keep the state folder, whose journal says "
        "what left (fedhcc-site egress summary); call the contact in 3. A breach is reported within 72 hours (GDPR Article 33)."
    )


def _whom(lock: StudyLock) -> str:
    if lock.study.simulated:
        return "Nobody: every patient is made up."
    return (
        "Patients in this hospital's cohort.csv who have what the study's models need; the hospital chooses whom it lists. A patient is "
        "known in the program by a pseudonym made with a secret of this hospital, which never leaves; no pseudonym leaves either."
    )


def _read(lock: StudyLock) -> str:
    study = lock.study
    parts = [f"{study.endpoint.label} ({study.endpoint.event_label} or last contact, in days from {study.endpoint.time_zero})"]
    if MODELS.read_variables(study.models):
        parts.append(", ".join(one.label for one in study.clinical))
    if study.reads_scans:
        organs = " and ".join(dict.fromkeys(organ.name for organ in study.organs))
        parts.append(
            f"CT of {organs} at baseline and follow-up, of which a few slices are used; "
            "the response class where it is known; the scanner's manufacturer"
        )
    return "; ".join(parts) + "."


def _kind(lock: StudyLock) -> str:
    return "Made-up data." if lock.study.simulated else "Health data (GDPR Article 9), pseudonymised; no direct identifier is used."


def _personal(lock: StudyLock, least: Floor) -> str:
    hidden = "Shares and masked vectors" if lock.holders else "Masked vectors" if lock.study.privacy.masks else "Vectors"
    text = f"{hidden}: yes, for those who together could undo them (section 4). "
    if least.lifted:
        return text + "Opened results: minima are lifted here, so yes."
    return (
        text + "Opened results: meant to be anonymous, because of the minima and the comparison with earlier results; "
        "what is known to remain stands in 6 and 9. That judgement is the officer's."
    )


def _recipients(lock: StudyLock, kit: Kit) -> str:
    parts = [f"{kit.title}: sums and results" + (", weights of the networks" if lock.study.reads_scans else "")]
    if lock.holders:
        parts.append(f"{', '.join(lock.holders)}: sealed shares")
    if lock.study.reads_scans:
        parts.append("training hospitals: the present weights, in each round; all hospitals: the final ones")
    return "; ".join(parts) + ". Readers of the report and of the final model are chosen by the coordinator; agree on them in writing."


def _way(lock: StudyLock, kit: Kit) -> str:
    text = (
        f"One outgoing TLS connection to {kit.address}; nothing is opened inwards. Every message that carries numbers is signed (Ed25519)."
    )
    if lock.study.privacy.masks:
        text += " Masks: X25519 and AES-256 between every two hospitals; "
        text += "reading one hospital's vector takes the coordinator and all others of the sum."
    return text + (
        " Shares are sealed to one holder each (X25519, AES-256-GCM): the coordinator passes on what it cannot read." * bool(lock.holders)
    )


def _long(lock: StudyLock) -> str:
    deadlines = lock.study.deadlines
    longest = max(deadlines.admission, deadlines.clinical, deadlines.training, deadlines.fusion, deadlines.evaluation) / HOUR_S
    rounds = f"; {plural(lock.study.training.rounds, 'round')} of training a network" if lock.study.reads_scans else ""
    return (
        f"No end date is in the lock: it ends with the report, or when the coordinator or this hospital ends it. One question waits "
        f"{longest:.0f} hours at most{rounds}. Each new study is asked about anew."
    )
