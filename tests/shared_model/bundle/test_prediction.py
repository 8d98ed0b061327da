"""Predictions use what is known of a patient, and say what is missing."""

from __future__ import annotations

from math import exp

import pytest

from shared_model.bundle.prediction import predict
from tests.shared_model.bundle_support import COEFFICIENTS, COLUMNS, lock_of, manifest_of

VALUES = {"differentiation": 1.0, "nash": 1.0, "pvtt": 0.0, "surgery": 1.0, "ebrt": 0.0, "tace": 1.0, "rfa": 0.0}
CLN = sum(VALUES[name] * b for name, b in zip(COLUMNS, COEFFICIENTS, strict=True))


def test_everything_known_puts_the_fused_dynamic_model_first() -> None:
    lock = lock_of()
    found = predict(manifest_of(lock), lock.study, VALUES, {"Rad-S": 0.3, "Rad-D": 0.5})
    first = found.models[0]
    assert [one.model for one in found.models] == ["RadCLN-D", "RadCLN-S", "Rad-D", "Rad-S", "CLN"]
    assert not found.missing
    assert first.score == pytest.approx(1.2 * 0.5 + 0.8 * CLN)
    assert first.score == pytest.approx(first.radiology + first.clinical)
    assert first.group == "high"
    assert first.survival[365] == pytest.approx(exp(-0.4 * exp(first.score)))
    assert first.survival[730] == pytest.approx(exp(-0.9 * exp(first.score)))


def test_missing_parts_leave_the_models_that_do_without_them() -> None:
    lock = lock_of()
    no_followup = predict(manifest_of(lock), lock.study, VALUES, {"Rad-S": 0.3})
    assert [one.model for one in no_followup.models] == ["RadCLN-S", "Rad-S", "CLN"]
    assert no_followup.missing["RadCLN-D"] == ("baseline and follow-up CT",)
    no_clinical = predict(manifest_of(lock), lock.study, VALUES | {"nash": None}, {"Rad-S": 0.3, "Rad-D": 0.5})
    assert [one.model for one in no_clinical.models] == ["Rad-D", "Rad-S"]
    assert no_clinical.missing["CLN"] == ("nash",)
    clinical_only = predict(manifest_of(lock), lock.study, VALUES, {})
    assert [one.model for one in clinical_only.models] == ["CLN"]
    assert not predict(manifest_of(lock), lock.study, {}, {}).models


def test_survival_of_a_network_alone_uses_its_calibrated_slope() -> None:
    lock = lock_of()
    alone = predict(manifest_of(lock), lock.study, {}, {"Rad-D": 0.5}).models[0]
    assert alone.model == "Rad-D"
    assert alone.survival[365] == pytest.approx(exp(-0.4 * exp(1.3 * 0.5)))


def test_nomogram_points_follow_the_effects_and_give_the_linear_predictor_back() -> None:
    lock = lock_of()
    manifest = manifest_of(lock)
    one = predict(manifest, lock.study, VALUES, {"Rad-D": 0.5}).models[0]
    other = predict(manifest, lock.study, VALUES | {"pvtt": 1.0}, {"Rad-D": 0.5}).models[0]
    by_name = {position.name: position for position in one.nomogram}
    assert by_name["Differentiation"].shown == "moderate"
    assert by_name["Rad-D score"].points == pytest.approx(75)  # the widest axis: 1.2 · (−1 … 1), the patient at 0.5
    assert one.total_points == pytest.approx(sum(position.points for position in one.nomogram))
    per_unit = 100 / 2.4
    assert other.total_points - one.total_points == pytest.approx(per_unit * (other.score - one.score))


def test_no_survival_beyond_what_was_observed() -> None:
    lock = lock_of()
    manifest = manifest_of(lock)
    short = manifest.models["CLN"].model_copy(update={"time": (400.0,), "cumulative_hazard": (0.5,)})
    cut = manifest.model_copy(update={"models": {"CLN": short}})
    survival = predict(cut, lock.study, VALUES, {}).models[0].survival
    assert survival[365] is not None
    assert survival[730] is None


def test_a_prediction_says_what_it_rests_on() -> None:
    lock = lock_of()
    found = predict(manifest_of(lock), lock.study, VALUES, {"Rad-D": 0.5})
    assert found.rests_on == "Trained on 40 made-up patients with 25 events at 12 hospitals."
    assert any("25 events for 7 columns is few" in sentence for one in found.models for sentence in one.cautions if one.model == "CLN")
    assert not [one for one in found.models if one.model == "Rad-D" and one.cautions]


def test_a_coefficient_that_ran_away_or_is_missing_is_named() -> None:
    lock = lock_of()
    manifest = manifest_of(lock)
    spec = manifest.models["CLN"].spec
    ran = spec.model_copy(update={"coefficients": (21.5, *COEFFICIENTS[1:])})
    gone = spec.model_copy(update={"columns": COLUMNS[:-1], "coefficients": COEFFICIENTS[:-1]})
    for changed, words in ((ran, "Differentiation ran away (hazard ratio 2.2e+09)"), (gone, "is not in the model")):
        formula = manifest.models["CLN"].model_copy(update={"spec": changed})
        cut = manifest.model_copy(update={"models": {"CLN": formula}})
        said = predict(cut, lock.study, VALUES | {"rfa": 1.0}, {}).models[0].cautions
        assert any(words in sentence for sentence in said), said
    quiet = predict(manifest, lock.study, VALUES | {"rfa": 1.0}, {}).models[-1].cautions
    assert not any("ran away" in sentence or "not in the model" in sentence for sentence in quiet)


def test_high_risk_with_a_survival_of_100_percent_is_not_said_without_a_word() -> None:
    lock = lock_of()
    manifest = manifest_of(lock)
    flat = manifest.models["CLN"].model_copy(update={"cumulative_hazard": (0.0, 0.0, 0.0), "cutoff": -5.0})
    cut = manifest.model_copy(update={"models": {"CLN": flat}})
    one = predict(cut, lock.study, VALUES, {}).models[0]
    assert (one.group, one.survival[365]) == ("high", 1.0)
    assert any("is no certainty" in sentence and "high risk" in sentence for sentence in one.cautions)
    none = manifest.models["CLN"].model_copy(update={"cumulative_hazard": (None, None, None)})
    one = predict(manifest.model_copy(update={"models": {"CLN": none}}), lock.study, VALUES, {}).models[0]
    assert any("no finite baseline hazard" in sentence for sentence in one.cautions)


def test_models_that_disagree_stand_beside_a_sentence() -> None:
    lock = lock_of()
    apart = predict(manifest_of(lock), lock.study, VALUES, {"Rad-S": -3.0, "Rad-D": 3.0})
    groups = {one.model: one.group for one in apart.models}
    assert set(groups.values()) == {"high", "low"}
    assert apart.disagreement is not None and all(model in apart.disagreement for model in groups)
    assert predict(manifest_of(lock), lock.study, VALUES, {}).disagreement is None
    outside = next(one for one in apart.models if one.model == "Rad-D")
    assert any("outside the range" in sentence for sentence in outside.cautions)
