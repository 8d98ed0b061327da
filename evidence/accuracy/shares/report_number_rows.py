"""Every number of metrics.json of which pooled rows know the value, beside it.

`metrics.json` is what the page, the exported tables and the figures are printed from, with four digits. A number is right where it is
within 1e-4 of the pooled one, or within half a unit of its last printed digit; a count is equal; a median is a whole month and may lie
anywhere between the two declared points around the pooled one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import erfc, exp, floor, isfinite, log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence.accuracy.shares.paper_cohort import NAMES, PaperStudy
from evidence.accuracy.shares.pooled_oracles import PooledRows
from shared_model.analyses.phases.earlier_results import known_scores
from shared_model.disclosure.limits import MONTHS_LOST_BITS, MONTHS_LOST_VARIANCE_BITS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Row = Mapping[str, Any]
SETS = {"train": 0, "validation": 1, "test": 2}
SET_TITLES = {"Training": 0, "Validation": 1, "Test": 2}
MAKERS = ("siemens", "ge", "philips", "canon")
MAKER_TITLES = ("Siemens", "GE", "Philips", "Canon (Toshiba)")
RESPONSES = ("CR", "PR", "SD", "PD")
MONTH = 365.25 / 12
NORMAL = 1.959963984540054
DIGITS = 4
CLOSE = 1e-4
COARSE = "median", "restricted mean"
"""Numbers on a grid that is coarser than the others' rounding."""
POINT_SET = 100
"""Sets of so many have a point every month; smaller ones, and groups, every quarter or half-year, and so their medians."""
RUNS = ((0,), (1,), (2,), (3,), (0, 1), (2, 3), (0, 1, 2, 3))
"""Quarters of the training scores that calibration may join."""


@dataclass(frozen=True)
class PrintedRow:
    """A printed number and the pooled one; `room` is the largest difference permitted beyond the printed rounding."""

    item: str
    what: str
    printed: float
    pooled: float
    room: float = CLOSE

    @property
    def right(self) -> bool:
        """Equal to the pooled number, or to its printed rounding."""
        last = 0.5 * 10.0 ** (floor(log10(abs(self.pooled))) - DIGITS + 1) if self.pooled and isfinite(self.pooled) else 0.0
        return abs(self.printed - self.pooled) <= self.room + (last if self.room else 0.0)


@dataclass
class PrintedRows:
    """A report's numbers against pooled rows, item by item."""

    study: PaperStudy
    metrics: Row
    rows: list[PrintedRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        cohort, lock = self.study.cohort, self.study.lock
        self.pooled = PooledRows(cohort.day, cohort.event)
        self.scores = {name: cohort.score(spec) for name, spec in self.study.plans["evaluation"].scores.items()}
        self.known = known_scores(lock, self.study.opened)
        self.cuts = {name: _quarters(score[cohort.set == 0]) for name, score in self.scores.items()}

    def compared(self) -> list[PrintedRow]:
        """Every number, in the order of the paper."""
        self._sizes()
        self._table_one()
        self._models()
        self._concordance()
        self._areas()
        self._risk_groups()
        self._calibration()
        self._response()
        self._sets()
        self._makers()
        return self.rows

    def add(self, item: str, what: str, printed: float | None, pooled: float, room: float = CLOSE) -> None:
        """A number that is printed; a closed one is `paper_rows`' matter."""
        if printed is not None:
            self.rows.append(PrintedRow(item, what, float(printed), float(pooled), room))

    def _members(self, name: str) -> Bools:
        held = self.study.cohort.set > 0
        return held if name == "combined" else np.ones_like(held) if name == "overall" else np.asarray(self.study.cohort.set == SETS[name])

    def _sizes(self) -> None:
        for one in self.metrics["sets"]:
            mine = self._members(one["set"])
            self.add("Figure 1", f"{one['set']}: patients", one["n"], mine.sum(), 0)
            self.add("Figure 1", f"{one['set']}: deaths", one["events"], self.study.cohort.event[mine].sum(), 0)

    def _table_one(self) -> None:
        cohort, study = self.study.cohort, self.study.lock.study
        labels = {variable.name: dict(variable.values) for variable in study.clinical}
        coded: dict[str, tuple[Floats, Mapping[str, int]]] = {
            name: (cohort.x[:, at], {title: code for code, title in labels[name].items()}) for at, name in enumerate(NAMES)
        }
        coded["sex"] = cohort.male, {"female": 0, "male": 1}
        coded["manufacturer"] = cohort.maker.astype(float), {title: code for code, title in enumerate(MAKER_TITLES)}
        coded["response"] = cohort.response.astype(float), {title: code for code, title in enumerate(RESPONSES)}
        amounts = {"age": cohort.age, "interval_days": cohort.interval}
        for row in self.metrics["characteristics"]:
            mine, name = self._members(row["set"]), row["variable"]
            if name in amounts:
                self.add("Table 1", f"{row['set']}: mean {name}", row["mean"], amounts[name][mine].mean(), 5e-3)
                self.add("Table 1", f"{row['set']}: SD {name}", row["sd"], amounts[name][mine].std(ddof=1), 5e-3)
            for cell in row["counts"] if name in coded else ():
                values, codes = coded[name]
                known = (values[mine] == codes[cell["value"]]).sum() if cell["value"] in codes else 0
                self.add("Table 1", f"{row['set']}: {name} {cell['value']}", cell["count"], known, 0)

    def _models(self) -> None:
        train = self.study.cohort.set == 0
        rows = self.pooled.where(train)
        for model in [self.metrics["clinical"], *self.metrics["fusion"]]:
            names = [row["covariate"] for row in model["coefficients"] if row["coef"] is not None]
            columns = [self.study.cohort.x[train, NAMES.index(name)] if name in NAMES else self.scores[name][train] for name in names]
            beta, se = rows.cox(np.stack(columns, 1))
            item = "Figure S3" if model is self.metrics["clinical"] else "Figure 4 a, b"
            for row, b, error in zip((r for r in model["coefficients"] if r["coef"] is not None), beta, se, strict=True):
                what = f"{model['model']}, {row['covariate']}"
                self.add(item, f"{what}: coefficient", row["coef"], b)
                self.add(item, f"{what}: standard error", row["se"], error)
                self._ratio(item, what, {"value": row["hr"], **row}, b, error)
                self.add(item, f"{what}: Wald χ²", row["wald_chi2"], (b / error) ** 2, 1e-3)

    def _ratio(self, item: str, what: str, printed: Row, b: float, se: float) -> None:
        self.add(item, f"{what}: hazard ratio", printed["value"], exp(b), CLOSE * max(1.0, exp(b)))
        for end, sign in (("low", -1), ("high", 1)):
            bound = exp(b + sign * NORMAL * se)
            self.add(item, f"{what}: {end} end", printed[end], bound, 2 * CLOSE * max(1.0, bound))
        self.add(item, f"{what}: p", printed["p"], erfc(abs(b / se) / sqrt(2)))

    def _of(self, model: str, mine: Bools) -> tuple[float, Floats]:
        return self.pooled.where(mine).concordance(self.scores[model][mine])

    def _concordance(self) -> None:
        for row in self.metrics["concordance"]:
            name, set_ = row["model"], row["set"]
            if set_ == "combined":
                parts = [self._of(name, self._members(one)) for one in ("validation", "test")]
                weights = np.array([1 / (influence**2).sum() for _, influence in parts])
                c, se = float(weights @ [one for one, _ in parts] / weights.sum()), float(weights.sum() ** -0.5)
            else:
                c, influence = self._of(name, self._members(set_))
                se = float(np.sqrt((influence**2).sum()))
            self._interval("Table 2", f"{name}, {set_}", row["c"], c, se)
            if row["p_score"] is not None:
                mine = self._members(set_)
                chi2 = self.pooled.where(mine).score_test(self.scores[name][mine])
                self.add("Table 2", f"{name}, {set_}: p of the score test", row["p_score"], erfc(sqrt(chi2 / 2)))
        for row in self.metrics["comparisons"]:
            if row["set"] == "combined":
                continue
            mine = self._members(row["set"])
            (one, first), (two, second) = (self._of(row[which], mine) for which in ("first", "second"))
            se = float(np.sqrt(((first - second) ** 2).sum()))
            what = f"{row['first']} against {row['second']}, {row['set']}"
            self.add("Table S2", f"{what}: difference", row["paired"]["value"], one - two)
            self.add("Table S2", f"{what}: standard error", row["paired"]["se"], se)
            self.add("Table S2", f"{what}: p", row["paired"]["p"], erfc(abs(one - two) / se / sqrt(2)), 1e-3)

    def _interval(self, item: str, what: str, printed: Row, value: float, se: float) -> None:
        self.add(item, what, printed["value"], value)
        self.add(item, f"{what}: standard error", printed["se"], se)
        self.add(item, f"{what}: low end", printed["low"], max(value - 1.96 * se, 0.0), 2 * CLOSE)
        self.add(item, f"{what}: high end", printed["high"], min(value + 1.96 * se, 1.0), 2 * CLOSE)

    def _areas(self) -> None:
        for row in self.metrics["roc"]:
            if row["set"] == "combined":
                continue
            mine = self._members(row["set"])
            area, se = self.pooled.where(mine).auc(self.scores[row["model"]][mine], row["horizon"])
            self._interval("Table 3, Figure S4", f"{row['model']}, {row['set']}, day {row['horizon']}", row["auc"], area, se)

    def curve(self, item: str, what: str, printed: Row, mine: Bools, room: float) -> None:
        """A curve's size, points with their intervals, numbers at risk and median."""
        rows = self.pooled.where(mine)
        self.add(item, f"{what}: patients", printed["n"], mine.sum(), 0)
        self.add(item, f"{what}: deaths", printed["events"], rows.event.sum(), 0)
        for day, *values in zip(printed["day"][1:], printed["survival"][1:], printed["low"][1:], printed["high"][1:], strict=True):
            for part, value, known in zip(("survival", "lower", "upper"), values, rows.curve(day), strict=True):
                self.add(item, f"{what}: {part} at day {day:g}", value, known)
        for day, count in zip(printed["ticks"], printed["at_risk"], strict=True):
            self.add(item, f"{what}: at risk at day {day:g}", count, (rows.day >= day).sum(), 0)
        if printed["median"] is not None:
            self.add(item, f"{what}: median in months", printed["median"] / MONTH, rows.median() / MONTH, room)
        for one in printed["means"]:
            mean, se = (value / MONTH for value in rows.restricted_mean(one["day"]))
            what_mean = f"{what}: restricted mean until day {one['day']:g}, months"
            self.add(item, what_mean, one["months"], mean, 2.0 ** (1 - MONTHS_LOST_BITS.value))
            self.add(item, f"{what_mean}: variance", one["se"] ** 2, se**2, 2.0 ** (1 - MONTHS_LOST_VARIANCE_BITS.value))

    def tested(self, item: str, what: str, printed: Row, groups: Sequence[Bools]) -> None:
        """Log-rank test and hazard ratio of the second group over the first."""
        first, second = groups
        both = first | second
        rows = self.pooled.where(both)
        if printed["logrank"] is not None:
            chi2 = rows.logrank(second[both])
            self.add(item, f"{what}: log-rank χ²", printed["logrank"]["chi2"], chi2)
            self.add(item, f"{what}: log-rank p", printed["logrank"]["p"], erfc(sqrt(chi2 / 2)))
        if printed["hazard_ratio"]["value"] is not None:
            b, se = rows.cox(second[both].astype(float)[:, None])
            self._ratio(item, what, printed["hazard_ratio"], float(b[0]), float(se[0]))

    def _risk_groups(self) -> None:
        items = {"RadCLN-D": "Figure 3", "CLN": "Figure S3", "RadCLN-S": "Figure S5", "Rad-D": "Figure S6", "Rad-S": "Risk groups of Rad-S"}
        for row in self.metrics["risk_groups"]:
            name, mine = row["model"], self._members(row["set"])
            high = self.scores[name] > self.cuts[name][1]
            self.add(items[name], "cut-off", row["cutoff"], self.cuts[name][1])
            groups = {"Low risk": mine & ~high, "High risk": mine & high}
            for one in row["curves"]:
                self.curve(items[name], f"{row['set']}, {one['label']}", one, groups[one["label"]], room=6.5)
            self.tested(items[name], f"{row['set']}, high against low", row, list(groups.values()))

    def _calibration(self) -> None:
        for row in self.metrics["calibration"]:
            name, score, day = row["model"], self.scores[row["model"]], row["horizon"]
            quarter = np.sum([score > cut for cut in self.cuts[name]], axis=0)
            hazard, slope = self.known.hazards[name][day], self.known.slopes.get(name, 1.0)
            risk = np.exp(-hazard * np.exp(slope * score))
            for group in row["groups"]:
                runs = [self._members(row["set"]) & np.isin(quarter, run) for run in RUNS]
                same = [mine for mine in runs if mine.sum() == group["n"]]
                what = f"{name}, {row['set']}, day {day}, {group['n']} patients"
                self.add("Figure 4 c", f"{what}: a run of quarters has so many", float(bool(same)), 1, 0)
                mine = min(same or runs, key=lambda one: abs(risk[one].mean() - group["predicted"]))
                self.add("Figure 4 c", f"{what}: predicted", group["predicted"], risk[mine].mean())
                for part, known in zip(("observed", "low", "high"), self.pooled.where(mine).curve(day), strict=True):
                    self.add("Figure 4 c", f"{what}: {part}", group[part], known)

    def _response(self) -> None:
        cohort, found = self.study.cohort, self.metrics["response"]
        if found is None:
            return
        high = self.scores[found["model"]] > self.cuts[found["model"]][1]
        for side in found["strata"]:
            where = side["by"].removeprefix(f"{found['model']}, ")
            second = high if where in SETS else cohort.response == RESPONSES.index("PD")
            held = self._members(where) if where in SETS else cohort.set > 0
            groups = [held & ~second, held & second]
            for one, mine in zip(side["curves"], groups, strict=True):
                self.curve("Figure 6", f"{side['by']}, {one['label']}", one, mine, room=6.5)
            self.tested("Figure 6", side["by"], side, groups)

    def _sets(self) -> None:
        cohort, found = self.study.cohort, self.metrics["set_survival"]
        for one in found["curves"]:
            mine = cohort.set == SET_TITLES[one["label"]]
            self.curve("Figure S2", one["label"], one, mine, room=1.5 if mine.sum() >= POINT_SET else 6.5)
        if found["logrank"] is not None:
            self.add("Figure S2", "sets: log-rank χ²", found["logrank"]["chi2"], self.pooled.logrank(cohort.set))
        for pair in found["pairs"]:
            groups = [cohort.set == SET_TITLES[pair[which]] for which in ("against", "name")]
            self.tested("Figure S2", f"{pair['name']} against {pair['against']}", {"logrank": None, **pair}, groups)
        for one in found["follow_up"]:
            mine = cohort.set == SET_TITLES[one["label"]]
            lost = PooledRows(cohort.day[mine], ~cohort.event[mine])
            if one["median"] is not None:
                self.add(
                    "Table S1",
                    f"{one['label']}: median follow-up in months",
                    one["median"] / MONTH,
                    lost.median() / MONTH,
                    1.5 if mine.sum() >= POINT_SET else 6.5,
                )

    def _makers(self) -> None:
        cohort = self.study.cohort
        for row in self.metrics["subgroups"]:
            if row["variable"] == "manufacturer" and row["c"] is not None and row["c"]["value"] is not None:
                mine = (cohort.set > 0) & (cohort.maker == MAKERS.index(row["value"]))
                c, influence = self._of(row["model"], mine)
                self.add("C by manufacturer", f"{row['value']}: patients", row["n"], mine.sum(), 0)
                self._interval("C by manufacturer", row["value"], row["c"], c, float(np.sqrt((influence**2).sum())))


def _quarters(score: Floats) -> list[float]:
    """The training scores that a quarter, half and three quarters of the patients do not exceed."""
    ordered = np.sort(score)
    return [float(ordered[int(np.ceil(len(ordered) * part / 4)) - 1]) for part in (1, 2, 3)]


def printed_figures(rows: Sequence[PrintedRow]) -> dict[str, Any]:
    """How many numbers of every item are printed, the largest difference to the pooled ones, and what is wrong."""
    items = dict.fromkeys(row.item for row in rows)
    mine = {item: [row for row in rows if row.item == item and not any(word in row.what for word in COARSE)] for item in items}
    return {
        "numbers": len(rows),
        "wrong": [f"{row.item}, {row.what}: {row.printed:g}, pooled {row.pooled:.6g}" for row in rows if not row.right],
        "items": {
            item: {
                "numbers": sum(row.item == item for row in rows),
                "largest relative difference": float(f"{max(abs(r.printed - r.pooled) / max(abs(r.pooled), 1) for r in some):.2g}"),
            }
            for item, some in mine.items()
            if some
        },
    }
