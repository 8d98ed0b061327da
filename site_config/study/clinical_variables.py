"""Clinical variables as a study declares them, and the design columns they become in its models."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log, nan
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NO_YES = {0: "no", 1: "yes"}


class Strict(BaseModel):
    """Base of everything read from a document: unknown fields are refused and values do not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ClinicalVariable(Strict):
    """One column of the clinical model: coded (binary, ordinal, nominal) or a number within declared bounds (continuous).

    An ordinal variable enters as one linear term of its order, a nominal one as a column a code but the first, a continuous one
    as it is or as its natural logarithm.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    label: str
    kind: Literal["binary", "ordinal", "nominal", "continuous"] = "binary"
    unit: str = Field(default="", max_length=40, description="of a continuous variable, shown in the report")
    values: dict[int, str] = Field(default_factory=lambda: dict(NO_YES))
    bounds: tuple[float, float] | None = Field(default=None, description="of a continuous variable: the least and the largest value")
    log: bool = Field(default=False, description="a continuous variable enters as its natural logarithm")

    @model_validator(mode="before")
    @classmethod
    def _no_codes(cls, given: Any) -> Any:
        """A continuous variable has no codes unless somebody wrote some, which the rules refuse."""
        if isinstance(given, dict) and given.get("kind") == "continuous" and "values" not in given:
            return {**given, "values": {}}
        return given

    @property
    def coded(self) -> bool:
        """Whether its values are codes."""
        return self.kind != "continuous"

    @property
    def codes(self) -> tuple[int, ...]:
        """Codes in their order."""
        return tuple(sorted(self.values))

    @property
    def span(self) -> tuple[float, float]:
        """Least and largest value as it enters a model: a code's place in the order, or the bounds (their logarithms)."""
        if self.coded:
            return 0.0, float(len(self.codes) - 1)
        low, high = self.bounds or (0.0, 1.0)
        return (log(low), log(high)) if self.log else (low, high)

    def entered(self, value: float | None) -> float:
        """A value of the table as it enters a model; NaN where it is not known or no code."""
        if value is None or not isfinite(value):
            return nan
        if not self.coded:
            return log(value) if self.log and value > 0 else (nan if self.log else float(value))
        return float(self.codes.index(int(value))) if value in self.values else nan

    def shown(self, value: float | None) -> str:
        """A value of the table in words."""
        if value is None or not isfinite(value):
            return "not known"
        if self.coded:
            return self.values.get(int(value), f"{value:g}")
        return f"{value:g} {self.unit}".strip()

    @property
    def titled(self) -> str:
        """Label with its unit, and the logarithm where it enters as one."""
        unit = f", {self.unit}" if self.unit else ""
        return f"{self.label}{unit} (log)" if self.log else f"{self.label}{unit}"


@dataclass(frozen=True)
class DesignColumn:
    """One column of a model's design: `place` is None for a variable's own column, else the place of a nominal one's code."""

    name: str
    label: str
    variable: ClinicalVariable
    place: int | None = None

    def left_out(self) -> str:
        """What becomes of the patients of a nominal level whose column a model leaves out; '' of any other column."""
        if self.place is None:
            return ""
        return f"; patients with it count with the reference level, {self.variable.values[self.variable.codes[0]]}"

    def of(self, value: float | None) -> float:
        """The column's value for a value of the table; NaN where that is not known."""
        entered = self.variable.entered(value)
        return entered if self.place is None or entered != entered else float(entered == self.place)

    @property
    def levels(self) -> tuple[float, ...] | None:
        """The values it can have, None for a continuous one."""
        if not self.variable.coded:
            return None
        return (0.0, 1.0) if self.place is not None else tuple(float(place) for place in range(len(self.variable.codes)))

    @property
    def span(self) -> tuple[float, float]:
        """Least and largest value."""
        return (0.0, 1.0) if self.place is not None else self.variable.span

    def shown(self, entered: float) -> str:
        """A value of the column in words."""
        if not isfinite(entered):
            return "?"
        if self.place is not None:
            return NO_YES[round(entered)]
        if not self.variable.coded:
            value = exp(entered) if self.variable.log else entered
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        codes = self.variable.codes
        place = round(entered)
        return self.variable.values[codes[place]] if 0 <= place < len(codes) else f"{entered:g}"


def design_columns(variables: tuple[ClinicalVariable, ...]) -> tuple[DesignColumn, ...]:
    """The design columns of variables, in their order."""
    found: list[DesignColumn] = []
    for variable in variables:
        if variable.kind == "nominal":
            for place, code in enumerate(variable.codes[1:], start=1):
                found.append(DesignColumn(f"{variable.name}_{code}", f"{variable.label}: {variable.values[code]}", variable, place))
        else:
            found.append(DesignColumn(variable.name, _column_label(variable), variable))
    return tuple(found)


def _column_label(variable: ClinicalVariable) -> str:
    """The variable's title; of two values that are not no and yes also which of them the effect is of."""
    if variable.kind != "binary" or len(variable.codes) != 2:
        return variable.titled
    first, second = (variable.values[code] for code in variable.codes)
    return variable.titled if (first.lower(), second.lower()) == ("no", "yes") else f"{variable.titled}: {second}"


def seven_variables() -> tuple[ClinicalVariable, ...]:
    """The seven clinical variables of Xia et al. 2024, Table 1."""
    grades = {0: "high", 1: "moderate", 2: "low", 3: "undifferentiated"}
    named = (("nash", "NASH"), ("pvtt", "PVTT"), ("surgery", "Surgery"), ("ebrt", "EBRT"), ("tace", "TACE"), ("rfa", "RFA"))
    first = ClinicalVariable(name="differentiation", label="Differentiation", kind="ordinal", values=grades)
    return (first, *(ClinicalVariable(name=name, label=label) for name, label in named))
