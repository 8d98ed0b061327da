"""The hospital's own configuration: paths once, device, models, and the policy that wins over every study."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from site_config.open_hours import OpenHours as OpenHours
from site_config.study.plan_and_lock import SiteName, Strict


class Paths(Strict):
    """Every host path, once; relative ones count from the folder of `site.yaml`."""

    cohort: Path = Path("cohort.csv")
    scans: Path | None = Path("scans.csv")
    images: Path = Path("images")
    state: Path = Path("state")


class SegmentationModel(Strict):
    """A genuine nnU-Net v2 model folder; every file is checked against its SHA-256 before anything is read from it."""

    folder: Path
    folds: tuple[int | Literal["all"], ...] = (0,)
    checkpoint: str = "checkpoint_final.pth"
    sha256: dict[str, str] = Field(description="file relative to the folder → 64 hex digits")
    step: float = Field(default=0.5, gt=0, le=1)
    mirroring: bool = False
    orientation: Literal["auto", "LPS", "RAS"] = Field(default="auto", description="order of the axes the model was trained on")


class Target(Strict):
    """Where one mask comes from: labels of a model, or supplied masks."""

    model: str | None = None
    labels: tuple[int, ...] = ()
    masks: bool = False
    structures: tuple[str, ...] = Field(default=(), description="names in RTSTRUCT or DICOM SEG files; left out: told by their names")


class Segmentation(Strict):
    """Models by name, and each target of the study mapped to one of them or to supplied masks."""

    models: dict[str, SegmentationModel] = Field(default_factory=dict)
    targets: dict[str, Target] = Field(default_factory=dict)


class KnownPeers(Strict):
    """At least this many of these signing-key fingerprints must be in a roster."""

    at_least: int = Field(ge=1)
    fingerprints: tuple[str, ...]


class ShareHolders(Strict):
    """The terms on which this hospital's rows are shared secretly, and whether it holds shares of a study itself."""

    at_least: Literal[3, 5] = 3
    here: bool = True


class Policy(Strict):
    """What this hospital permits; it is checked at admission and again at the door."""

    minimum_roster: int = Field(default=3, ge=1)
    minimum_patients: int = Field(default=20, ge=1)
    minimum_cox_patients: int = Field(default=100, ge=1)
    minimum_events_per_variable: int = Field(default=5, ge=1, description="of a Cox model, whatever a study declares")
    minimum_cell_days: int = Field(default=30, ge=1, description="no cut points of the training hazard closer than this, but exact ones")
    maximum_rounds: int = Field(default=5_000, ge=1, description="rounds of training one study may ask for")
    known_peers: KnownPeers | None = None
    statistics: tuple[str, ...] | None = Field(default=None, description="names allowed; left out: all but opt-in ones")
    resolutions: tuple[Literal["counts", "update", "shares", "exact"], ...] = ("counts", "update", "shares")
    share_holders: ShareHolders = ShareHolders()
    query_budget: dict[str, int] = Field(default_factory=dict, description="statistic → releases allowed for one cohort, over all studies")
    masks_required: bool = True
    role: Literal["any", "development", "evaluation"] = "any"
    epsilon_budget: float | None = Field(default=None, gt=0, le=64)
    schedule: OpenHours = OpenHours()
    simulated_patients: bool = Field(default=False, description="true only where every patient is made up; lifts minima for demonstrations")


class Compute(Strict):
    """Device and memory."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=0, ge=0, description="0 leaves torch's own choice")
    micro_batch: int = Field(default=0, ge=0, description="0: 1 on a CPU, 4 on a GPU")
    workers: int = Field(default=1, ge=1)


class Logging(Strict):
    """Where the program's own log goes and how much of it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    keep_megabytes: int = Field(default=50, ge=1)


class SiteConfig(Strict):
    """Everything a hospital declares in `site.yaml`. `home` is the folder the file stands in."""

    site: SiteName
    paths: Paths = Paths()
    compute: Compute = Compute()
    segmentation: Segmentation = Segmentation()
    policy: Policy = Policy()
    logging: Logging = Logging()
    home: Path = Field(default=Path(), exclude=True)

    def path(self, which: Path) -> Path:
        """A configured path, made absolute from `home`."""
        return which if which.is_absolute() else (self.home / which)

    @property
    def state(self) -> Path:
        """The private state folder."""
        return self.path(self.paths.state)
