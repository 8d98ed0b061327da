"""The study: what is planned, which hospitals take part, and the lock that freezes both.

A `Study` is what a coordinator writes in `study.yaml`. Locking resolves draws, fixes blocks, adds the roster with key
fingerprints and the code digest; the SHA-256 of the lock's canonical serialisation is the study id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sized
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from site_config.open_hours import OpenHours
from site_config.study.clinical_variables import ClinicalVariable as ClinicalVariable
from site_config.study.clinical_variables import DesignColumn, design_columns
from site_config.study.clinical_variables import Strict as Strict
from site_config.study.clinical_variables import seven_variables as seven_variables
from site_config.study.differential_privacy import DifferentialPrivacy as DifferentialPrivacy
from site_config.study.prognostic_models import MODELS, PAPER_MODELS, ModelName, NetworkName, own_dropout

Role = Literal["development", "evaluation"]
Phase = Literal["admission", "clinical", "training", "fusion", "evaluation", "report"]
SiteName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="lower-case letters, digits and hyphens")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, 64 hex digits")]


class Endpoint(Strict):
    """What is predicted, in days from a declared time zero, and the study's own words for it; censored on the right."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "overall_survival"
    label: str = Field(default="Overall survival", min_length=1, max_length=60, description="how the report calls it")
    event_label: str = Field(default="death", min_length=1, max_length=40, description="one event, in the singular")
    time_zero: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="a moment by its name")] = "treatment"


class Window(Strict):
    """A display window in Hounsfield units."""

    width: float = Field(gt=0, le=4096)
    level: float = Field(ge=-1024, le=3071)


class Organ(Strict):
    """An organ the network looks at; `targets` names its mask and its tumours' mask, in this order."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    region: Literal["abdomen", "chest"]
    window: Window
    targets: tuple[str, str]


def two_organs() -> tuple[Organ, ...]:
    """Liver and lung with the paper's windows."""
    return (
        Organ(name="liver", region="abdomen", window=Window(width=400, level=0), targets=("liver", "liver_tumour")),
        Organ(name="lung", region="chest", window=Window(width=1200, level=-600), targets=("lung", "lung_tumour")),
    )


class Imaging(Strict):
    """From scans to slices."""

    spacing_mm: float = Field(default=5.0, gt=0, le=20)
    slices: int = Field(default=3, ge=1, le=16)
    size: int = Field(default=224, ge=32, le=512)
    field: Literal["whole", "organ"] = "whole"
    rule: Literal["careful", "paper"] = "careful"
    missing_followup_chest: Literal["carry_forward", "refuse"] = "carry_forward"
    missing_baseline_chest: Literal["refuse", "exclude", "zeros"] = "exclude"
    interval_days: tuple[int, int] = (14, 180)


class Network(Strict):
    """The convolutional-recurrent network of Rad-S and Rad-D."""

    backbone: Literal["efficientnet-b0", "small"] = "efficientnet-b0"
    norm: Literal["frozen", "group", "batch"] = "group"
    dropout: dict[NetworkName, float] = own_dropout()
    pretrained_sha256: Sha256 | None = Field(default=None, description="ImageNet weights file every site must have")
    warm_start: Literal["none", "phantom"] = "none"


class SiteOptimiser(Strict):
    """What a site does with the broadcast weights in a round."""

    name: Literal["sgd", "adam"] = "sgd"
    rate: float = Field(default=1e-3, gt=0, le=10)


class ServerOptimiser(Strict):
    """A `torch.optim` optimiser on the summed update; SGD(1.0) is FedAvg, Adam FedAdam."""

    name: Literal["sgd", "adam"] = "adam"
    rate: float = Field(default=5e-5, gt=0, le=10)
    momentum: float = Field(default=0.0, ge=0, lt=1)


class Training(Strict):
    """How the networks are trained."""

    rounds: int = Field(default=200, ge=1, le=100_000)
    local_steps: int = Field(default=1, ge=1, le=100)
    batch: int = Field(default=16, ge=1, le=1024)
    site: SiteOptimiser = SiteOptimiser()
    server: ServerOptimiser = ServerOptimiser()
    proximal: float = Field(default=0.0, ge=0)
    flips: float = Field(default=0.5, ge=0, le=1)
    hazard: Literal["carried", "fresh"] = "carried"
    hazard_resolution: Literal["piecewise", "exact"] = "piecewise"
    ties: Literal["efron", "breslow"] = "efron"
    intervals: int = Field(default=8, ge=1, le=40)
    cut_days: tuple[float, ...] | None = None
    clip: float = Field(default=16.0, gt=0)
    ring: Literal[32, 64] = 32
    gradient_norm: float = Field(default=0.0, ge=0, description="largest norm of one patient's gradient; 0 leaves it")
    validate_every: int = Field(default=10, ge=1)
    keep: Literal["last", "best"] = "last"
    seed: int = 7
    precision: Literal["float32", "float64", "mixed"] = "float32"


class Evaluation(Strict):
    """The days at which predictions are judged; how finely anything may be opened stands in `shared_model.disclosure`, not in a study."""

    horizons: tuple[int, ...] = (365, 730)


class BlockMinima(Strict):
    """The fixed groups of sites whose masks cancel."""

    minimum_sites: int = Field(default=5, ge=2)
    minimum_patients: int = Field(default=20, ge=1)
    missed_share: float = Field(
        default=0.2, ge=0, le=1, description="a block that misses more than this share of its training turns stalls the study at once"
    )


class Privacy(Strict):
    """What the study asks of every release; a site's own policy may ask for more and wins.

    `demonstration` lets a study of simulated patients open what a study of its size would have to refuse.
    """

    masks: bool = True
    minimum_sites: int = Field(default=3, ge=1)
    minimum_patients: int = Field(default=5, ge=1)
    minimum_cox_patients: int = Field(default=100, ge=1)
    minimum_events_per_variable: int = Field(default=10, ge=1)
    demonstration: bool = False
    dp: DifferentialPrivacy | None = None


LEAST_SLOTS = 4


class Shares(Strict):
    """Which hospitals hold secret shares of patients' rows, and how the rows a hospital uploads are filled up.

    With m holders any (m - 1) / 2 of them and the coordinator together learn nothing but the results; one more holder rebuilds rows.
    """

    holders: Literal[3, 5] | None = None
    names: tuple[SiteName, ...] = ()
    slots: int = Field(default=8, ge=1, le=1024, description="rows are filled up to a multiple of this, a power of two")
    longest_days: int = Field(
        default=4000, ge=30, le=12_000, description="of `shares` and `exact`: a day beyond this is refused, never cut"
    )


class Draw(Strict):
    """Let the lock draw this many evaluation sites."""

    evaluation: int = Field(ge=1)
    seed: int = 7


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: Sized) -> bool:
    return len(value) == 0


class StudySite(Strict):
    """A hospital of the study; the role is left out where a draw decides, the hours where its machine is always on."""

    name: SiteName
    role: Role | None = None
    hours: OpenHours | None = Field(
        default=None, exclude_if=_is_none, description="when its machine is on, as the hospital told; blocks follow it"
    )


class Deadlines(Strict):
    """Seconds a phase waits for its sites before the study is STALLED."""

    admission: float = Field(default=3600, gt=0, le=2_592_000)
    clinical: float = Field(default=3600, gt=0, le=2_592_000)
    training: float = Field(default=7200, gt=0, le=2_592_000)
    fusion: float = Field(default=3600, gt=0, le=2_592_000)
    evaluation: float = Field(default=3600, gt=0, le=2_592_000)
    pause: float = Field(
        default=604_800, ge=0, le=2_592_000, description="seconds for which planned pauses of sites may stop the clock of one question"
    )


class Study(Strict):
    """Everything a coordinator declares in `study.yaml`."""

    title: str = Field(min_length=1, max_length=200)
    kind: Literal["develop", "validate"] = "develop"
    simulated: bool = False
    endpoint: Endpoint = Endpoint()
    moments: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], str] = Field(
        default_factory=dict, description="name → words of moments that are the study's own; `treatment` and the CTs are known"
    )
    clinical: tuple[ClinicalVariable, ...] = Field(default_factory=seven_variables)
    organs: tuple[Organ, ...] = Field(default_factory=two_organs, min_length=1)
    imaging: Imaging = Imaging()
    models: tuple[ModelName, ...] = PAPER_MODELS
    network: Network = Network()
    training: Training = Training()
    resolution: Literal["shares", "exact"] = "shares"
    shares: Shares = Shares()
    evaluation: Evaluation = Evaluation()
    validation_fraction: float = Field(default=0.2, ge=0, lt=1)
    sites: tuple[StudySite, ...] = Field(min_length=1)
    draw: Draw | None = None
    blocks: BlockMinima = BlockMinima()
    deadlines: Deadlines = Deadlines()
    privacy: Privacy = Privacy()
    bundle_sha256: Sha256 | None = Field(default=None, description="the frozen bundle a validate study evaluates")

    @property
    def design(self) -> tuple[DesignColumn, ...]:
        """The design columns of the clinical variables, in their order."""
        return design_columns(self.clinical)

    @property
    def reads_scans(self) -> bool:
        """Whether any model of the study reads scans."""
        return MODELS.read_scans(self.models)

    @property
    def complete(self) -> str:
        """SHA-256, hex, of what a patient has to have to be analysed: which values, which scans."""
        scans = [self.imaging.model_dump(mode="json"), [organ.model_dump(mode="json") for organ in self.organs]] if self.reads_scans else []
        values = sorted(one.name for one in self.clinical) if MODELS.read_variables(self.models) else []
        return hashlib.sha256(canonical([values, scans])).hexdigest()

    @property
    def shares_rows(self) -> bool:
        """Whether holders of shares compute results: under differential privacy noised counts alone, where the study asks for them."""
        dp = self.privacy.dp
        return self.resolution == "shares" and (dp is None or dp.results > 0)

    @property
    def shows_counts(self) -> bool:
        """Whether rows on shares are filled up so that the office counts a hospital's patients; nobody minds made-up ones.

        Multiples of 8 and of 9, in two studies, tell more than either: powers of two tell no more than the finest of them.
        """
        slots = self.shares.slots
        counted = slots < LEAST_SLOTS or slots & (slots - 1) != 0
        return self.shares_rows and counted and not (self.simulated and self.privacy.demonstration)

    @property
    def pairs_patients(self) -> bool:
        """Whether results come of pairs of patients on shares, whose cost grows with the square of their number."""
        return self.resolution == "shares" and self.privacy.dp is None


class RosterEntry(Strict):
    """A hospital in the lock: its role and the public keys its releases are signed with."""

    name: SiteName
    role: Role
    signing_key: str = Field(description="Ed25519 public key, 64 hex digits")
    node_fingerprint: str = Field(description="sha256 of the Flower node's public key, hex")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the signing key, the words a hospital reads out."""
        return hashlib.sha256(bytes.fromhex(self.signing_key)).hexdigest()


class EarlierStudy(Strict):
    """A study published before, over some of the same hospitals: what the rows of a new one are compared with."""

    study: Sha256
    roster: tuple[SiteName, ...]
    development: tuple[SiteName, ...] | None = Field(
        default=None, exclude_if=_is_none, description="of these the ones whose patients trained and validated"
    )
    blocks: tuple[tuple[SiteName, ...], ...] = Field(
        default=(), exclude_if=_is_empty, description="of the ones that trained, where there were several: sums of each were opened"
    )
    complete: Sha256 | None = Field(default=None, exclude_if=_is_none, description="of what a patient has to have for its sets")


class LeftBehind(Strict):
    """What a study leaves behind that goes on from another one without some of its patients.

    gone: hospitals of that study that are not in this one. companions: set → how many further patients of it leave at each hospital
    where a set has to change, drawn by the hospital's own secret, so that no difference of results is that of a few.
    """

    study: Sha256
    gone: dict[SiteName, Role] = Field(default_factory=dict)
    companions: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)


class StudyLock(Strict):
    """The frozen plan. `study_id` is the SHA-256 of its canonical serialisation."""

    format: Literal[1] = 1
    study: Study
    roster: tuple[RosterEntry, ...]
    blocks: dict[Role, tuple[tuple[str, ...], ...]]
    code_digest: str = Field(description="of the code both sides run; a hospital and the coordinator refuse other code")
    office_digest: str = Field(default="", description="of the code the coordinator alone runs; a change is recorded by `upgrade`")
    coordinator_key: str = Field(description="Ed25519 public key, 64 hex digits")
    holders: tuple[SiteName, ...] = Field(default=(), description="the hospitals that hold shares of rows, in the order of their numbers")
    leaving: LeftBehind | None = Field(
        default=None, exclude_if=_is_none, description="the study this one goes on from without some of its patients"
    )
    earlier: tuple[EarlierStudy, ...] = Field(default=(), description="studies whose rows may differ from this one's by nobody or by many")
    beside: tuple[EarlierStudy, ...] = Field(
        default=(), exclude_if=_is_empty, description="studies over none of these hospitals, but over some of the earlier ones' others"
    )

    @property
    def compares(self) -> bool:
        """Whether the holders find out, before anything else, how far this study's rows may be other than those of earlier ones."""
        privacy = self.study.privacy
        return bool(self.holders and self.earlier) and not privacy.demonstration and privacy.dp is None

    @property
    def collusion(self) -> int:
        """How many holders, with the coordinator's help, still learn nothing but the results."""
        return (len(self.holders) - 1) // 2

    @cached_property
    def study_id(self) -> str:
        """SHA-256, hex, of `canonical`; every message names it, so it is computed once."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()

    @cached_property
    def entries(self) -> dict[str, RosterEntry]:
        """The roster by name."""
        return {entry.name: entry for entry in self.roster}

    @cached_property
    def signing_keys(self) -> dict[str, str]:
        """Every site's public signing key, hex."""
        return {entry.name: entry.signing_key for entry in self.roster}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, for which everything that follows from its fields is found anew."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("study_id", "entries", "signing_keys"):
            copied.__dict__.pop(name, None)
        return copied

    def entry(self, site: str) -> RosterEntry:
        """The roster's entry of one site; `KeyError` when it is not in the study."""
        return self.entries[site]

    def names(self, role: Role) -> tuple[str, ...]:
        """Sites of a role in roster order."""
        return tuple(entry.name for entry in self.roster if entry.role == role)


class SignedLock(Strict):
    """A lock with the coordinator's Ed25519 signature over `canonical(lock)`."""

    lock: StudyLock
    signature: str


def canonical(data: object) -> bytes:
    """JSON with sorted keys, no spaces, ASCII only: the bytes that are hashed and signed."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
