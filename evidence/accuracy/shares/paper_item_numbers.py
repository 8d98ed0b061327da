"""The items of Xia et al. 2024 that hold numbers, each from what a study's phases opened and from pooled rows."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evidence.accuracy.shares.paper_cohort import NAMES, PaperStudy
from evidence.accuracy.shares.paper_rows import FEW_AT_RISK, FEW_COMPARED, SMALL_COUNT, SMALL_GROUP, PaperRow, PaperRows
from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.phases.earlier_results import known_scores
from shared_model.analyses.phases.evaluation_circuit import EvaluationEstimate, GroupedEstimate
from shared_model.analyses.phases.evaluation_openings import SPECIFICITIES, EvaluationModel
from shared_model.analyses.phases.table1_slots import INTERVAL
from shared_model.disclosure.limits import GROUP_PATIENTS, POINT_PATIENTS, ROC_PATIENTS, SENSITIVITY_BITS
from shared_model.survival.roc import roc_of_groups

Floats = NDArray[np.float64]
SETS = ("training", "validation", "test")
HORIZONS = (365, 730)
UNIT_OF_CURVE = 2.0 ** (1 - SENSITIVITY_BITS.value)
RARE = "fewer than 5 patients or 3 hospitals have the column"
RISK_FIGURES = {"RadCLN-D": "Figure 3", "CLN": "Figure S3", "RadCLN-S": "Figure S5", "Rad-D": "Figure S6", "Rad-S": "Risk groups of Rad-S"}
NOT_OPENED = {
    "Figure 5": "Grad-CAM: a picture of a patient never leaves a hospital",
    "Figure S1": "pictures of patients never leave a hospital",
}


def paper_rows(study: PaperStudy) -> list[PaperRow]:
    """Every number."""
    found = PaperRows(study)
    scores = {name: study.cohort.score(spec) for name, spec in study.plans["evaluation"].scores.items()}
    estimate: EvaluationEstimate = study.found["evaluation"]
    model = EvaluationModel(study.lock.study, known_scores(study.lock, study.opened))
    _table_one(found, estimate)
    _formula(found)
    _concordance(found, estimate, scores)
    _areas(found, estimate, scores)
    _risk(found, estimate, model, scores)
    _fusion(found, scores)
    _importance(found, scores)
    _curves(found, estimate, scores)
    _calibration(found, estimate, model, scores)
    _response(found, estimate, model)
    _survival(found, estimate, model)
    _makers(found, estimate, scores)
    for item, why in NOT_OPENED.items():
        found.add(item, "pictures", None, None, 0, why)
    return found.rows


def _table_one(found: PaperRows, estimate: EvaluationEstimate) -> None:
    cohort, table = found.study.cohort, estimate.table
    columns = [*zip(SETS, found.sets, strict=True), ("all", cohort.set >= 0)]
    counted: dict[str, Floats] = {"sex": cohort.male, **{name: cohort.x[:, j] for j, name in enumerate(NAMES)}}
    counted |= {"manufacturer": cohort.maker.astype(float), "response": cohort.response.astype(float)}
    for at, (name, mine) in enumerate(columns):
        found.add("Table 1", f"{name}: patients", float(table.patients[at]), float(mine.sum()), 0)
        found.add("Table 1", f"{name}: mean age", float(table.means["table.age"][at]), float(cohort.age[mine].mean()), 5e-3)
        found.add(
            "Table 1", f"{name}: deviation of age", float(table.deviations["table.age"][at]), float(cohort.age[mine].std(ddof=1)), 5e-3
        )
        days = cohort.interval[mine]
        means, deviations = table.means[INTERVAL], table.deviations[INTERVAL]
        found.add("Table 1", f"{name}: mean days between scans", float(means[at]), float(days.mean()), 5e-3)
        found.add("Table 1", f"{name}: deviation of these days", float(deviations[at]), float(days.std(ddof=1)), 5e-3)
        for variable, values in counted.items():
            counts = table.counts[f"table.{variable}"]
            few = any(0 < (values[one] == level).sum() < 5 for one in found.sets for level in range(len(counts) - 1))
            for level in range(len(counts) - 1):
                value = float(counts[level][at])
                found.add(
                    "Table 1", f"{name}: {variable} = {level}", value, float((values[mine] == level).sum()), 0, SMALL_COUNT if few else ""
                )


def _formula(found: PaperRows) -> None:
    clinical, cohort = found.study.found["clinical"], found.study.cohort
    train = found.sets[0]
    at = [NAMES.index(name) for name in clinical.kept]
    beta, se = found.pooled.where(train).cox(cohort.x[train][:, at])
    for name in NAMES:
        where = clinical.kept.index(name) if name in clinical.kept else None
        for what, opened, pooled, tolerance in (
            ("coefficient", clinical.fit.coefficient, beta, 1e-5),
            ("standard error", clinical.fit.se, se, 1e-4),
        ):
            value = None if where is None else float(opened[where])
            known = None if where is None else float(pooled[where])
            found.add("Clinical formula", f"{name}: {what}", value, known, tolerance, RARE)


def _concordance(found: PaperRows, estimate: EvaluationEstimate, scores: dict[str, Floats]) -> None:
    opened = estimate.concordance
    assert opened is not None
    for at, (name, mine) in enumerate(zip(SETS, found.sets, strict=True)):
        influence = {}
        for model, score in scores.items():
            c, influence[model] = found.pooled.where(mine).concordance(score[mine])
            se = float(np.sqrt((influence[model] ** 2).sum()))
            found.add("Table 2", f"{model}, {name}: C-index", float(opened.c[model][at]), c, 1e-6)
            found.add("Table 2", f"{model}, {name}: standard error", float(opened.se[model][at]), se, 1e-5)
            test = float(estimate.score_tests[model][at]) if model in estimate.score_tests else None
            known = found.pooled.where(mine).score_test(score[mine])
            found.add("Table 2", f"{model}, {name}: score test χ²", test, known, 1e-4 * max(1.0, known))
        for pair in (key for key in opened.se if key not in scores):
            first = next(one for one in scores if pair.startswith(f"{one}-") and pair[len(one) + 1 :] in scores)
            spread = influence[first] - influence[pair[len(first) + 1 :]]
            se = float(np.sqrt((spread**2).sum()))
            found.add("Table 2", f"{pair}, {name}: standard error of the difference", float(opened.se[pair][at]), se, 1e-5)


def _areas(found: PaperRows, estimate: EvaluationEstimate, scores: dict[str, Floats]) -> None:
    opened = estimate.roc
    assert opened is not None
    for s, (name, mine) in enumerate(zip(SETS, found.sets, strict=True)):
        rows = found.pooled.where(mine)
        for h, day in enumerate(HORIZONS):
            few = min((rows.event & (rows.day < day)).sum(), (rows.day > day).sum()) < ROC_PATIENTS.value
            for model, score in scores.items():
                auc, se = rows.auc(score[mine], day) if not few else (None, None)
                why = FEW_COMPARED if few else ""
                found.add("Table 3, Figure S4", f"{model}, {name}, day {day}: AUC", float(opened.auc[model][h, s]), auc, 1e-5, why)
                found.add("Table 3, Figure S4", f"{model}, {name}, day {day}: standard error", float(opened.se[model][h, s]), se, 1e-5, why)


def _risk(found: PaperRows, estimate: EvaluationEstimate, model: EvaluationModel, scores: dict[str, Floats]) -> None:
    for name, item in RISK_FIGURES.items():
        score, one = scores[name], estimate.models[name]
        ordered = np.sort(score[found.sets[0]])
        for (part, whole), quantile in zip(((1, 4), (1, 2), (3, 4)), one.quantiles, strict=True):
            known = float(ordered[int(np.ceil(len(ordered) * part / whole)) - 1])
            found.add(item, f"training score at {part}/{whole}", quantile.value, known, 0)
        assert one.risk is not None
        assert one.quantiles[1].value is not None
        high = score > one.quantiles[1].value
        days = model.risk(name).days
        for s, (set_name, mine) in enumerate(zip(SETS, found.sets, strict=True)):
            low_high = mine & ~high, mine & high
            for at, risk in enumerate(("low", "high")):
                members = low_high[at], low_high[1 - at]
                found.curve(item, f"{set_name}, {risk} risk", one.risk.curves, 2 * s + at, days, members)
            found.tested(item, f"{set_name}, high against low", _chi2(one.risk, s), _ratio(one.risk, s), low_high)


def _chi2(grouped: GroupedEstimate, family: int) -> float | None:
    test = grouped.curves.logrank[family]
    return None if test is None else test.chi2


def _ratio(grouped: GroupedEstimate, family: int) -> tuple[float, float] | None:
    fit: CoxEstimate | None = grouped.ratios[family]
    return None if fit is None or fit.coefficient is None or fit.se is None else (float(fit.coefficient[0]), float(fit.se[0]))


def _fusion(found: PaperRows, scores: dict[str, Floats]) -> None:
    """The nomogram: two coefficients a fused model, and the baseline of every model at the horizons."""
    fusion, known = found.study.found["fusion"], known_scores(found.study.lock, found.study.opened)
    train = found.sets[0]
    rows = found.pooled.where(train)
    for name in ("RadCLN-S", "RadCLN-D"):
        parts = (f"Rad-{name[-1]}", "CLN")
        beta, se = rows.cox(np.stack([scores[part][train] for part in parts], 1))
        fit = fusion.fits[name]
        for j, part in enumerate(parts):
            found.add("Figure 4 a, nomogram", f"{name}: weight of {part}", float(fit.coefficient[j]), float(beta[j]), 1e-5)
            found.add("Figure 4 a, nomogram", f"{name}: its standard error", float(fit.se[j]), float(se[j]), 1e-4)
    for name, hazards in known.hazards.items():
        predictor = known.slopes.get(name, 1.0) * scores[name][train]
        for day, hazard in hazards.items():
            opened, pooled = float(np.exp(-hazard)), float(np.exp(-rows.baseline(predictor, day)))
            found.add("Figure 4 a, nomogram", f"{name}: baseline survival at day {day}", opened, pooled, 1e-4)


def _importance(found: PaperRows, scores: dict[str, Floats]) -> None:
    """Wald's χ² of every covariate of a model with several."""
    clinical, fusion, train = found.study.found["clinical"], found.study.found["fusion"], found.sets[0]
    parts = {name: (f"Rad-{name[-1]}", "CLN") for name in ("RadCLN-S", "RadCLN-D")}
    models = [("CLN", clinical.kept, clinical.fit, found.study.cohort.x[train][:, [NAMES.index(name) for name in clinical.kept]])]
    models += [(name, two, fusion.fits[name], np.stack([scores[part][train] for part in two], 1)) for name, two in parts.items()]
    for name, columns, fit, x in models:
        beta, se = found.pooled.where(train).cox(x)
        for j, column in enumerate(columns):
            opened, known = float(fit.coefficient[j] / fit.se[j]) ** 2, float(beta[j] / se[j]) ** 2
            found.add("Figure 4 b, importance", f"{name}: Wald's chi2 of {column}", opened, known, 1e-3)


def _curves(found: PaperRows, estimate: EvaluationEstimate, scores: dict[str, Floats]) -> None:
    """Points of the ROC curves: at declared specificities, to two units of their grid; else between groups of the training scores."""
    assert estimate.roc is not None
    for name, score in scores.items():
        points = estimate.roc.sensitivity[name]
        for s, (set_name, mine) in enumerate(zip(SETS, found.sets, strict=True)):
            rows = found.pooled.where(mine)
            for h, day in enumerate(HORIZONS):
                for percent, value in zip(SPECIFICITIES, points[:, h, s], strict=True):
                    if np.isfinite(value):
                        what = f"{name}, {set_name}, day {day}: sensitivity at specificity 0.{percent // 10}"
                        found.add("Figure S4", what, float(value), rows.sensitivity(score[mine], day, percent), UNIT_OF_CURVE)
        _between_groups(found, estimate, name, score, np.asarray(np.isnan(points).any(axis=0)))


def _between_groups(found: PaperRows, estimate: EvaluationEstimate, name: str, score: Floats, wanted: NDArray[np.bool_]) -> None:
    """Points between groups by quarters of the training scores, by Bayes' rule, where (horizons, sets) they are drawn."""
    one = estimate.models[name]
    if one.calibration is None or one.quarters is None:
        return
    quarter = np.sum([score > (level.value or 0.0) for level in one.quantiles], axis=0)
    for s, (set_name, mine) in enumerate(zip(SETS, found.sets, strict=True)):
        groups = [g for g in range(4) if one.quarters[s][:, g].any()]
        members = [mine & np.isin(quarter, np.flatnonzero(one.quarters[s][:, g])) for g in groups]
        for h, day in enumerate(HORIZONS):
            if not wanted[h, s]:
                continue
            at = [4 * s + g for g in groups]
            what = f"{name}, {set_name}, day {day}"
            if len(groups) < 2:
                found.add("Figure S4", f"{what}: a point of the curve", None, None, 0, SMALL_GROUP)
                continue
            few = min((found.pooled.day[one_] >= day).sum() for one_ in members) < POINT_PATIENTS.value
            opened = roc_of_groups(one.calibration.patients[at], one.calibration.observed[at, h])
            alive = np.array([one_.sum() * found.pooled.where(one_).curve(day)[0] for one_ in members])
            died = np.array([one_.sum() for one_ in members]) - alive
            for k in range(1, len(groups)):
                known = alive[:k].sum() / alive.sum(), died[k:].sum() / died.sum()
                at_k, why = len(groups) - k, FEW_AT_RISK if few else ""
                found.add("Figure S4", f"{what}: specificity above group {k}", 1 - float(opened[0][at_k]), float(known[0]), 1e-4, why)
                found.add("Figure S4", f"{what}: sensitivity above group {k}", float(opened[1][at_k]), float(known[1]), 1e-4, why)


def _calibration(found: PaperRows, estimate: EvaluationEstimate, model: EvaluationModel, scores: dict[str, Floats]) -> None:
    known = model.known
    for name, score in scores.items():
        one = estimate.models[name]
        if one.calibration is None or one.quarters is None:
            continue
        quarter = np.sum([score > (level.value or 0.0) for level in one.quantiles], axis=0)
        for s, (set_name, mine) in enumerate(zip(SETS, found.sets, strict=True)):
            for group in range(4):
                inside = np.flatnonzero(one.quarters[s][:, group])
                if not inside.size:
                    continue
                members = mine & np.isin(quarter, inside)
                rows = found.pooled.where(members)
                small = SMALL_GROUP if members.sum() < GROUP_PATIENTS.value else ""
                for h, (day, hazard) in enumerate(known.hazards[name].items()):
                    survival = np.exp(-hazard * np.exp(known.slopes.get(name, 1.0) * score[members])).mean()
                    why = small or (FEW_AT_RISK if (rows.day >= day).sum() < POINT_PATIENTS.value else "")
                    what = f"{name}, {set_name}, quarters {'+'.join(str(q + 1) for q in inside)}, day {day}"
                    at = 4 * s + group
                    found.add(
                        "Figure 4 c, calibration", f"{what}: predicted", float(one.calibration.predicted[at, h]), float(survival), 1e-4, why
                    )
                    found.add(
                        "Figure 4 c, calibration",
                        f"{what}: observed",
                        float(one.calibration.observed[at, h]),
                        rows.curve(day)[0],
                        1e-4,
                        why,
                    )


def _response(found: PaperRows, estimate: EvaluationEstimate, model: EvaluationModel) -> None:
    cohort = found.study.cohort
    assert estimate.response is not None
    assert model.response is not None
    held = cohort.set > 0
    members = held & (cohort.response != 3), held & (cohort.response == 3)
    for at, name in enumerate(("no known progression", "progression")):
        pair = members[at], members[1 - at]
        found.curve("Figure 6", f"validation and test, {name}", estimate.response.curves, at, model.response.days, pair)
    found.tested("Figure 6", "progression against none known", _chi2(estimate.response, 0), _ratio(estimate.response, 0), members)


def _survival(found: PaperRows, estimate: EvaluationEstimate, model: EvaluationModel) -> None:
    cohort, days = found.study.cohort, model.survival.days
    for at, (name, mine) in enumerate(zip(SETS, found.sets, strict=True)):
        found.curve("Figure S2", name, estimate.survival, at, days, (mine, ~mine))
    test = estimate.survival.logrank[0]
    found.add("Figure S2", "three sets: log-rank χ²", None if test is None else test.chi2, found.pooled.logrank(cohort.set), 1e-4)
    for (one, other), fit in zip(combinations(range(3), 2), estimate.set_ratios, strict=True):
        mine = found.sets[one] | found.sets[other]
        beta, se = found.pooled.where(mine).cox(found.sets[other][mine].astype(float)[:, None])
        known = fit is not None and fit.coefficient is not None and fit.se is not None
        name = f"{SETS[other]} against {SETS[one]}"
        ratio = float(np.exp(fit.coefficient[0])) if known and fit is not None and fit.coefficient is not None else None
        error = float(fit.se[0]) if known and fit is not None and fit.se is not None else None
        found.add("Figure S2", f"{name}: hazard ratio", ratio, float(np.exp(beta[0])), 1e-4)
        found.add("Figure S2", f"{name}: standard error of its logarithm", error, float(se[0]), 1e-4)


def _makers(found: PaperRows, estimate: EvaluationEstimate, scores: dict[str, Floats]) -> None:
    cohort = found.study.cohort
    assert estimate.manufacturers is not None
    held = cohort.set > 0
    for maker in range(4):
        mine = held & (cohort.maker == maker)
        small = min(mine.sum(), (held & ~mine).sum()) < GROUP_PATIENTS.value
        c, influence = found.pooled.where(mine).concordance(scores["RadCLN-D"][mine])
        why, se = SMALL_GROUP if small else "", float(np.sqrt((influence**2).sum()))
        opened = estimate.manufacturers
        found.add("Manufacturer C-index", f"maker {maker + 1}: C-index", float(opened.c["RadCLN-D"][maker]), c, 1e-6, why)
        found.add("Manufacturer C-index", f"maker {maker + 1}: standard error", float(opened.se["RadCLN-D"][maker]), se, 1e-5, why)
