"""What a study is for and what it uses of a patient: the questions a lawyer asks first."""

from __future__ import annotations

from client.release.site_policy import Floor
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import MODELS
from site_config.words_of_messages import joined


def purpose(lock: StudyLock) -> str:
    """What the study does and does not do, in one paragraph."""
    study = lock.study
    names = [f"{one.name} (reads {_reads(one.scans, variables=one.clinical is not None)})" for one in MODELS.fitted(study.models)]
    develops = "develops and tests" if study.kind == "develop" else "tests, on new patients, an already finished form of"
    return (
        f"Medical research: the study {develops} statistical models that predict {study.endpoint.label.lower()}: {joined(names)}. "
        "It decides nothing about a patient, and looks up nobody; it is research software, not a medical device. Patients' data are used "
        "here for this study alone, as its lock says; another study has another lock, about which this hospital is asked anew."
    )


def _reads(scans: str, *, variables: bool) -> str:
    return joined([words for words in (scans, "clinical variables" if variables else "") if words])


def used_rows(lock: StudyLock, least: Floor) -> list[tuple[str, str]]:
    """Question and answer, from the lock alone."""
    return [
        ("Of whom", _whom(lock)),
        ("What is read here", _read(lock)),
        ("Kind of data", _kind(lock)),
        ("Is it still personal?", _personal(lock, least)),
    ]


def _whom(lock: StudyLock) -> str:
    if lock.study.simulated:
        return "Nobody: every patient is made up."
    return (
        "Patients in this hospital's cohort.csv who have what the study's models need; the hospital chooses whom it lists "
        "(fedhcc-site check counts them). "
        "Whom it lists later, the same yes covers; results include them once enough came or left. A patient is known in the program by a "
        "pseudonym made with a secret of this hospital, which never leaves; no pseudonym leaves either."
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
    if lock.holders and study.privacy.dp is None:
        parts.append("sex and age, for Table 1, where cohort.csv has them")
    return "; ".join(parts) + "."


def _kind(lock: StudyLock) -> str:
    return "Made-up data." if lock.study.simulated else "Health data (GDPR Article 9), pseudonymised; no direct identifier is used."


def _personal(lock: StudyLock, least: Floor) -> str:
    hidden = (
        "Parts of rows and blinded numbers" if lock.holders else "Blinded numbers" if lock.study.privacy.masks else "Numbers that leave"
    )
    text = f"{hidden}: yes, because those who act together could read them (5). "
    if least.lifted:
        return text + "Opened results: minima are lifted here, so yes."
    return (
        text + "Opened results: meant to be anonymous, because of the minima and the comparison with earlier results; "
        "what is known to remain stands in 10. Sums of a block's model updates: treat them as personal data (6). "
        "That judgement is the officer's."
    )
