"""Figures on an axis of the caller's, or on a new one; every function returns the axis.

Colours are those of Okabe and Ito, which people with colour blindness tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#767676"


def axis(ax: Any = None) -> Any:
    """The given axis, or one of a new figure."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]


def forest(summary: Any, ax: Any = None) -> Any:
    """Hazard ratios with their intervals on a logarithmic axis, in the table's order from above; dropped covariates are named."""
    ax = axis(ax)
    place = np.arange(len(summary))[::-1]
    ratio, low, high = (summary[name].to_numpy() for name in ("exp(coef)", "lower 95%", "upper 95%"))
    drawn = np.isfinite(ratio) & np.isfinite(low) & np.isfinite(high) & (low > 0)
    ax.axvline(1.0, color=GREY, linewidth=0.8)
    ax.errorbar(ratio[drawn], place[drawn], xerr=[(ratio - low)[drawn], (high - ratio)[drawn]], fmt="s", color=COLOURS[0], capsize=3)
    names = [name if good else f"{name} (not estimated)" for name, good in zip(summary.index, drawn, strict=True)]
    ax.set(xscale="log", yticks=place, yticklabels=names, xlabel="Hazard ratio (95 % interval)")
    ax.set_ylim(-0.6, len(summary) - 0.4)
    _plain_ticks(ax, np.append(low[drawn], high[drawn]))
    return ax


def _plain_ticks(ax: Any, shown: Any) -> None:
    """Ratios on a logarithmic axis as people write them: 0.5, 1, 2, and not 5 × 10⁻¹."""
    from matplotlib import ticker

    wide = len(shown) and shown.max() > 4 * shown.min()
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)) if wide else ticker.MaxNLocator(5))
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _place: f"{value:g}"))


def survival(curves: Mapping[str, tuple[Any, Any, Any]], ax: Any = None) -> Any:
    """Kaplan–Meier curves by name: time (T,), survival (T,), interval (T, 2)."""
    ax = axis(ax)
    for index, (name, (time, alive, ends)) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        ax.step(np.append(0.0, time), np.append(1.0, alive), where="post", color=colour, label=name)
        ax.fill_between(time, ends[:, 0], ends[:, 1], step="post", color=colour, alpha=0.15, linewidth=0)
    ax.set(ylim=(0, 1.02), xlabel="Days", ylabel="Survival")
    ax.set_xlim(left=0)
    if len(curves) > 1:
        ax.legend(frameon=False)
    return ax


def differences(summary: Any, ax: Any = None) -> Any:
    """Mean difference in C-index to pooled training by method, with the interval over seeds."""
    ax = axis(ax)
    place = np.arange(len(summary))[::-1]
    mean, low, high = (summary[name].to_numpy() for name in ("difference", "lower 95%", "upper 95%"))
    low, high = np.where(np.isnan(low), mean, low), np.where(np.isnan(high), mean, high)
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.errorbar(mean, place, xerr=[mean - low, high - mean], fmt="o", color=COLOURS[0], capsize=3)
    ax.set(yticks=place, yticklabels=list(summary.index), xlabel="C-index, difference to pooled rows (95 % over seeds)")
    return ax


def concordances(summary: Any, ax: Any = None) -> Any:
    """C-index by model and set with its interval; columns `C`, `lower 95%`, `upper 95%`, index (model, set)."""
    ax = axis(ax)
    place = np.arange(len(summary))[::-1]
    value, low, high = (summary[name].to_numpy(dtype=float) for name in ("C", "lower 95%", "upper 95%"))
    known = np.isfinite(value)
    ax.axvline(0.5, color=GREY, linewidth=0.8)
    spread = [np.nan_to_num((value - low)[known]), np.nan_to_num((high - value)[known])]
    ax.errorbar(value[known], place[known], xerr=spread, fmt="o", color=COLOURS[0], capsize=3)
    ax.set(yticks=place, yticklabels=[", ".join(key) for key in summary.index], xlabel="C-index (95 % interval)")
    return ax


def spread(values: Any, label: str, ax: Any = None) -> Any:
    """A histogram of numbers; those that are missing are left out and counted in the label."""
    ax = axis(ax)
    known = values[np.isfinite(values)]
    ax.hist(known, bins="auto", color=COLOURS[0])
    missing = len(values) - len(known)
    ax.set(xlabel=f"{label} ({missing} missing)" if missing else label, ylabel="Patients")
    return ax
