"""Selection and slices against independent checks: SimpleITK, MONAI, and ten lines of plain counting (bar 1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from client.imaging import slices
from client.imaging.volume import Volume
from client.intake.dicom.read_dicom import read_folder
from client.intake.read_nifti import read_ct, read_mask
from shared_model.networks.slice_values import averaging, normalised
from site_config.study.plan_and_lock import Imaging, Window
from site_config.tables.cohort_csv import Scan


def volume_of(hu: NDArray[np.int16], z_mm: NDArray[np.float64], spacing: float = 1.0) -> Volume:
    return Volume(hu, z_mm, (spacing, spacing), np.zeros(3), np.eye(3))


def sitk_resampled(volume: Volume, count: int) -> NDArray[np.int16]:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(volume.hu)
    image.SetSpacing((volume.spacing_mm[1], volume.spacing_mm[0], volume.slice_mm))
    size = (volume.shape[2], volume.shape[1], count)
    spacing = (volume.spacing_mm[1], volume.spacing_mm[0], 5.0)
    identity = sitk.Transform()
    resampled = sitk.Resample(
        image, size, identity, sitk.sitkLinear, (0.0, 0.0, 0.0), spacing, image.GetDirection(), -1024.0, sitk.sitkInt16
    )
    return np.asarray(sitk.GetArrayFromImage(resampled))


def real_scan(data: Path, name: str) -> tuple[Volume, NDArray[np.bool_], Path]:
    ts = data / "ct" / "ts"
    if name == "example_ct_dicom":
        scan = Scan("x", "baseline", 0.0, None, "abdomen", None, ts / name, {}, None, None, 2)
        volume, _ = read_folder(scan, "the scan")
        return volume, read_mask(ts / "example_seg_dicom.nii.gz", volume, (5,)), ts / "example_seg_dicom.nii.gz"
    volume = read_ct(ts / f"{name}.nii.gz")
    return volume, read_mask(ts / "example_seg.nii.gz", volume, (5,)), ts / "example_seg.nii.gz"


@pytest.mark.parametrize("name", ["example_ct_sm", "example_ct_dicom"])
def test_real_ct_resamples_as_simpleitk_does_to_one_hu(shared_data: Path, name: str) -> None:
    volume, _, _ = real_scan(shared_data, name)
    grid = slices.grid_of(volume.z_mm, 5.0)
    ours = slices.stack(volume.hu, grid)
    assert np.abs(ours.astype(int) - sitk_resampled(volume, len(grid))).max() <= 1


@pytest.mark.parametrize("name", ["example_ct_sm", "example_ct_dicom"])
def test_chosen_liver_slices_are_the_three_largest_by_an_independent_count(shared_data: Path, name: str) -> None:
    import nibabel

    volume, mask, seg_path = real_scan(shared_data, name)
    grid = slices.grid_of(volume.z_mm, 5.0)
    on_grid = slices.labels_on(mask, grid)
    measured = slices.measure(on_grid, np.zeros_like(on_grid), volume, grid)
    choice = slices.choose(measured, grid, 3)
    # Independent: nibabel canonical order, nearest source slice of every 5 mm from the lowest slice, count voxels.
    seg = nibabel.as_closest_canonical(nibabel.load(seg_path))
    labels = np.asanyarray(seg.dataobj) == 5
    step = float(seg.header.get_zooms()[2])
    area = {
        z: labels[:, :, int(z / step + 0.5)].sum() * np.prod(seg.header.get_zooms()[:2])
        for z in np.arange(0, (labels.shape[2] - 1) * step + 1e-6, 5)
    }
    largest = sorted(area, key=lambda z: -area[z])[:3]
    assert choice is not None
    assert sorted(choice.z_mm) == pytest.approx(sorted(largest))
    assert sorted(choice.organ_mm2) == pytest.approx(sorted(area[z] for z in largest), rel=1e-4)


def test_missing_slice_is_interpolated_at_its_true_position() -> None:
    z = np.array([0.0, 5.0, 10.0, 20.0, 25.0])
    hu = (z[:, None, None] * np.ones((1, 8, 8))).astype(np.int16)
    grid = slices.grid_of(z, 5.0)
    assert slices.stack(hu, grid)[:, 0, 0].tolist() == [0, 5, 10, 15, 20, 25]


@given(n=st.integers(3, 40), step=st.floats(0.5, 9.0))
def test_grid_starts_at_the_first_slice_and_stays_inside(n: int, step: float) -> None:
    z = np.arange(n) * step
    grid = slices.grid_of(z, 5.0)
    assert grid.z_mm[0] == 0
    assert grid.z_mm[-1] <= z[-1] + 1e-5 < grid.z_mm[-1] + 5.0 + 1e-4
    ours = grid.upper_weight * z[grid.lower + 1] + (1 - grid.upper_weight) * z[grid.lower]
    np.testing.assert_allclose(ours, np.minimum(grid.z_mm, z[-1]), atol=1e-5)


def test_area_resize_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    plane = np.random.default_rng(1).normal(size=(101, 122))
    for size in (32, 101, 224):
        ours = averaging(101, size) @ plane @ averaging(122, size).T
        theirs = torch.nn.functional.interpolate(torch.from_numpy(plane)[None, None], size=(size, size), mode="area")[0, 0].numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.evidence
def test_area_resize_window_and_normalisation_equal_monai() -> None:
    transforms = pytest.importorskip("monai.transforms")
    plane = np.random.default_rng(1).integers(-1024, 1500, (101, 122)).astype(np.int16)
    window = Window(width=400, level=0)
    scaled = transforms.ScaleIntensityRange(-200, 200, 0, 1, clip=True)(plane[None].astype(np.float32))
    theirs = transforms.NormalizeIntensity()(transforms.Resize((64, 64), mode="area")(scaled)).numpy()[0]
    np.testing.assert_allclose(normalised(plane, window, 64), theirs, atol=2e-5)


def test_a_constant_slice_becomes_zeros_and_not_nan() -> None:
    assert not normalised(np.full((9, 9), -1000, np.int16), Window(width=400, level=0), 32).any()


def measured_of(tumour: list[float], organ: list[float]) -> slices.Measured:
    return slices.Measured(np.array(organ), np.array(tumour), 1.0, 1.0, (0, 1, 0, 1), False)


def test_order_is_tumour_then_organ_then_centroid_then_lowest() -> None:
    grid = slices.grid_of(np.arange(8) * 5.0, 5.0)
    choice = slices.choose(measured_of([0, 2, 5, 5, 0, 0, 0, 0], [9, 9, 9, 8, 9, 9, 0, 0]), grid, 3)
    assert choice is not None and choice.slices == (2, 3, 1) and choice.reason == "tumour"
    flat = slices.choose(measured_of([0] * 8, [4, 4, 4, 4, 4, 4, 4, 4]), grid, 4)
    assert flat is not None and flat.slices == (3, 4, 2, 5) and flat.reason == "organ"


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=3, max_size=12), st.integers(1, 6))
def test_choice_is_unique_whatever_ties_there_are(areas: list[tuple[int, int]], count: int) -> None:
    organ = [float(a + b) for a, b in areas]
    grid = slices.grid_of(np.arange(len(areas)) * 5.0, 5.0)
    choice = slices.choose(measured_of([float(a) for a, _ in areas], organ), grid, count)
    if not any(organ):
        assert choice is None
        return
    assert choice is not None and len(choice.slices) == count
    distinct = min(count, sum(area > 0 for area in organ))
    assert len(set(choice.slices)) == distinct and choice.repeated == count - distinct
    left = [k for k in range(len(areas)) if organ[k] > 0 and k not in choice.slices]
    assert all(areas[k][0] <= min(areas[c][0] for c in choice.slices) for k in left)


def test_organ_field_is_a_square_around_the_largest_box_and_may_leave_the_image() -> None:
    hu = np.full((4, 40, 60), -1000, np.int16)
    mask = np.zeros(hu.shape, bool)
    mask[1:3, 0:10, 40:60] = True
    volume = volume_of(hu, np.arange(4) * 5.0, 2.0)
    grid = slices.grid_of(volume.z_mm, 5.0)
    measured = slices.measure(mask, np.zeros_like(mask), volume, grid)
    top, bottom, left, right = slices.field_of(measured, volume, "organ")
    assert bottom - top == right - left == 30 and top < 0 and right > 60
    cut = slices.cut(hu[0], (top, bottom, left, right), -1024)
    assert cut.shape == (30, 30) and cut[0, 0] == -1024
    choice = slices.choose(measured, grid, 3)
    assert choice is not None and choice.repeated == 1
    out = slices.render(volume, grid, choice, measured, Window(width=400, level=0), Imaging(size=32, field="organ"))
    assert out.shape == (3, 32, 32) and np.isfinite(out).all()


@pytest.mark.parametrize(("left", "slices_cut", "cut"), [(0, 3, True), (0, 2, False), (1, 8, False)])
def test_an_organ_along_the_pictures_border_is_part_of_one(left: int, slices_cut: int, cut: bool) -> None:
    hu = np.zeros((12, 30, 30), dtype=np.int16)
    mask = np.zeros(hu.shape, dtype=bool)
    mask[2:10, 5:25, 1:20] = True
    mask[2 : 2 + slices_cut, 5:25, left] = True
    volume = volume_of(hu, np.arange(12) * 5.0)
    measured = slices.measure(mask, np.zeros_like(mask), volume, slices.grid_of(volume.z_mm, 5.0))
    assert measured.touches_edge == cut
