"""What the door writes into the site's one journal: a form for each kind of entry."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from shared_model.secure_sum.federation_messages import Context, OpenedCounts

COHORT, RELEASE, OPEN, REFUSAL, CONSENT, SHARED = "cohort", "release", "open", "refusal", "consent", "shared-rows"
COMPARED, AGREED, COUNTED = "compared-rows", "agreed-rows", "noised-counts"


class DoorRecord(BaseModel):
    """Base of what the door writes into the journal."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Released(DoorRecord):
    """A vector that passed the door. Masked ones tell nothing until an `Opened` follows; clear ones are open at once."""

    context: Context
    parameters: dict[str, Any]
    question: str
    roster: tuple[str, ...]
    cohort: str
    shape: dict[str, tuple[int, ...]]
    bytes: int
    masked: bool
    noise: str
    counts: OpenedCounts | None
    rule: str
    hash: str
    sets: dict[str, str] = {}
    generation: int = 0
    contributed: dict[str, int] = {}


class OpenedMask(DoorRecord):
    """The site gave its own mask away; `release` is the number of the journal's entry it opens.

    ahead: the attempt for which it gave a key with it, 0 for none.
    """

    context: Context
    release: int
    ahead: int = 0


class SharedRows(DoorRecord):
    """Rows that were shared: what of each patient, among whom, of which patients (by the hashes of their sets), by which rule.

    They count as opened when they leave: what the holders reveal of them follows from the lock.
    """

    study: str
    phase: str
    roster: tuple[str, ...]
    holders: tuple[str, ...]
    parts: dict[str, int]
    results: tuple[str, ...]
    cohort: str
    patients: int
    slots: int
    bytes: int
    rule: str
    hash: str
    sets: dict[str, str] = {}
    generation: int = 0
    contributed: dict[str, int] = {}


class ComparedRows(SharedRows):
    """What was shared so that the holders compare rows with those of earlier studies: nothing of a patient but whether it changed.

    `against`: earlier study → set → hash of the rows used there; `choices`: `live.SET` or `base.SET` → hash of the rows compared.
    """

    against: dict[str, dict[str, str]]
    choices: dict[str, str]


class AgreedRows(DoorRecord):
    """What the holders found: the choices of rows that differ from every earlier study by nobody or by enough, over all hospitals."""

    study: str
    choices: tuple[str, ...]


class Refused(DoorRecord):
    """A request that was turned away: at which step, with which code, and the reason that stays here."""

    step: str
    study: str
    phase: str
    round: int
    attempt: int
    statistic: str
    code: str
    what: str


class Consent(DoorRecord):
    """The hospital agrees that this study may open values that differ by few from earlier ones."""

    study: str
    note: str = ""


class CohortSeen(DoorRecord):
    """A set of patients (HMAC ids under the site's secret) behind releases, written once."""

    cohort: str
    patients: tuple[str, ...]
