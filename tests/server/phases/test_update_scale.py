"""Ranges of a model update: exact scaling, learned from opened sums, precise where one range for all is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import shared_model.statistics.list_of_statistics  # noqa: F401  registers the statistics
from server.phases.first_weights import joined, tensor_lengths
from server.phases.update_scale import ScaleState
from shared_model.secure_sum import pairwise_masks
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import TrainingUpdate, UpdateScale
from site_config.study.plan_and_lock import Study

LENGTHS = (300, 256, 400, 257)
UNIT = UpdateScale(lengths=LENGTHS, exponents=(0, 0, 0, 0))


def asked(scale: UpdateScale, ring: int = 32) -> TrainingUpdate:
    return TrainingUpdate(model="Rad-D", dimension=sum(scale.lengths), hazard={}, centre=0.0, scale=scale, ring=ring, cut_days=(), round=0)


@given(st.lists(st.integers(-60, 60), min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_dividing_and_multiplying_by_powers_of_two_loses_nothing(exponents: list[int], seed: int) -> None:
    scale = UpdateScale(lengths=LENGTHS, exponents=tuple(exponents))
    update = np.random.default_rng(seed).normal(size=sum(LENGTHS))
    assert (scale.multiply(scale.divide(update)) == update).all()


def test_ranges_must_make_up_the_vector() -> None:
    with pytest.raises(ValidationError):
        UpdateScale(lengths=(1, 2), exponents=(0,))
    with pytest.raises(ValidationError):
        TrainingUpdate(
            model="Rad-D",
            dimension=4,
            hazard={},
            centre=0.0,
            scale=UpdateScale(lengths=(3,), exponents=(0,)),
            ring=32,
            cut_days=(),
            round=0,
        )


@pytest.mark.parametrize("lengths", [(1,) * 40, (255, 300), (300, 300, 1)])
def test_the_largest_magnitude_of_a_few_numbers_is_never_asked(lengths: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="at least 256 numbers"):
        UpdateScale(lengths=lengths, exponents=(0,) * len(lengths))


@given(st.lists(st.integers(1, 900), min_size=1, max_size=60))
def test_small_neighbours_share_a_range(sizes: list[int]) -> None:
    found = joined(sizes)
    assert sum(found) == sum(sizes) and (min(found) >= 256 or len(found) == 1)
    starts = set(np.cumsum(sizes).tolist())
    assert set(np.cumsum(found).tolist()) <= starts, "tensors are joined whole"
    UpdateScale(lengths=found, exponents=(0,) * len(found))


@pytest.mark.parametrize("backbone", ["small", "efficientnet-b0"])
def test_a_network_of_the_study_has_ranges_that_may_be_asked(backbone: str) -> None:
    study = Study.model_validate({"title": "ranges", "sites": [{"name": "a"}], "network": {"backbone": backbone}})
    lengths = tensor_lengths(study, "Rad-D")
    assert len(lengths) > 10 and min(lengths) >= 256


def test_a_range_is_learned_and_forgotten_by_half_a_cycle() -> None:
    state = ScaleState.start(LENGTHS)
    assert not state.known and set(state.broadcast(16.0).exponents) == {20} and set(state.broadcast(2.0**22).exponents) == {22}
    state = state.learned(np.array([0.0, 1.9, 1.9 * 2.0**-21, 0.0]), 2)
    assert state.known and state.broadcast(16.0).exponents == (4, 3, -18, 4)
    for _ in range(2):
        state = state.learned(np.zeros(4), 2)
    assert state.broadcast(16.0).exponents == (4, 2, -19, 4)


def test_updates_that_cancel_in_the_sum_are_not_clipped_next_round() -> None:
    updates = [np.full(sum(LENGTHS), value) for value in (5.0, -5.0, 1e-9)]
    largest = np.sum([UNIT.largest(update) for update in updates], axis=0)
    scale = ScaleState.start(LENGTHS).learned(largest, 1).broadcast(16.0)
    assert all(np.abs(scale.divide(update)).max() <= 1 for update in updates)
    assert (UNIT.largest(np.full(sum(LENGTHS), 1e9)) == 2.0**16).all()


@pytest.mark.parametrize("n_sites", [1, 5, 15, 52])
def test_small_tensors_keep_their_digits_beside_large_ones_in_32_bits(n_sites: int) -> None:
    rng = np.random.default_rng(n_sites)
    sizes = np.repeat([10.0, 1.0, 1e-6, 1e-3], LENGTHS)
    updates = [rng.normal(size=sum(LENGTHS)) * sizes for _ in range(n_sites)]
    true = np.sum(updates, axis=0)
    largest = np.sum([UNIT.largest(update) for update in updates], axis=0)
    scale = ScaleState.start(LENGTHS).learned(largest, 1).broadcast(16.0)
    segment = REGISTRY["training.update"].segments(asked(scale))[0]
    total = np.zeros(segment.size, dtype=pairwise_masks.dtype(segment))
    for update in updates:
        total += pairwise_masks.quantise(segment, scale.divide(update), n_sites)
    opened = scale.multiply(pairwise_masks.dequantise(segment, total, n_sites))
    for part in np.split(np.arange(sum(LENGTHS)), np.cumsum(LENGTHS)[:-1]):
        assert np.linalg.norm(opened[part] - true[part]) <= 1e-5 * np.linalg.norm(true[part])


@pytest.mark.parametrize("n_sites", [1, 15, 208])
def test_the_first_round_clips_nothing_of_a_network_trained_before_and_learns_its_ranges(n_sites: int) -> None:
    rng = np.random.default_rng(n_sites)
    sizes = np.repeat([9000.0, 1.0, 1e-3, 300.0], LENGTHS)
    updates = [rng.normal(size=sum(LENGTHS)) * sizes for _ in range(n_sites)]
    first = ScaleState.start(LENGTHS).broadcast(16.0)
    segments = {segment.name: segment for segment in REGISTRY["training.update"].segments(asked(first, ring=64))}

    def opened(name: str, values: list[np.ndarray]) -> np.ndarray:
        segment = segments[name]
        total = np.zeros(segment.size, dtype=pairwise_masks.dtype(segment))
        for value in values:
            total += pairwise_masks.quantise(segment, value, n_sites)
        return pairwise_masks.dequantise(segment, total, n_sites)

    scaled = [first.divide(update) for update in updates]
    assert max(np.abs(update).max() for update in scaled) < 1
    true = np.sum(updates, axis=0)
    assert np.abs(first.multiply(opened("update", scaled)) - true).max() < 1e-6
    largest = opened("largest", [first.largest(update) for update in scaled]) * first.units()
    expected = np.sum([UNIT.largest(update) for update in updates], axis=0)
    assert np.abs(largest - expected).max() <= n_sites * 2.0**-16
