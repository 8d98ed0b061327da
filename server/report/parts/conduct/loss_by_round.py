"""Figure S7: loss of training and validation patients by round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from server.report import number_text
from server.report.common import figure_style
from server.report.common.figure_style import Picture
from server.report.page_blocks import Block, Figure, Panel, TableBlock
from server.report.parts.part import Heading, ReportedStudy, ReportPart, nothing, reads_scans
from server.study.study_results import RoundPoint
from site_config.study.prognostic_models import MODELS


def blocks(_found: None, report: ReportedStudy) -> Iterator[Block]:
    """One panel a network."""
    rounds = report.result.rounds
    models = list(dict.fromkeys(point.model for point in rounds))
    if models:
        scale = loss_scale(rounds)
        own = {model: [point for point in rounds if point.model == model] for model in models}
        panels = [Panel(draw(model, own[model], f"train-{model}", scale, simulated=report.simulated)) for model in models]
        caption = (
            "Loss a patient of the broadcast-hazard likelihood, both sets and all networks on one scale. A round whose global loss had "
            "risen is taken back and repeated at half the rate."
        )
        yield Figure("training-figure", "Figure S7", "Training by round", panels, [table(rounds)], caption)


def table(rounds: Iterable[RoundPoint]) -> TableBlock:
    """Every tenth round and those that were taken back."""
    kept = [p for p in rounds if p.round % 10 == 0 or not p.accepted]
    body = [
        [
            p.model,
            str(p.round),
            str(p.block),
            str(p.patients),
            number_text.number(p.loss, 4),
            number_text.number(p.validation_loss, 4),
            "yes" if p.accepted else "taken back",
        ]
        for p in kept
    ]
    note = "Every tenth round, and those that were taken back. Training losses are apparent."
    header = ["Model", "Round", "Block", "n", "Training loss", "Validation loss", "Accepted"]
    return TableBlock("Training by round", header, body, note=note)


def loss_scale(rounds: Sequence[RoundPoint]) -> tuple[float, float]:
    """The ends of the axis every panel shares."""
    losses = [loss for point in rounds for loss in (point.loss, point.validation_loss) if loss is not None]
    low, high = (min(losses), max(losses)) if losses else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.05
    return low - room, high + room


@figure_style.styled
def draw(model: str, rounds: Sequence[RoundPoint], name: str, scale: tuple[float, float], *, simulated: bool) -> Picture:
    """Loss of the training patients by round, validation loss where it was opened, rejected rounds marked."""
    figure, axes = figure_style.panel(335, 260)
    taken = [point for point in rounds if point.loss is not None]
    axes.plot([p.round for p in taken], [p.loss for p in taken], color=MODELS[model].colour, linewidth=1.2, label="training (apparent)")
    checked = [point for point in rounds if point.validation_loss is not None]
    if checked:
        losses = [p.validation_loss for p in checked]
        look = {"color": figure_style.INK, "marker": "o", "markersize": 4, "linewidth": 1.2, "linestyle": (0, (4, 2))}
        axes.plot([p.round for p in checked], losses, label="validation", **look)
    rejected = [point for point in taken if not point.accepted]
    if rejected:
        places = [p.round for p in rejected], [p.loss for p in rejected]
        axes.plot(*places, linestyle="none", marker="x", color=figure_style.MARK, label="taken back")
    axes.set(xlabel="Round", ylabel="Loss a patient", ylim=scale)
    axes.set_title(model, loc="left", pad=22)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0, ncols=3, columnspacing=1.2, handletextpad=0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    ends = f"from {number_text.number(taken[0].loss, 3)} to {number_text.number(taken[-1].loss, 3)}" if taken else "no loss was opened"
    told = f"{number_text.plural(len(rounds), 'round')}, training loss {ends}, {len(rejected)} taken back"
    return figure_style.finish(figure, name, f"Training of {model}: {told}.", simulated=simulated)


def missing(_found: None, report: ReportedStudy) -> dict[str, str]:
    """Why there is nothing to draw."""
    return {} if report.result.rounds else {"training": report.why("training", "No network was trained in this study.")}


TRAINING = ReportPart(
    name="training", heading=Heading("training", "Training"), numbers=nothing, blocks=blocks, missing=missing, belongs=reads_scans
)
