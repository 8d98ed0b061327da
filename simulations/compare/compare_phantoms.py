"""Whole studies of phantoms, seed by seed: the federated network against its pooled twin on held-out hospitals.

Each seed is one `simulations.study.simulated_study` in a folder of its own, so that an interrupted comparison goes on where it stopped;
no new seed is begun once the time given is spent.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from server.report import number_text
from server.report.common import figure_style
from server.report.common.figure_style import Picture
from server.report.page_blocks import Facts, Figure, Panel, Paragraph, Section, TableBlock
from server.report.report_page import Document, document
from server.study.study_results import StudyResult
from simulations.compare.comparison import mean_interval
from simulations.study.simulated_study import Options, run
from site_config.atomic_files import write_atomic


@dataclass(frozen=True)
class PhantomOutcome:
    """One seed: C-indices of the federated and the pooled network on the same held-out phantoms, and the truth's."""

    seed: int
    model: str
    n: int
    events: int
    c_federated: float
    federated_low: float | None
    federated_high: float | None
    c_pooled: float
    pooled_low: float | None
    pooled_high: float | None
    difference: float
    spearman: float | None
    oracle_images: float | None
    seconds: float


@dataclass(frozen=True)
class PhantomComparison:
    """All seeds that were finished, and how many were asked for; `low` and `high` bound the mean difference (95 %)."""

    preset: str
    asked: int
    outcomes: tuple[PhantomOutcome, ...]
    settings: dict[str, str]

    @property
    def mean(self) -> tuple[float, float | None, float | None] | None:
        """Mean difference with its interval; None without a finished seed."""
        if not self.outcomes:
            return None
        values = np.asarray([one.difference for one in self.outcomes])
        return float(values.mean()), *mean_interval(values)

    def as_dict(self) -> dict[str, object]:
        """Plain values for `--json` and evidence."""
        mean = self.mean
        bounds = dict(zip(("mean", "low", "high"), mean, strict=True)) if mean else None
        return {
            "preset": self.preset,
            "asked": self.asked,
            "difference": bounds,
            "settings": self.settings,
            "outcomes": [asdict(one) for one in self.outcomes],
        }


Study = Callable[[Path, str, int], StudyResult]


def run_study(out: Path, preset: str, seed: int) -> StudyResult:
    """One whole simulated study with its pooled twin, resumed where it stopped."""
    return run(Options(out=out, preset=preset, seed=seed)).result


def compare_phantom(
    out: Path,
    preset: str,
    seeds: Sequence[int],
    budget_s: float,
    tell: Callable[[str], None],
    study: Study = run_study,
    clock: Callable[[], float] = time.monotonic,
) -> PhantomComparison:
    """Run seeds in order until all are done or the time is spent; a seed whose network was not fitted is told and left out."""
    started = clock()
    outcomes: list[PhantomOutcome] = []
    settings: dict[str, str] = {}
    for seed in seeds:
        begun = clock()
        if begun - started >= budget_s:
            tell(f"time is spent: {len(outcomes)} of {len(seeds)} seeds")
            break
        result = study(out / f"seed-{seed}", preset, seed)
        found = outcome(result, seed, clock() - begun)
        if result.simulation is not None:
            settings = dict(result.simulation.settings)
        if found is None:
            tell(f"seed {seed}: no network to compare")
            continue
        outcomes.append(found)
        tell(f"seed {seed}: federated {found.c_federated:.3f}, pooled {found.c_pooled:.3f}")
    return PhantomComparison(preset, len(seeds), tuple(outcomes), settings)


def outcome(result: StudyResult, seed: int, seconds: float) -> PhantomOutcome | None:
    """What a finished study says about its pooled twin; None where there is none."""
    truth = result.simulation
    pooled = truth.pooled[-1] if truth is not None and truth.pooled else None
    if truth is None or pooled is None or pooled.c_federated is None or pooled.c_pooled is None:
        return None
    federated_low, federated_high = pooled.c_federated_ci or (None, None)
    pooled_low, pooled_high = pooled.c_pooled_ci or (None, None)
    return PhantomOutcome(
        seed=seed,
        model=pooled.model,
        n=pooled.n,
        events=pooled.events,
        c_federated=pooled.c_federated,
        federated_low=federated_low,
        federated_high=federated_high,
        c_pooled=pooled.c_pooled,
        pooled_low=pooled_low,
        pooled_high=pooled_high,
        difference=pooled.c_federated - pooled.c_pooled,
        spearman=pooled.spearman,
        oracle_images=truth.oracle_images.get("test", truth.oracle_images.get("evaluation")),
        seconds=seconds,
    )


def write_phantom(comparison: PhantomComparison, folder: Path) -> tuple[Path, Path]:
    """Write `compare-phantom.html` and `compare-phantom.csv` into the folder and return their paths."""
    page, rows = folder / "compare-phantom.html", folder / "compare-phantom.csv"
    folder.mkdir(parents=True, exist_ok=True)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(PhantomOutcome.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in comparison.outcomes)
    write_atomic(rows, out.getvalue().encode(), mode=0o644)
    write_atomic(page, document(_page(comparison)).encode(), mode=0o644)
    return page, rows


def _page(comparison: PhantomComparison) -> Document:
    mean = comparison.mean
    done = f"{len(comparison.outcomes)} of {number_text.plural(comparison.asked, 'seed')}"
    lede = (
        "The same network trained by broadcast hazard over hospitals and on pooled patients, from the same first weights and with the same "
        f"flips, optimiser and number of updates; C-index on held-out phantoms, {done}."
    )
    body = [
        [
            str(one.seed),
            str(one.n),
            str(one.events),
            number_text.with_interval(one.c_federated, one.federated_low, one.federated_high, 3),
            number_text.with_interval(one.c_pooled, one.pooled_low, one.pooled_high, 3),
            number_text.number(one.difference, 4),
            number_text.number(one.spearman, 4),
            number_text.number(one.oracle_images, 3),
            number_text.seconds(one.seconds),
        ]
        for one in comparison.outcomes
    ]
    header = [
        "Seed",
        "n",
        "Events",
        "C federated (95 % CI)",
        "C pooled (95 % CI)",
        "Difference",
        "Spearman",
        "C of the truth, images",
        "Time",
    ]
    table = TableBlock("Seed by seed", header, body)
    words = "No seed was finished." if mean is None else f"Mean difference {number_text.with_interval(*mean, 4)}."
    blocks: list[Paragraph | Figure | TableBlock | Facts] = [Paragraph(words)]
    if comparison.outcomes:
        pairs = [(one.c_pooled, one.c_federated) for one in comparison.outcomes]
        picture = paired(pairs, "paired", simulated=True)
        caption = "A dot a seed; on the line both are equal."
        blocks.append(Figure("pairs", "", "C-index on held-out phantoms", [Panel(picture)], [table], caption))
    blocks += [table, Facts([("preset", comparison.preset), *comparison.settings.items()])]
    return Document(
        heading="Federated against pooled: phantoms",
        eyebrow="fedhcc-sim compare phantom",
        lede=lede,
        chips=[("SIMULATED", "warn"), (done, "")],
        sections=[Section("phantoms", "Phantoms", blocks)],
        footer="Every seed as a row: compare-phantom.csv beside this page.",
        simulated=True,
    )


@figure_style.styled
def paired(points: Sequence[tuple[float, float]], name: str, *, simulated: bool) -> Picture:
    """One dot a seed: C of the pooled network across, of the federated one up."""
    figure, axes = figure_style.panel(360, 350)
    values = [value for point in points for value in point]
    low, high = min([0.5, *values]) - 0.02, max([0.7, *values]) + 0.02
    axes.plot([low, high], [low, high], color=figure_style.MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.plot([x for x, _ in points], [y for _, y in points], linestyle="none", marker="o", markersize=6, color=figure_style.LOW, alpha=0.8)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="C-index, pooled", ylabel="C-index, federated", aspect="equal")
    told = "; ".join(f"pooled {number_text.number(x, 3)}, federated {number_text.number(y, 3)}" for x, y in points)
    return figure_style.finish(figure, name, f"C-index of the federated against the pooled network by seed: {told}.", simulated=simulated)
