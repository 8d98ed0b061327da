"""What counts as tumour and as organ."""

from __future__ import annotations

import numpy as np

from client.segmentation.cleaning import clean, without_strays

SPACING = (5.0, 1.0, 1.0)


def empty() -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.zeros((8, 60, 60), dtype=bool)


def test_tumour_belongs_to_the_organ_so_a_large_one_does_not_shrink_it() -> None:
    organ, tumour = empty(), empty()
    organ[2:6, 10:50, 10:50] = True
    tumour[3:5, 14:46, 14:46] = True
    organ &= ~tumour
    whole, kept = clean(organ, tumour, SPACING, one_model=True)
    assert whole[3:5, 10:50, 10:50].all() and (kept == tumour).all()


def test_a_large_hollow_from_another_source_is_filled_before_distances_are_measured() -> None:
    organ, tumour = empty(), empty()
    organ[2:6, 5:55, 5:55] = True
    tumour[3:5, 10:50, 10:50] = True
    _, kept = clean(organ & ~tumour, tumour, SPACING)
    assert (kept == tumour).all()


def test_tumour_counts_within_ten_millimetres_and_no_further() -> None:
    organ, tumour = empty(), empty()
    organ[2:6, 10:30, 10:30] = True
    tumour[3:5, 10:30, 25:55] = True
    whole, kept = clean(organ, tumour, SPACING)
    columns = np.flatnonzero(kept.any(axis=(0, 1)))
    assert columns[0] == 25 and columns[-1] == 39  # organ ends at 29, reach 10 mm
    assert (whole == (organ | kept)).all()


def test_islands_far_from_the_organ_go_with_one_model_too() -> None:
    organ, tumour = empty(), empty()
    organ[2:6, 10:30, 10:30] = True
    tumour[3:5, 15:25, 15:25] = True
    tumour[3:5, 50:58, 50:58] = True
    whole, kept = clean(organ, tumour, SPACING, one_model=True)
    assert kept[3, 20, 20] and not kept[3, 54, 54] and not whole[3, 54, 54]


def test_three_dimensional_islands_under_100_cubic_millimetres_are_dropped() -> None:
    organ, tumour = empty(), empty()
    organ[:, 5:55, 5:55] = True
    tumour[2, 10:13, 10:16] = True  # 18 voxels of 5 mm³ = 90 mm³
    tumour[4:6, 30:32, 30:35] = True  # 20 voxels = 100 mm³
    _, kept = clean(organ, tumour, SPACING)
    assert not kept[2].any() and kept[4:6, 30:32, 30:35].all()


def test_no_organ_leaves_no_tumour() -> None:
    tumour = empty()
    tumour[3:5, 10:30, 10:30] = True
    whole, kept = clean(empty(), tumour, SPACING)
    assert not whole.any() and not kept.any()


def test_stray_voxels_go_and_a_second_lung_stays() -> None:
    organ = np.zeros((6, 60, 60), dtype=bool)
    organ[:, 5:25, 5:25] = True
    organ[:, 5:25, 35:55] = True
    strayed = organ.copy()
    strayed[2:4, 50:54, 50:54] = True
    assert np.array_equal(without_strays(strayed), organ)
    assert not without_strays(np.zeros_like(organ)).any()
