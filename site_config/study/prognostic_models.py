"""The prognostic models as values: what each reads, what it is made of, which is preferred, how it is drawn.

The five of Xia et al. 2024 stand at the end. Everything else asks these values and compares no name: a further fused model
is one more `MODELS.add(…)`, and every phase, bundle, prediction and figure takes it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic_core import PydanticKnownError, core_schema

Dash = str | tuple[int, tuple[float, ...]]
SCANS: Final = ("", "baseline CT", "baseline and follow-up CT")


@dataclass(frozen=True, kw_only=True)
class PrognosticModel:
    """One model. Exactly one of `visits`, `variables` and `parts` says what its score is.

    `visits`: a network reads so many CT visits of a patient (1 baseline, 2 with the follow-up). `variables`: it is the
    clinical model. `parts`: a Cox model of two other models' scores, a network's first and the clinical one second.
    `rank`: place in the order of preference, 1 first: the model that knows most of a patient is read first, wherever one
    must stand for all. `dropout`: a network's own default. `risk_figure`: the figure of Xia et al. that shows its risk groups,
    None where the report draws none. `colour` and `dash` (matplotlib's) tell it apart in every figure.
    """

    name: str
    rank: float
    label: str
    colour: str
    dash: Dash = "solid"
    visits: int = 0
    variables: bool = False
    parts: tuple[PrognosticModel, ...] = ()
    dropout: float = 0.0
    risk_figure: str | None = None

    def __post_init__(self) -> None:
        """A model that contradicts itself is a fault of the program that declares it."""
        if [bool(self.visits), self.variables, bool(self.parts)].count(True) != 1:
            raise ValueError(f"{self.name}: one of visits, variables and parts")
        if self.parts and [(part.visits > 0, part.variables) for part in self.parts] != [(True, False), (False, True)]:
            raise ValueError(f"{self.name}: the parts are a network and the clinical model")
        if not 0 <= self.visits < len(SCANS):
            raise ValueError(f"{self.name}: a network reads one or two visits")

    @property
    def is_fused(self) -> bool:
        """Whether its score is made of other models' scores."""
        return bool(self.parts)

    @property
    def is_network(self) -> bool:
        """Whether it is a network itself, with weights of its own."""
        return self.visits > 0

    @property
    def network(self) -> PrognosticModel | None:
        """The network whose score goes into it: itself, its part, or none."""
        return self if self.is_network else next((part for part in self.parts if part.is_network), None)

    @property
    def clinical(self) -> PrognosticModel | None:
        """The clinical model whose score goes into it: itself, its part, or none."""
        return self if self.variables else next((part for part in self.parts if part.variables), None)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the models that must be fitted before it."""
        return tuple(part.name for part in self.parts)

    @property
    def scans(self) -> str:
        """The scans it reads, in words; empty where it reads none."""
        return SCANS[self.network.visits] if self.network else ""

    def can_read(self, *, followup: bool) -> bool:
        """Whether a patient with a baseline scan, and with a follow-up as said, has the scans it reads."""
        return self.network is None or self.network.visits == 1 or followup


class KnownModels:
    """The known models by name."""

    def __init__(self) -> None:
        self._known: dict[str, PrognosticModel] = {}

    def add(self, model: PrognosticModel) -> PrognosticModel:
        """Make a model known; a name or a rank given twice is an error."""
        if any(model.name == one.name or model.rank == one.rank for one in self):
            raise ValueError(f"{model.name}: name or rank is taken")
        self._known[model.name] = model
        return model

    def remove(self, model: PrognosticModel) -> None:
        """Forget a model again, as a test does with its own."""
        del self._known[model.name]

    def __getitem__(self, name: str) -> PrognosticModel:
        """The model of a name; `KeyError` for an unknown one."""
        return self._known[name]

    def __iter__(self) -> Iterator[PrognosticModel]:
        """Every model, the preferred first."""
        return iter(sorted(self._known.values(), key=lambda model: model.rank))

    def preferred(self, names: Iterable[str]) -> tuple[PrognosticModel, ...]:
        """The models of these names, the preferred first; names of no model are left out."""
        wanted = set(names)
        return tuple(model for model in self if model.name in wanted)

    def fitted(self, names: Iterable[str]) -> tuple[PrognosticModel, ...]:
        """The models of these names in the order in which they are fitted: what others need stands before them."""
        return tuple(sorted(self.preferred(names), key=lambda model: (model.is_fused, -model.rank)))

    def networks(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names of the networks these models need, each once, in the order of their training."""
        needed = {model.network.name for model in self.preferred(names) if model.network}
        return tuple(model.name for model in self.fitted(needed))

    def read_scans(self, names: Iterable[str]) -> bool:
        """Whether any of these models reads scans."""
        return any(model.network for model in self.preferred(names))

    def read_variables(self, names: Iterable[str]) -> bool:
        """Whether any of these models reads clinical variables."""
        return any(model.clinical for model in self.preferred(names))


MODELS: Final = KnownModels()

CLN: Final = MODELS.add(
    PrognosticModel(name="CLN", rank=5, variables=True, label="Clinical score (CLN)", colour="#6b7280", dash=(0, (1, 1.4)))
)
RAD_S: Final = MODELS.add(
    PrognosticModel(name="Rad-S", rank=4, visits=1, label="Radiological score (Rad-S)", colour="#56B4E9", dash=(0, (4, 2)), dropout=0.25)
)
RAD_D: Final = MODELS.add(
    PrognosticModel(
        name="Rad-D", rank=3, visits=2, label="Radiological score (Rad-D)", colour="#0072B2", dropout=0.1, risk_figure="Figure S6"
    )
)
RADCLN_S: Final = MODELS.add(
    PrognosticModel(
        name="RadCLN-S",
        rank=2,
        parts=(RAD_S, CLN),
        label="Fused score (RadCLN-S)",
        colour="#E69F00",
        dash=(0, (6, 2, 1, 2)),
        risk_figure="Figure S5",
    )
)
RADCLN_D: Final = MODELS.add(
    PrognosticModel(
        name="RadCLN-D", rank=1, parts=(RAD_D, CLN), label="Fused score (RadCLN-D)", colour="#D55E00", risk_figure="Figure 3, right"
    )
)

PAPER_MODELS: Final = tuple(model.name for model in MODELS.fitted(model.name for model in MODELS))
"""The five of the paper, in the order of their fitting."""


def no_dropout() -> dict[str, float]:
    """A study's `dropout` without any, for networks too small to spare units."""
    return {model.name: 0.0 for model in (RAD_S, RAD_D)}


def own_dropout() -> dict[str, float]:
    """A study's `dropout` as the paper's networks have it."""
    return {model.name: model.dropout for model in (RAD_S, RAD_D)}


@dataclass(frozen=True)
class Known:
    """A text that must name a known model, or a known network: the type of a document's field (pydantic)."""

    networks: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """The names that are accepted, in the order of fitting."""
        return tuple(model.name for model in MODELS.fitted(model.name for model in MODELS) if model.is_network or not self.networks)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """A text checked against the names known at that moment."""
        return core_schema.no_info_after_validator_function(self._checked, core_schema.str_schema())

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        """The names as an enumeration, for editors."""
        return {"type": "string", "enum": list(self.choices)}

    def _checked(self, name: str) -> str:
        if name not in self.choices:
            *first, last = (f"'{one}'" for one in self.choices)
            raise PydanticKnownError("literal_error", {"expected": f"{', '.join(first)} or {last}" if first else last})
        return name


ModelName = Annotated[str, Known()]
NetworkName = Annotated[str, Known(networks=True)]
