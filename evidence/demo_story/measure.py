"""Evidence that the demonstration tells the paper's story: fusion is not below its best part, and the follow-up helps.

`python -m evidence.demo_story.measure` writes docs/evidence/demo_story.json. For each seed the demonstration's own cohort (the
preset `demo` with that seed, none chosen or left out) is drawn, its slices are chosen by the sites' own rule from the true masks,
Rad-S and Rad-D are trained pooled by the product's own training, and the clinical model and the two fusions are exact Cox models
of the same training patients: what the federation computes, by the equality shown elsewhere. Harrell's C of all five on the held-out
patients. A share of the demonstration's size is drawn for validation, as the study's hash does.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import fedhcc
from evidence.accuracy.signal import trained, trainees
from evidence.record import record
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.simulated_patients import SimulatedPatient, simulate
from site_config.study.prognostic_models import CLN, MODELS
from site_config.study.study_presets import preset

Floats = NDArray[np.float64]


def fitted(frame: pd.DataFrame, train: NDArray[np.bool_], names: list[str]) -> Floats:
    """The linear predictor (n,) of everybody by an exact Cox model of the training patients on these columns that vary."""
    kept = [name for name in names if frame.loc[train, name].nunique() > 1]
    fit = fedhcc.cox(frame[train], site="site", time="day", event="event", covariates=kept)
    coef = np.array([0.0 if value is None else value for value in fit.to_dict()["coef"]])
    return np.asarray(frame[list(fit.to_dict()["covariates"])].to_numpy(dtype=np.float64) @ coef, dtype=np.float64)


def one_seed(seed: int) -> dict[str, Any]:
    """C-indices on the held-out patients of the demonstration's cohort of one seed."""
    options, study = PRESETS["demo"], preset("demo")
    assert options.phantom is not None
    population = simulate(options.survival, seed)
    sides = {role: [p for p in population.patients if p.role == role] for role in ("development", "evaluation")}
    everybody: list[SimulatedPatient] = [*sides["development"], *sides["evaluation"]]
    development, held_out = (trainees(population, role, options.phantom, study) for role in sides)
    chosen = np.random.default_rng([seed, 3]).random(len(development.keys)) >= study.validation_fraction
    train = np.concatenate([chosen, np.zeros(len(held_out.keys), bool)])
    test = np.arange(len(train)) >= len(chosen)
    frame = pd.DataFrame(
        {"site": p.site, "day": p.event_day, "event": int(p.event), **{v.name: float(p.clinical[v.name]) for v in study.clinical}}
        for p in everybody
    )
    frame[CLN.name] = fitted(frame, train, [variable.name for variable in study.clinical])
    rows = np.flatnonzero(chosen)
    for model in MODELS.networks(study.models):
        frame[model] = np.concatenate(trained(study, model, development.part(list(rows)), (development, held_out), seed))
    for fused in MODELS.preferred(study.models):
        if fused.is_fused:
            frame[fused.name] = fitted(frame, train, list(fused.needs))
    found = {
        model: concordance(patient_cells(frame.loc[test, model], frame.loc[test, "day"], frame.loc[test, "event"] == 1))
        for model in study.models
    }
    sizes = {"train": int(train.sum()), "validation": int((~chosen).sum()), "test": int(test.sum())}
    return {"seed": seed, **sizes, "events": int(frame.loc[test, "event"].sum()), **{m: round(c.c, 4) for m, c in found.items() if c}}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean C by model, and the two differences of the story with their standard errors over the seeds."""
    frame = pd.DataFrame(rows)
    mean = {model: round(float(frame[model].mean()), 4) for model in preset("demo").models}
    parts = MODELS["RadCLN-D"].needs
    best = max(parts, key=mean.__getitem__)
    differences = {
        f"fused less its best part ({best})": frame["RadCLN-D"] - frame[best],
        "follow-up less baseline alone, fused": frame["RadCLN-D"] - frame["RadCLN-S"],
        "follow-up less baseline alone, images": frame["Rad-D"] - frame["Rad-S"],
    }
    error = {
        name: {
            "mean": round(float(one.mean()), 4),
            "se": round(float(one.std(ddof=1) / np.sqrt(len(one))), 4),
            "seeds above 0": int((one > 0).sum()),
        }
        for name, one in differences.items()
        if len(one) > 1
    }
    return {"mean_c": mean, "differences": error}


def main() -> int:
    """Measure, record, print; 1 where the fused model is below its best part on average, or the follow-up does not help."""
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    count = parser.parse_args().seeds
    began = time.process_time()
    rows: list[dict[str, Any]] = []
    figures: dict[str, Any] = {}
    for seed in range(1, count + 1):
        rows.append(one_seed(seed))
        print(rows[-1], flush=True)
        # Written after every seed, so that a run that is cut off leaves the seeds it finished.
        figures = {**summary(rows), "seeds": rows, "cpu_seconds": round(time.process_time() - began)}
        store(rows, figures)
    print(figures["mean_c"], figures["differences"])
    return int(any(one["mean"] < 0 for one in figures["differences"].values()))


def store(rows: list[dict[str, Any]], figures: dict[str, Any]) -> None:
    """Record what is known so far."""
    demo, study = PRESETS["demo"], preset("demo")
    survival = demo.survival
    settings = {
        "patients": list(survival.patients),
        "validation_fraction": study.validation_fraction,
        "clinical_effect": survival.clinical_effect,
        "image_effect": survival.image_effect,
        "growth_weight": survival.growth_weight,
        "rounds": study.training.rounds,
        "masks": "the phantoms' own",
        "training": "pooled, full batch, fresh exact hazard",
    }
    covers = [
        "simulations/cohort/phantom_ct.py",
        "simulations/cohort/simulated_patients.py",
        "simulations/cohort/cohort_presets.py",
        "evidence/demo_story/measure.py",
        "simulations/cohort/models/warm_start_small.safetensors",
    ]
    record("demo_story", covers=covers, figures={"settings": settings, **figures}, seeds=[row["seed"] for row in rows])


if __name__ == "__main__":
    raise SystemExit(main())
