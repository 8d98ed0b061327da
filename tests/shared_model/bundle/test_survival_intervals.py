"""The interval of a prediction holds the true survival at least as often as it says, and is not so wide that it says nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from shared_model.bundle.manifest_values import Formula, Manifest
from shared_model.bundle.prediction import predict
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.study.plan_and_lock import Study
from tests.shared_model.bundle.test_prediction import VALUES
from tests.shared_model.bundle_support import COEFFICIENTS, COLUMNS, lock_of, manifest_of

EFFECTS = np.array([0.8, -0.5, 0.4])
NAMES = ("nash", "pvtt", "tace")
DAY, RATE = 365.0, 1 / 700


def fitted(seed: int, study: Study, n: int = 200) -> Manifest:
    """A clinical model of three binary columns, fitted by lifelines to drawn patients, as a bundle holds it."""
    rng = np.random.default_rng(seed)
    x = (rng.random((n, 3)) < [0.4, 0.3, 0.6]).astype(float)
    died = rng.exponential(1 / (RATE * np.exp(x @ EFFECTS)))
    left = rng.uniform(200, 1800, n)
    frame = pd.DataFrame(x, columns=list(NAMES)).assign(day=np.ceil(np.minimum(died, left)), event=died <= left)
    fit = CoxPHFitter().fit(frame, "day", "event")
    coef, means = fit.params_.to_numpy(), x.mean(axis=0)
    hazard = fit.baseline_cumulative_hazard_.iloc[:, 0] * np.exp(-means @ coef)
    spec = ScoreSpec.model_validate({"model": "CLN", "columns": NAMES, "coefficients": tuple(coef)})
    at = [float(hazard[hazard.index <= day].iloc[-1]) for day in (DAY, 730.0)]
    return manifest_of(lock_of()).model_copy(
        update={
            "models": {"CLN": Formula(spec=spec, time=(DAY, 730.0), cumulative_hazard=tuple(at), cutoff=float(np.median(x @ coef)))},
            "clinical": {"covariates": list(NAMES), "se": list(fit.standard_errors_)},
            "means": dict(zip(NAMES, means, strict=True)),
            "cohort": {"train": {"patients": n, "events": int(frame["event"].sum()), "sites": 20}},
        }
    )


def test_intervals_hold_the_truth() -> None:
    study = lock_of().study
    held, widths = [], []
    for seed in range(40):
        manifest = fitted(seed, study)
        for pattern in ((0, 0, 0), (1, 0, 1), (0, 1, 0), (1, 1, 1)):
            one = predict(manifest, study, dict(zip(NAMES, map(float, pattern), strict=True)), {}).models[0]
            limits = one.interval[365]
            assert limits is not None
            truth = np.exp(-RATE * DAY * np.exp(np.array(pattern) @ EFFECTS))
            held.append(limits[0] <= truth <= limits[1])
            widths.append(limits[1] - limits[0])
    assert np.mean(held) >= 0.95, f"{np.mean(held):.3f} of {len(held)}"
    assert np.median(widths) < 0.35


def test_a_mean_that_is_not_known_makes_the_interval_wider() -> None:
    study = lock_of().study
    manifest = fitted(3, study)
    patient = dict(zip(NAMES, (0.0, 1.0, 1.0), strict=True))
    known = predict(manifest, study, patient, {}).models[0].interval[365]
    unknown = predict(manifest.model_copy(update={"means": {}}), study, patient, {}).models[0].interval[365]
    assert known is not None and unknown is not None
    assert unknown[0] < known[0] < known[1] < unknown[1]


@pytest.mark.parametrize("lost", [{"clinical": None}, {"cohort": {}}, {"fusion": {}}])
def test_without_what_it_needs_there_is_none(lost: dict[str, object]) -> None:
    lock = lock_of()
    errors = {"covariates": list(COLUMNS), "coef": list(COEFFICIENTS), "se": [0.2] * 7}
    fits = {name: {"se": [0.3]} for name in ("Rad-S", "Rad-D")} | {name: {"se": [0.3, 0.4]} for name in ("RadCLN-S", "RadCLN-D")}
    whole = manifest_of(lock).model_copy(update={"clinical": errors, "fusion": fits})
    everything = predict(whole, lock.study, VALUES, {"Rad-S": 0.3, "Rad-D": 0.5})
    for one in everything.models:
        limits, survival = one.interval[365], one.survival[365]
        assert limits is not None and survival is not None
        assert 0 <= limits[0] < survival < limits[1] <= 1
    less = predict(whole.model_copy(update=lost), lock.study, VALUES, {"Rad-S": 0.3, "Rad-D": 0.5})
    none = {one.model for one in less.models if one.interval[365] is None}
    assert (
        none
        == {
            "clinical": {"CLN", "RadCLN-S", "RadCLN-D"},
            "cohort": {"CLN", "Rad-S", "Rad-D", "RadCLN-S", "RadCLN-D"},
            "fusion": {"Rad-S", "Rad-D", "RadCLN-S", "RadCLN-D"},
        }[next(iter(lost))]
    )
