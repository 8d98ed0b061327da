"""How a study's data are protected in a hospital, on the way and afterwards, for how long, and what to do when something goes wrong."""

from __future__ import annotations

from site_config.keys_and_signatures import Kit
from site_config.study.plan_and_lock import StudyLock
from site_config.words_of_messages import plural


def how_long(lock: StudyLock) -> str:
    """How long a study runs, as far as its lock knows."""
    rounds = f" A network is trained in {plural(lock.study.training.rounds, 'round')}." if lock.study.reads_scans else ""
    return f"No end date is in the lock: the study ends with its report, or when the coordinator or this hospital ends it.{rounds}"


def safeguards(lock: StudyLock, kit: Kit) -> list[tuple[str, str]]:
    """Technical and organisational measures, each with its name."""
    return [
        ("On the way", _way(lock, kit)),
        (
            "Before it leaves",
            "Every list of numbers is held against lock, this hospital's own policy and everything opened before, and written into the "
            "hospital's own journal. Errors leave as numbers (FH-…), never as text.",
        ),
        (
            "On the machine",
            "No connection is accepted from outside. No code that comes from outside is run: what arrives is checked data. The container "
            "has no rights beyond its folders.",
        ),
        ("At rest here", "The state folder can be read by the program's account alone. The program does not encrypt it: encrypt the disk."),
        ("At rest elsewhere", _elsewhere(lock)),
        (
            "Records",
            "Journal: a line for each thing that left or was refused: when, what, of how many, by which rule. Patients stand in it as "
            "pseudonyms, without values. Each line holds the hash of the one before, so that a change is found. The program's log stays "
            "here too, without paths; its oldest lines make room for new ones.",
        ),
        (
            "Who checked",
            "The authors, by tests and attacks of their own (6). This program knows of no independent audit; its source is open to one.",
        ),
    ]


def _elsewhere(lock: StudyLock) -> str:
    text = "The office keeps sums and results in a folder of its program's account alone; "
    text += "it keeps sealed parts that it cannot open; holders keep their keys as this hospital keeps its own. " if lock.holders else ""
    return text + "Encrypted disks, backups and who has access there: ask for it, and fix it in the contract of 2."


def _way(lock: StudyLock, kit: Kit) -> str:
    text = f"One outgoing TLS connection to {kit.address}. Every message that carries numbers is signed (Ed25519)."
    text += " Blinding: X25519 and AES-256 between every two hospitals." * lock.study.privacy.masks
    return text + (
        " Parts of rows are sealed to one holder each (X25519, AES-256-GCM): the coordinator passes on what it cannot read."
        * bool(lock.holders)
    )


def breach_steps(lock: StudyLock, site: str) -> list[str]:
    """What to do, in order, when something went wrong."""
    steps = [
        f"Stop: fedhcc-site decline {lock.study_id[:12]}; nothing more leaves from the next message on.",
        "Keep the state folder as it is; fedhcc-site egress summary lists what left and when, fedhcc-site egress verify whether that list "
        "is whole.",
        "Call the contact at the office (2) at once: only the office can strike this hospital's keys, so that nobody uses them. "
        "The office, or a hospital where something happened, tells all others within the hours that the contract of 2 fixes.",
    ]
    if site in lock.holders:
        steps.append("This hospital is a holder: all other hospitals are concerned; the office must tell them, and the study starts again.")
    elif lock.holders:
        few = lock.collusion
        steps.append(
            f"If a holder was broken into or its machine stolen, the office tells you. Parts of up to {few} of the {len(lock.holders)} "
            f"holders say nothing, of {few + 1} every row. Its keys count as lost: the office strikes them, others hold, and everything on "
            "parts is asked again with new keys."
        )
    return [
        *steps,
        "To the supervisory authority within 72 hours of becoming aware (GDPR Article 33); to patients where Article 34 says so. "
        "Your officer decides.",
    ]
