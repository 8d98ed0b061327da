"""The board of hospitals: what each told at its last admission, whether it is connected, and what is to be done next.

Kept in `readiness.json` of the office's folder. Nothing in it depends on a patient: release and digest of the software, the
device, free disk down to a power of two, whether scans were prepared, and the codes of a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server import hospital_register as enrol
from shared_model.secure_sum.federation_messages import AdmissionReply
from site_config.atomic_files import read_limited, write_atomic
from site_config.problems import identity
from site_config.problems.base import Problem
from site_config.study.code_digest import code_digest, software
from site_config.study.plan_and_lock import Study

NAME = "readiness.json"
LITTLE_DISK_GIB = 4
DARK = "here: `serve`"
NEXT = {
    identity.STUDY_NOT_APPROVED.label: "ask for `fedhcc-site approve`",
    identity.STUDY_DECLINED.label: "declined; speak with them",
    identity.CODE_DIFFERS.label: "same release on both sides",
}


class Told(BaseModel):
    """One hospital's last answer to an admission, and when it came (UTC)."""

    model_config = ConfigDict(extra="forbid")

    at: str
    study: str
    reply: AdmissionReply


class Readiness(BaseModel):
    """The last answer of every hospital."""

    model_config = ConfigDict(extra="forbid")

    sites: dict[str, Told] = Field(default_factory=dict)

    @classmethod
    def load(cls, home: Path) -> Readiness:
        """What is kept; nothing where the file is missing or does not read: the next admission tells it again."""
        try:
            return cls.model_validate_json(read_limited(home / NAME, 32 << 20))
        except (Problem, ValidationError):
            return cls()


def keep(home: Path, study: str, replies: dict[str, AdmissionReply], now: datetime | None = None) -> None:
    """Keep what hospitals answered."""
    at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    known = Readiness.load(home)
    told = {site: Told(at=at, study=study, reply=reply) for site, reply in replies.items()}
    write_atomic(home / NAME, Readiness(sites={**known.sites, **told}).model_dump_json(indent=1).encode() + b"\n")


def slowest_step(home: Path, study: Study) -> float:
    """The longest training step that a rehearsal of one of the study's hospitals told, seconds; 0 where none did."""
    names = {site.name for site in study.sites}
    return float(max((told.reply.step_seconds for name, told in Readiness.load(home).sites.items() if name in names), default=0))


@dataclass(frozen=True)
class BoardRow:
    """One hospital as the board shows it; `–` for what nobody told yet."""

    name: str
    seen: str
    release: str
    prepared: str
    approved: str
    machine: str
    next_step: str

    def told(self) -> str:
        """What it told at its last admission, in one cell."""
        if self.release == "–":
            return "–"
        prepared = "prepared" if self.prepared == "yes" else "not prepared"
        approved = "approved" if self.approved == "yes" else self.approved
        return f"{self.release}, {prepared}, {approved}, {self.machine}"


def board(home: Path, connected: set[str] | None, now: datetime | None = None) -> list[BoardRow]:
    """Every enrolled hospital, in the order of the register; `connected` is None where no SuperLink answers."""
    known = Readiness.load(home).sites
    moment = now or datetime.now(UTC)
    return [_row(site.name, known.get(site.name), connected, moment) for site in enrol.load(home).active().values()]


def _row(name: str, told: Told | None, connected: set[str] | None, now: datetime) -> BoardRow:
    here = connected is not None and name in connected
    seen = "now" if here else _ago(told.at, now) if told is not None else "never" if connected is not None else "–"
    if told is None:
        step = "`run STUDY --canary`" if here else "ask for `fedhcc-site doctor`, then `run`"
        return BoardRow(name, seen, "–", "–", "–", "–", DARK if connected is None else step)
    reply = told.reply
    machine = " ".join([reply.device or "–", f"{reply.disk_gib} GiB" if reply.disk_gib else ""]).strip()
    approved = "yes" if reply.accepted else " ".join(reply.refusals) or "no"
    prepared = "yes" if reply.prepared else "no"
    return BoardRow(name, seen, reply.software.removeprefix("fedhcc "), prepared, approved, machine, _next(reply, here, connected is None))


def _next(reply: AdmissionReply, here: bool, dark: bool) -> str:
    if dark:
        return DARK
    if not here:
        return "ask for `fedhcc-site status`"
    if reply.code_digest != code_digest() or reply.software != software():
        return NEXT[identity.CODE_DIFFERS.label]
    if not reply.accepted:
        return next((NEXT[code] for code in reply.refusals if code in NEXT), f"`problem {' '.join(reply.refusals)}`")
    if not reply.prepared:
        return "ask for `fedhcc-site data prepare`"
    if 0 < reply.disk_gib < LITTLE_DISK_GIB:
        return "ask to free disk"
    return "–"


def _ago(at: str, now: datetime) -> str:
    seconds = (now - datetime.fromisoformat(at)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"
