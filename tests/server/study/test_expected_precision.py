"""The half-width of C that `study check` prints, against simulated cohorts."""

from __future__ import annotations

import numpy as np
import pytest

from server.study.expected_precision import ExpectedSize, expect
from site_config.study import study_presets


def concordance(score: np.ndarray, day: np.ndarray, event: np.ndarray) -> float:
    comparable = (day[:, None] < day[None, :]) & event[:, None]
    return float((comparable & (score[:, None] > score[None, :])).sum() / comparable.sum())


def spread(n: int, share: float, effect: float, rng: np.random.Generator) -> tuple[float, float]:
    """Half-width (1.96 sd) of C over repeated cohorts, and their mean number of events."""
    values, events = [], []
    for _ in range(1500):
        score = rng.normal(size=n)
        death = rng.exponential(np.exp(-effect * score))
        censored = rng.exponential(share / (1 - share), size=n)
        event = death <= censored
        if event.sum() > 2:
            values.append(concordance(score, np.minimum(death, censored), event))
            events.append(int(event.sum()))
    return 1.96 * float(np.std(values)), float(np.mean(events))


def test_forty_six_patients_give_a_half_width_of_twelve_hundredths() -> None:
    assert ExpectedSize(1, 46, 28).c_half_width == pytest.approx(0.12, abs=0.005)


@pytest.mark.parametrize(("n", "share", "effect"), [(46, 0.6, 0.0), (46, 0.6, 0.5), (160, 0.6, 0.5), (60, 0.8, 0.3), (160, 0.35, 0.5)])
def test_the_rule_holds_in_simulated_cohorts(n: int, share: float, effect: float) -> None:
    measured, events = spread(n, share, effect, np.random.default_rng(7))
    predicted = ExpectedSize(1, n, round(events)).c_half_width
    assert predicted is not None
    assert 0.8 < predicted / measured < 1.3


def test_few_events_are_a_finding() -> None:
    study = study_presets.preset("paper")
    assert expect(study).findings() == []
    few = expect(study, event_share=0.3)
    assert [finding.code for finding in few.findings()] == ["FH-124"]
    assert few.events_a_variable < 10
    assert expect(study, 1.0, 0.01).test.c_half_width is None


@pytest.mark.parametrize(
    ("part", "minimum", "words"),
    [
        (
            "privacy",
            10_000,
            "`privacy: minimum_patients: 10000`, and fewer patients are to be expected: development 148, test 60",
        ),
        ("blocks", 10_000, "`blocks: minimum_patients: 10000`, and fewer patients are to be expected: development 148"),
        ("privacy", 1, "`privacy: minimum_patients: 1`: a sum of one patient is that patient's row"),
    ],
)
def test_a_minimum_that_is_never_reached_or_protects_nobody_is_a_finding(part: str, minimum: int, words: str) -> None:
    study = study_presets.preset("paper")
    changed = study.model_copy(update={part: getattr(study, part).model_copy(update={"minimum_patients": minimum})})
    (found,) = expect(changed).findings()
    assert (found.code, found.where) == ("FH-132", f"study.yaml: {part}.minimum_patients")
    assert found.what.startswith(words)
    assert [one.what for one in expect(changed, 4000.0).sizes] == ([] if minimum > 1 else [found.what])


@pytest.mark.parametrize("name", ["paper", "demo", "canary", "tiny", "cox"])
def test_the_sizes_of_every_preset_go_together(name: str) -> None:
    assert expect(study_presets.preset(name)).sizes == ()


def test_a_share_for_validation_that_leaves_nobody_to_train_on_is_named() -> None:
    study = study_presets.preset("paper").model_copy(update={"validation_fraction": 0.999})
    found = [one for one in expect(study).findings() if one.code == "FH-132"]
    assert [one.what for one in found] == ["`validation_fraction: 0.999` leaves 0 patients of 148 to train on, fewer than 20"]
    assert "such as 0.2" in found[0].fix


def test_more_patients_than_pairs_allow_are_a_finding() -> None:
    study = study_presets.preset("paper")
    sites = len(study.sites)
    assert expect(study, 1500 / sites).findings() == []
    assert [finding.code for finding in expect(study, 1600 / sites).findings()] == ["FH-563"]
    assert expect(study.model_copy(update={"resolution": "exact"}), 1600 / sites).findings() == []
