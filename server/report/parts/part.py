"""What a part of the report is, and the finished study that every part reads.

A part is one value in one file: its numbers (what `metrics.json` holds under its name), the blocks of the page that show
them, and the sentence that stands there where it has nothing to show. Adding one is adding its value to
`server.report.list_of_parts`; nothing else knows the parts by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from server.report.page_blocks import Block, Paragraph
from server.study.opened_analyses import OpenedAnalyses
from server.study.study_results import StudyResult
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS, ModelName, PrognosticModel

Found = TypeVar("Found")


@dataclass(frozen=True)
class Heading:
    """A section of the page: its anchor and its title. Parts of one heading stand together."""

    name: str
    title: str


@dataclass(frozen=True, kw_only=True)
class ReportPart(Generic[Found]):
    """One part of the report.

    `numbers` computes what the part knows from the finished study; `shape` is their type, under which they stand in
    `metrics.json` by `name` (None: the part shows only what other parts computed, or words). `blocks` makes the page's
    blocks. `missing` gives, by what is missing, the sentence in its place. `belongs` says whether a study has this part at all.
    """

    name: str
    heading: Heading
    numbers: Callable[[ReportedStudy], Found]
    blocks: Callable[[Found, ReportedStudy], Iterable[Block]]
    missing: Callable[[Found, ReportedStudy], Mapping[str, str]] = lambda _found, _report: {}
    shape: Any = None
    belongs: Callable[[Study], bool] = lambda _study: True


def nothing(_report: ReportedStudy) -> None:
    """The numbers of a part that has none of its own."""


def reads_scans(study: Study) -> bool:
    """Whether a study has parts about images."""
    return study.reads_scans


def fuses(study: Study) -> bool:
    """Whether a study has parts about fused models."""
    return any(model.is_fused for model in MODELS.preferred(study.models))


class ReportedStudy:
    """A finished study as parts read it. Every part's numbers are computed once, when first asked for."""

    def __init__(self, result: StudyResult) -> None:
        self.result = result
        self.study = Study.model_validate(result.lock["study"])
        self._found: dict[str, Any] = {}

    def of(self, part: ReportPart[Found]) -> Found:
        """The numbers of a part."""
        if part.name not in self._found:
            self._found[part.name] = part.numbers(self)
        return cast(Found, self._found[part.name])

    @property
    def minimum(self) -> int:
        """Counts from 1 to below this are not printed."""
        return max(self.study.privacy.minimum_patients, 1)

    @property
    def analyses(self) -> OpenedAnalyses | None:
        """What was opened on secret shares; there are no tables beside it."""
        return self.result.analyses

    @property
    def simulated(self) -> bool:
        """Whether the patients are made up."""
        return self.result.simulated

    @property
    def primary(self) -> PrognosticModel:
        """The model that was declared to stand for the study wherever one must."""
        return MODELS.preferred(self.study.models)[0]

    @property
    def cutoffs(self) -> dict[ModelName, float]:
        """The frozen cut-offs, by model."""
        found = self.analyses.cutoffs if self.analyses else self.result.cutoffs
        return {one.model: one.value for one in found}

    def told(self, about: str) -> str:
        """Every finding about one thing, as sentences with their codes; empty where there is none."""
        return " ".join(sentence(finding) for finding in self.result.findings if finding.get("about") == about)

    def why(self, about: str, plain: str) -> str:
        """The plain sentence, and every finding about this thing."""
        return f"{plain.rstrip('.')}. {self.told(about)}".strip()

    def evaluated(self) -> list[ModelName]:
        """Models of the study whose score was evaluated anywhere, in the study's order."""
        rows = self.analyses.concordance if self.analyses else self.result.tables
        held = {row.model for row in rows}
        return [model for model in self.study.models if model in held]


def sentence(finding: dict[str, Any]) -> str:
    """`FH-756: CLN: …` as one sentence, naming what it is about once."""
    about, what = str(finding.get("about") or ""), str(finding.get("what") or "").rstrip(". ")
    named = what if not about or what.startswith(about.split(" ")[0]) else f"{about}: {what}"
    return f"{finding.get('code', '')}: {named}."


def reasons(words: Iterable[str]) -> list[Block]:
    """Sentences that stand in the place of something missing."""
    return [Paragraph(one, tone="absent") for one in words]


def shown(part: ReportPart[Any], report: ReportedStudy) -> list[Block]:
    """A part's blocks and, after them, why some of it is missing."""
    found = report.of(part)
    return [*part.blocks(found, report), *reasons(part.missing(found, report).values())]
