"""The picture of federated against pooled training of phantoms."""

from __future__ import annotations

from collections.abc import Sequence

from server.report import text
from server.report.figures import style
from server.report.figures.style import Picture


@style.styled
def paired(points: Sequence[tuple[float, float]], name: str, *, simulated: bool) -> Picture:
    """One dot a seed: C of the pooled network across, of the federated one up."""
    figure, axes = style.panel(360, 350)
    values = [value for point in points for value in point]
    low, high = min([0.5, *values]) - 0.02, max([0.7, *values]) + 0.02
    axes.plot([low, high], [low, high], color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.plot([x for x, _ in points], [y for _, y in points], linestyle="none", marker="o", markersize=6, color=style.LOW, alpha=0.8)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="C-index, pooled", ylabel="C-index, federated", aspect="equal")
    told = "; ".join(f"pooled {text.number(x, 3)}, federated {text.number(y, 3)}" for x, y in points)
    return style.finish(figure, name, f"C-index of the federated against the pooled network by seed: {told}.", simulated=simulated)
