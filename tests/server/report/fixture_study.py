"""A finished study made from a simulated cohort, for the report's tests: every sum here is one a real study would open."""

from __future__ import annotations

import base64
import io
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.study.study_results import (
    CamPicture,
    Characteristics,
    Cutoff,
    LedgerEntry,
    PooledScore,
    RoundPoint,
    ScorePair,
    ScoreTable,
    Simulation,
    StudyResult,
)
from shared_model.survival.evaluation_table import coarse_time_edges
from simulations.cohort.simulated_patients import SimulatedPatient, SurvivalOptions, simulate
from site_config.study.plan_and_lock import Study

NAMES = ("differentiation", "nash", "pvtt", "surgery", "ebrt", "tace", "rfa")
MODELS = ("CLN", "Rad-S", "Rad-D", "RadCLN-S", "RadCLN-D")
MAKERS = {"SIEMENS": "siemens", "GE MEDICAL SYSTEMS": "ge", "Philips": "philips", "TOSHIBA": "canon"}
Array = NDArray[np.float64]


def time_edges() -> list[float]:
    """30-day cells with 365 and 730 always edges."""
    return [float(edge) for edge in coarse_time_edges(4000)]


def influences(score: Array, day: Array, event: NDArray[np.bool_]) -> tuple[float, Array]:
    """C and every patient's infinitesimal-jackknife influence on it, over all pairs."""
    comparable = event[:, None] & ((day[:, None] < day[None, :]) | ((day[:, None] == day[None, :]) & ~event[None, :]))
    won = np.where(comparable, np.where(score[:, None] > score[None, :], 1.0, np.where(score[:, None] == score[None, :], 0.5, 0.0)), 0.0)
    pairs, wins = comparable.sum(0) + comparable.sum(1), won.sum(0) + won.sum(1)
    c = won.sum() / comparable.sum()
    return float(c), (wins - c * pairs) / comparable.sum()


def cox_dict(columns: dict[str, Array], day: Array, event: NDArray[np.bool_]) -> dict[str, Any]:
    """The JSON of issue B from lifelines."""
    import pandas as pd
    from lifelines import CoxPHFitter

    frame = pd.DataFrame({**columns, "day": day, "event": event})
    fit = CoxPHFitter().fit(frame, "day", "event")
    table, base = fit.summary, fit.baseline_cumulative_hazard_
    centre = float(np.exp(-sum(fit.params_[name] * columns[name].mean() for name in columns)))
    return {
        "n": len(day),
        "events": int(event.sum()),
        "sites": 37,
        "covariates": list(columns),
        "coef": table["coef"].tolist(),
        "se": table["se(coef)"].tolist(),
        "hr": table["exp(coef)"].tolist(),
        "hr_ci": table[["exp(coef) lower 95%", "exp(coef) upper 95%"]].to_numpy().tolist(),
        "z": table["z"].tolist(),
        "p": table["p"].tolist(),
        "loglik": float(fit.log_likelihood_),
        "loglik_null": float(fit.log_likelihood_) - 20.0,
        "lr_test": {
            "chi2": float(fit.log_likelihood_ratio_test().test_statistic),
            "df": len(columns),
            "p": float(fit.log_likelihood_ratio_test().p_value),
        },
        "concordance": float(fit.concordance_index_),
        "concordance_se": 0.02,
        "baseline": {"time": base.index.to_list(), "cumulative_hazard": (base.iloc[:, 0] * centre).tolist()},
        "iterations": 6,
        "dropped_rows": 0,
        "warnings": [],
    }


def _table(model: str, set_: str, score: Array, people: list[SimulatedPatient], cuts: list[float], **subgroup: str) -> ScoreTable:
    day = np.array([p.event_day for p in people], float)
    event = np.array([p.event for p in people], bool)
    edges = time_edges()
    row, column = np.searchsorted(cuts, score, side="left"), np.searchsorted(edges, day, side="left") - 1
    counts = np.zeros((2, len(cuts) + 1, len(edges) - 1), int)
    np.add.at(counts, (event.astype(int), row, column), 1)
    mean = [float(score[row == b].mean()) if (row == b).any() else None for b in range(len(cuts) + 1)]
    return ScoreTable(
        model=model,
        set=set_,
        score_edges=[None, *cuts, None],
        time_edges=edges,  # type: ignore[arg-type]
        events=counts[1].tolist(),
        censored=counts[0].tolist(),
        bin_mean=mean,
        **subgroup,
    )


def _characteristics(set_: str, people: list[SimulatedPatient], study: Study) -> Characteristics:
    counts: dict[str, dict[str, int | None]] = {"sex": {"male": sum(p.male for p in people), "female": sum(not p.male for p in people)}}
    for variable in study.clinical:
        values = [p.clinical[variable.name] for p in people]
        counts[variable.name] = {label: values.count(key) for key, label in variable.values.items()}
    makers = [MAKERS[p.manufacturer] for p in people]
    counts["manufacturer"] = {name: makers.count(name) for name in ("siemens", "ge", "philips", "canon")}
    counts["response"] = {name: [p.response for p in people].count(name) for name in ("CR", "PR", "SD", "PD", "NE")}
    counts["flags"] = {"carried_forward": sum(not p.followup_chest for p in people)}
    age = np.array([p.age for p in people])
    return Characteristics(
        set=set_,
        n=len(people),
        events=sum(p.event for p in people),
        sites=len({p.site for p in people}),  # type: ignore[arg-type]
        mean={"age": float(age.mean())},
        sd={"age": float(age.std(ddof=1))},
        counts=counts,
    )


class Cohort:
    """The simulated patients with five scores each, split into three sets."""

    def __init__(self, seed: int, options: SurvivalOptions) -> None:
        people = list(simulate(options, seed).patients)
        rng = np.random.default_rng([seed, 9])
        self.people = people
        self.split = np.array(["test" if p.role == "evaluation" else rng.choice(["train", "validation"], p=[0.8, 0.2]) for p in people])
        self.day = np.array([p.event_day for p in people], float)
        self.event = np.array([p.event for p in people], bool)
        self.columns = {name: np.array([p.clinical[name] for p in people], float) for name in NAMES}
        burden = np.log([p.tumour_ml for p in people])
        growth = np.log([p.growth for p in people])
        noise = rng.standard_normal((2, len(people)))
        self.radiology = {
            "Rad-S": 0.5 * (burden - burden.mean()) + 0.5 * noise[0],
            "Rad-D": 0.5 * (burden - burden.mean()) + 0.45 * growth + 0.35 * noise[1],
        }
        train = self.split == "train"
        self.clinical_fit = cox_dict({k: v[train] for k, v in self.columns.items()}, self.day[train], self.event[train])
        cln = np.column_stack(list(self.columns.values())) @ np.array(self.clinical_fit["coef"])
        self.scores: dict[str, Array] = {"CLN": cln, **self.radiology}
        self.parts: dict[str, dict[str, Array]] = {}
        self.fusion: dict[str, dict[str, Any]] = {}
        for rad in ("Rad-S", "Rad-D"):
            columns = {rad: self.radiology[rad], "CLN": cln}
            single = cox_dict({rad: self.radiology[rad][train]}, self.day[train], self.event[train])
            self.fusion[rad] = single
            fused = rad.replace("Rad", "RadCLN")
            fit = cox_dict({k: v[train] for k, v in columns.items()}, self.day[train], self.event[train])
            self.parts[fused] = {"radiology": fit["coef"][0] * columns[rad], "clinical": fit["coef"][1] * cln}
            self.scores[fused], self.fusion[fused] = sum(self.parts[fused].values(), start=np.zeros(len(people))), fit

    def cuts(self, model: str) -> list[float]:
        """Quantile cuts of the training scores with the median among them."""
        score = self.scores[model][self.split == "train"]
        return sorted({float(np.quantile(score, q)) for q in np.linspace(0.1, 0.9, 9)})

    def table(self, model: str, set_: str, keep: NDArray[np.bool_] | None = None, **subgroup: str) -> ScoreTable:
        """The opened table of a set, with mean parts where the model is fused."""
        chosen = (self.split == set_) & (np.ones(len(self.people), bool) if keep is None else keep)
        people = [p for p, c in zip(self.people, chosen, strict=True) if c]
        cuts = self.cuts(model) if keep is None else [self.cuts(model)[4]]
        table = _table(model, set_, self.scores[model][chosen], people, cuts, **subgroup)
        if model in self.parts and keep is None:
            row = np.searchsorted(self.cuts(model), self.scores[model][chosen], side="left")
            parts = {
                part: [float(v[chosen][row == b].mean()) if (row == b).any() else None for b in range(len(table.events))]
                for part, v in self.parts[model].items()
            }
            return table.model_copy(update={"contributions": parts})
        return table

    def pair(self, first: str, second: str, set_: str) -> ScorePair:
        """Sums of influence products over a set."""
        chosen = self.split == set_
        day, event = self.day[chosen], self.event[chosen]
        a, b = (self.scores[name][chosen] for name in (first, second))
        both = np.stack([influences(a, day, event)[1], influences(b, day, event)[1]])
        ranks = np.stack([a.argsort().argsort(), b.argsort().argsort()]) - (len(a) - 1) / 2.0
        products = [float(ranks[0] @ ranks[0]), float(ranks[0] @ ranks[1]), float(ranks[1] @ ranks[1])]
        sites = np.array([p.site for p, c in zip(self.people, chosen, strict=True) if c])
        by_site = np.stack([both[:, sites == site].sum(1) for site in np.unique(sites)], 1)
        return ScorePair(
            cluster=(by_site @ by_site.T).tolist(),
            first=first,
            second=second,
            set=set_,
            covariance=(both @ both.T).tolist(),
            rank_products=products,
            patients=int(chosen.sum()),
        )  # type: ignore[arg-type]


def _ledger(sites: list[str], evaluation: list[str]) -> list[LedgerEntry]:
    asks = [
        ("clinical", "cox.start", sites, 1),
        ("clinical", "cox.round", sites, 6),
        ("training", "training.update", sites[:5], 40),
        ("evaluation", "evaluation.table", evaluation, 5),
    ]
    entries = []
    for phase, statistic, roster, rounds in asks:
        for number in range(rounds):
            missing = {roster[2]: "FH-704"} if statistic == "training.update" and number == 7 else {}
            outcome = "missed" if missing else "opened"
            entries.append(
                LedgerEntry(
                    time="2026-11-23T09:00:00Z",
                    phase=phase,
                    round=number,
                    statistic=statistic,
                    block=0,
                    roster=roster,
                    missing=missing,
                    outcome=outcome,
                    bytes_out=140 * len(roster),
                )
            )  # type: ignore[arg-type]
    return entries


def _cam() -> CamPicture:
    from matplotlib.image import imsave

    y, x = np.mgrid[0:64, 0:64]
    buffer = io.BytesIO()
    imsave(buffer, np.exp(-((x - 40) ** 2 + (y - 30) ** 2) / 120.0), cmap="magma", format="png")
    return CamPicture(
        title="Phantom 1, liver, follow-up",
        png_base64=base64.b64encode(buffer.getvalue()).decode(),
        alternative="Heat over the enlarged lesion in the right lobe.",
    )


def make(seed: int = 7, simulated: bool = True, options: SurvivalOptions | None = None) -> StudyResult:
    """The whole result of a paper-sized simulated study."""
    cohort = Cohort(seed, options or SurvivalOptions())
    roles = {p.site: p.role for p in cohort.people}
    study = Study(
        title="Imaging follow-up under immunotherapy", simulated=simulated, sites=tuple({"name": n, "role": r} for n, r in roles.items())
    )  # type: ignore[misc]
    development = [name for name, role in roles.items() if role == "development"]
    evaluation = [name for name, role in roles.items() if role == "evaluation"]
    roster = [{"name": n, "role": r, "signing_key": "ab" * 32, "node_fingerprint": "cd" * 32} for n, r in roles.items()]
    blocks = {"development": [development[i : i + 5] for i in range(0, 35, 5)], "evaluation": [evaluation]}
    sets = {s: [p for p, c in zip(cohort.people, cohort.split == s, strict=True) if c] for s in ("train", "validation", "test")}
    tables = [cohort.table(m, s) for m in MODELS for s in sets]
    for variable, values in (("response", ("SD", "PD")), ("manufacturer", ("siemens", "ge"))):
        for value in values:
            own = [p.response if variable == "response" else MAKERS[p.manufacturer] for p in cohort.people]
            keep = np.array([one == value for one in own])
            tables += [cohort.table("RadCLN-D", s, keep, variable=variable, value=value) for s in ("validation", "test")]
    cutoffs = []
    for model in ("RadCLN-D", "RadCLN-S", "Rad-D"):
        value = cohort.cuts(model)[4]
        above = int((cohort.scores[model][cohort.split == "train"] > value).sum())
        cutoffs.append(Cutoff(model=model, value=value, patients_above=above, patients_below=len(sets["train"]) - above))
    flow = {}
    for name, people in sets.items():
        flow |= {
            f"{name}.enrolled": len(people) + 7,
            f"{name}.no_images": 5,
            f"{name}.clinical_missing": 2,
            f"{name}.analysed": len(people),
        }
    rng = np.random.default_rng(3)
    rounds = [
        RoundPoint(
            model=m,
            round=r,
            block=r % 7,
            patients=20,
            loss=0.9 * np.exp(-r / 60) + 0.02 * rng.standard_normal() + 0.4,
            validation_loss=0.62 + 0.3 * np.exp(-r / 50) if r % 10 == 0 else None,
            rate=5e-5,
            accepted=r != 33,
        )
        for m in ("Rad-S", "Rad-D")
        for r in range(120)
    ]
    ranges = {m: [float(v.mean() - 3 * v.std()), float(v.mean() + 3 * v.std())] for m, v in cohort.scores.items()}
    fitted = {"CLN": cohort.clinical_fit, **cohort.fusion}
    simulation = Simulation(
        seed=seed,
        oracle={"test": 0.78, "all": 0.77},
        oracle_images={"test": 0.68},
        cams=[_cam()],
        pooled=[
            PooledScore(
                model="Rad-D",
                n=len(sets["test"]),
                events=sum(p.event for p in sets["test"]),
                spearman=0.997,
                c_federated=0.71,
                c_federated_ci=(0.62, 0.8),
                c_pooled=0.712,
                c_pooled_ci=(0.62, 0.81),
            )
        ],
        settings={"lesion contrast": "× 2.5", "effect size": "× 1.5", "field": "cropped to the organ", "image size": "64 px"},
    )
    return StudyResult(
        study_id="5f" * 32,
        title=study.title,
        label="COMPLETE",
        simulated=simulated,
        created="2026-11-23T09:12:00Z",
        software="fedhcc 0.1.0, flwr 1.41.0, torch 2.15.0, Python 3.11.2",
        lock={
            "study": study.model_dump(mode="json"),
            "roster": roster,
            "blocks": blocks,
            "code_digest": "9e" * 32,
            "coordinator_key": "77" * 32,
        },
        flow=flow,
        characteristics=[_characteristics(s, people, study) for s, people in sets.items()],
        clinical=cohort.clinical_fit,
        fusion=cohort.fusion,
        baseline={m: f["baseline"] for m, f in fitted.items()},
        score_ranges=ranges,
        cutoffs=cutoffs,
        tables=tables,
        pairs=[cohort.pair(a, b, s) for s in ("validation", "test") for a, b in combinations(MODELS, 2)],
        rounds=rounds,
        ledger=_ledger(development, evaluation),
        notes=["The phantoms' lesions have 2.5 times a realistic contrast."],
        weights={"Rad-S": "aa" * 32, "Rad-D": "bb" * 32},
        timing={"clinical": 12.0, "training": 480.0, "evaluation": 30.0},
        simulation=simulation if simulated else None,
    )  # type: ignore[arg-type]
