"""One table on shares (or by the plain twin) against its pooled rows: the largest error of every kind of opened value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import fedhcc
from evidence.accuracy.shares.accuracy_cohorts import Tried
from evidence.accuracy.shares.pooled_oracles import PooledRows
from shared_model.disclosure.limits import SENSITIVITY_BITS

Floats = NDArray[np.float64]
Holders = Literal[0, 3, 5]
BARS: Mapping[str, float] = {
    "beta, efron": 1e-5,
    "se, efron": 1e-4,
    "beta, breslow": 1e-5,
    "se, breslow": 1e-4,
    "C": 1e-6,
    "se of C": 1e-5,
    "difference of C": 2e-6,
    "se of the difference": 1e-5,
    "AUC": 1e-5,
    "se of AUC": 1e-5,
    "sensitivity": 2.0 ** (1 - SENSITIVITY_BITS.value),
    "survival": 1e-4,
    "interval": 1e-4,
    "log-rank chi2": 1e-4,
    "hazard ratio": 1e-4,
    "calibration": 1e-4,
}

OF_SCORES = ("C", "se of C", "AUC", "se of AUC", "sensitivity", "difference of C", "se of the difference")


def found_on_shares(tried: Tried, holders: Holders) -> dict[str, Any]:
    """Both fits and the metrics of a table."""
    names: dict[str, Any] = {"site": "hospital", "time": tried.time, "event": tried.event}
    model: dict[str, Any] = names | {"covariates": tried.covariates, "strata": tried.strata, "resolution": "shares", "holders": holders}
    fits: dict[str, Any] = {ties: fedhcc.cox(tried.frame, ties=ties, **model) for ties in ("efron", "breslow")}
    metrics = fedhcc.metrics(
        tried.frame,
        **names,
        score=tried.score,
        group=tried.group,
        horizons=tried.horizons,
        points=tried.points,
        resolution="shares",
        holders=holders,
    )
    return {**fits, "metrics": metrics}


def errors(found: Mapping[str, Any]) -> dict[str, float]:
    """The largest error by kind; NaN where nothing of a kind is open. Of a coefficient above 1 it is a share of the coefficient."""
    result: dict[str, float] = {}
    for ties in ("efron", "breslow"):
        fit = found[ties]
        rows, kept = PooledRows(fit.rows.time, fit.rows.event, fit.rows.stratum), fit.fit.kept
        beta, se = rows.cox(fit.rows.x[:, kept], ties) if kept.any() else (np.full(1, np.nan), np.full(1, np.nan))
        room = np.maximum(1.0, np.abs(beta))
        result[f"beta, {ties}"] = float((np.abs(fit.fit.coef[kept] - beta) / room).max()) if kept.any() else float("nan")
        result[f"se, {ties}"] = float((np.abs(fit.fit.se[kept] - se) / room).max()) if kept.any() else float("nan")
    return result | _of_scores(found["metrics"]) | _of_groups(found["metrics"]) | _of_calibration(found["metrics"])


def _largest(values: list[float]) -> float:
    return float(np.max(np.abs(values))) if values else float("nan")


def _of_scores(found: Any) -> dict[str, float]:
    rows, shown = PooledRows(found.rows.time, found.rows.event), found.to_dict()
    kinds: dict[str, list[float]] = {name: [] for name in OF_SCORES}
    influence = {}
    for j, name in enumerate(found.rows.names):
        score, of = found.rows.x[:, j], shown["scores"][name]
        c, influence[name] = rows.concordance(score)
        kinds["C"].append(of["c_index"] - c)
        kinds["se of C"].append(of["c_index_se"] - float(np.sqrt((influence[name] ** 2).sum())))
        for day, one in of["auc"].items():
            if one["auc"] is not None:
                auc, se = rows.auc(score, float(day))
                kinds["AUC"].append(one["auc"] - auc)
                kinds["se of AUC"].append(one["se"] - se)
                points = one.get("sensitivity", {})
                kinds["sensitivity"] += [points[at] - rows.sensitivity(score, float(day), round(100 * float(at))) for at in points]
    for name, gap in shown["differences"].items():
        first = next(one for one in influence if name.startswith(f"{one}-") and name[len(one) + 1 :] in influence)
        second = name[len(first) + 1 :]
        kinds["difference of C"].append(gap["difference"] - (shown["scores"][first]["c_index"] - shown["scores"][second]["c_index"]))
        kinds["se of the difference"].append(gap["se"] - float(np.sqrt(((influence[first] - influence[second]) ** 2).sum())))
    return {name: _largest(values) for name, values in kinds.items()}


def _of_groups(found: Any) -> dict[str, float]:
    rows, shown, labels = PooledRows(found.rows.time, found.rows.event), found.to_dict(), np.array(found.rows.group)
    survival: list[float] = []
    interval: list[float] = []
    for name, curve in {"": shown["km"]["overall"], **shown["km"]["groups"]}.items():
        mine = rows.where(labels == name) if name else rows
        for day, *opened in zip(curve["time"], curve["survival"], curve["low"], curve["high"], strict=True):
            known = mine.curve(day)
            survival.append(opened[0] - known[0])
            interval += [opened[1] - known[1], opened[2] - known[2]]
    second = (labels == list(shown["km"]["groups"])[1]).astype(float)[:, None]
    ratio, test = shown["hr"], shown["logrank"]
    return {
        "survival": _largest(survival),
        "interval": _largest(interval),
        "log-rank chi2": _largest([test["chi2"] - rows.logrank(labels)] if test else []),
        "hazard ratio": _largest([ratio["hr"] - float(np.exp(rows.cox(second)[0][0]))] if ratio and ratio["hr"] else []),
    }


def _of_calibration(found: Any) -> dict[str, float]:
    rows, shown = PooledRows(found.rows.time, found.rows.event), found.to_dict()["calibration"] or {"groups": {}}
    score = found.rows.x[:, 0]
    slope = float(rows.cox(score[:, None])[0][0])
    ordered = np.sort(score)
    cuts = sorted({float(ordered[int(np.ceil(len(score) * share)) - 1]) for share in (0.25, 0.5, 0.75)})
    group = np.searchsorted(cuts, score, side="left") + 1
    gaps = []
    for day, lines in shown["groups"].items():
        predicted = np.exp(-rows.baseline(slope * score, float(day)) * np.exp(slope * score))
        for one in lines:
            mine = group == one["group"]
            if one["observed"] is not None:
                gaps += [one["predicted"] - float(predicted[mine].mean()), one["observed"] - rows.where(mine).curve(float(day))[0]]
    return {"calibration": _largest(gaps)}
