"""The prepared cohort: what is missing is said, what changed is made again, and an interruption leaves no trace (bar 6)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from client.cohort.prepared_cohort import Patients, load_patients, prepare
from client.cohort.pseudonyms import is_validation, patient_key, site_secret
from client.cohort.withdrawal import withdraw, withdrawals
from site_config.problems.base import Problem
from site_config.site_yaml import Paths, SiteConfig
from tests.client.made_scans import a_study, write_site

FILES = {".json", ".safetensors"}


def contents(site: SiteConfig) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (site.state / "prepared").iterdir() if path.suffix in FILES}


def patients_of(site: SiteConfig, study_id: str = "id", **imaging: object) -> Patients:
    return load_patients(site, a_study(**imaging), study_id, "development")


def test_a_site_without_scans_needs_no_preparation(tmp_path: Path) -> None:
    site = write_site(tmp_path, patients=4)
    patients = load_patients(site.model_copy(update={"paths": Paths(scans=None)}), a_study(), "id", "evaluation")
    assert patients.images is None and not patients.has_images.any() and not patients.is_validation.any()
    assert len(patients) == 4 and patients.clinical.shape == (4, 7)
    assert np.isnan(patients.clinical[:, patients.clinical_names.index("rfa")]).all()
    assert patients.keys == tuple(sorted(patients.keys))


def test_a_study_without_image_models_needs_no_preparation(tmp_path: Path) -> None:
    site = write_site(tmp_path, patients=2)
    clinical = a_study().model_copy(update={"models": ("CLN",)})
    assert load_patients(site, clinical, "id", "development").images is None
    with pytest.raises(Problem) as caught:
        patients_of(site)
    assert caught.value.code == "FH-350"


def test_an_organ_that_nothing_supplies_is_refused_before_any_scan_is_opened(tmp_path: Path) -> None:
    site = write_site(tmp_path, patients=1)
    rows = [line.split(",") for line in (tmp_path / "scans.csv").read_text().splitlines()]
    column = rows[0].index("mask_lung")
    for row in rows[1:]:
        row[column] = ""
    (tmp_path / "scans.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    with pytest.raises(Problem) as caught:
        prepare(site, a_study())
    assert caught.value.code == "FH-322" and "lung" in caught.value.what


def test_prepared_slices_are_read_back_in_the_contracts_shape(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    summary = prepare(site, a_study())
    assert (summary.patients, summary.made, summary.with_images) == (3, 3, 3)
    patients = patients_of(site)
    assert patients.images is not None and patients.has_images.all()
    tensor = patients.images.load(1)
    assert tensor.shape == (2, 2, 3, 32, 32) and tensor.dtype == np.float32
    np.testing.assert_allclose(tensor.mean(axis=(3, 4)), 0, atol=1e-5)
    np.testing.assert_allclose(tensor.std(axis=(3, 4)), 1, atol=1e-4)
    part = patients.subset(np.array([False, True, True]))
    assert part.images is not None
    np.testing.assert_array_equal(part.images.load(0), tensor)
    assert part.keys == patients.keys[1:] and len(part.flags) == 2


def test_nothing_stored_names_a_patient_a_date_or_a_place(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    prepare(site, a_study())
    everything = b"".join(contents(site).values()) + b"".join(name.encode() for name in contents(site))
    for word in (b"P000", b"P001", b"images", b"scans.csv", str(tmp_path).encode(), b"nii"):
        assert word not in everything


def test_missing_followup_chest_is_carried_forward_flagged_and_counted(tmp_path: Path) -> None:
    site = write_site(tmp_path, scans=lambda key, visit, region: (key, visit, region) != ("P001", "followup", "chest"))
    summary = prepare(site, a_study())
    patients = patients_of(site)
    row = patients.keys.index(patient_key(site_secret(site.state), "P001"))
    assert summary.carried_forward == patients.flow["carried-forward"] == 1
    assert "followup_chest_carried_forward" in patients.flags[row]
    tensor = patients.images.load(row)  # type: ignore[union-attr]
    np.testing.assert_array_equal(tensor[0, 1], tensor[1, 1])
    assert not np.array_equal(tensor[0, 0], tensor[1, 0])


@pytest.mark.parametrize("gone", [("baseline", "abdomen"), ("baseline", "chest"), ("followup", "abdomen")])
def test_patients_without_complete_images_stay_in_the_clinical_statistics(tmp_path: Path, gone: tuple[str, str]) -> None:
    site = write_site(tmp_path, scans=lambda key, visit, region: key != "P002" or (visit, region) != gone)
    summary = prepare(site, a_study())
    patients = patients_of(site)
    assert len(patients) == 3 and patients.has_images.sum() == 2
    reason = "no-baseline-imaging" if gone[0] == "baseline" else "no-followup-imaging"
    assert patients.flow[reason] == 1
    assert {finding.code for _, finding in summary.findings} >= {"FH-331" if gone[0] == "baseline" else "FH-332"}
    without = int(np.flatnonzero(~patients.has_images)[0])
    with pytest.raises(IndexError):
        patients.images.load(without)  # type: ignore[union-attr]


def test_declared_rules_for_a_missing_baseline_chest(tmp_path: Path) -> None:
    site = write_site(tmp_path, patients=2, scans=lambda key, visit, region: (key, region) != ("P001", "chest"))
    study = a_study(missing_baseline_chest="zeros")
    prepare(site, study)
    patients = load_patients(site, study, "id", "development")
    row = patients.keys.index(patient_key(site_secret(site.state), "P001"))
    assert patients.has_images.all() and not patients.images.load(row)[:, 1].any()  # type: ignore[union-attr]
    assert "baseline_chest_zeros" in patients.flags[row]
    refusing = a_study(missing_baseline_chest="refuse")
    prepare(site, refusing)
    with pytest.raises(Problem) as caught:
        load_patients(site, refusing, "id", "development")
    assert caught.value.code == "FH-354"


def test_a_second_run_makes_nothing_and_a_change_makes_exactly_what_depends_on_it(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    prepare(site, a_study())
    before = contents(site)
    again = prepare(site, a_study())
    assert (again.made, again.kept) == (0, 3) and contents(site) == before
    mask = tmp_path / "images" / "P001" / "baseline_abdomen_liver.nii.gz"
    os.utime(mask, (1, 1))
    assert prepare(site, a_study()).made == 1
    assert prepare(site, a_study(slices=2)).made == 3
    with pytest.raises(Problem) as caught:
        patients_of(site)
    assert caught.value.code == "FH-350"


def test_a_damaged_file_is_noticed_and_made_again(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    prepare(site, a_study())
    before = contents(site)
    victim = next(path for path in sorted((site.state / "prepared").glob("*.safetensors")) if "view" not in path.name)
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(bytes(data))
    patients = patients_of(site)
    with pytest.raises(Problem) as caught:
        patients.images.load(patients.keys.index(victim.name.split(".")[0]))  # type: ignore[union-attr]
    assert caught.value.code == "FH-351"
    assert prepare(site, a_study()).made == 1 and contents(site) == before


def test_an_unreachable_scan_is_tried_again_and_then_found(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    scan = tmp_path / "images" / "P000" / "baseline_abdomen.nii.gz"
    hidden = scan.rename(scan.with_name("hidden"))
    summary = prepare(site, a_study())
    assert summary.to_retry == 1 and summary.with_images == 2
    codes = {finding.code for _, finding in summary.findings}
    assert codes - {"FH-328", "FH-377"} == {"FH-910", "FH-331"}  # the made-up patients look alike and are small
    hidden.rename(scan)
    summary = prepare(site, a_study())
    assert (summary.made, summary.with_images, summary.to_retry) == (1, 3, 0)


def test_a_full_disk_stops_with_an_access_problem_and_the_next_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, other = write_site(tmp_path / "a"), write_site(tmp_path / "b")
    prepare(other, a_study())
    ordinary = Path.write_bytes
    left = [4]

    def until_full(self: Path, data: bytes) -> int:
        if "prepared" in self.parts:
            left[0] -= 1
            if left[0] < 0:
                ordinary(self, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "full")
        return ordinary(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", until_full)
        with pytest.raises(Problem) as caught:
            prepare(site, a_study())
    assert caught.value.code == "FH-914"
    summary = prepare(site, a_study())
    assert summary.with_images == 3 and 0 < summary.made < 3
    assert len(contents(site)) == len(contents(other))


def test_withdrawal_removes_the_files_and_the_patient_and_keeps_the_boundary(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    prepare(site, a_study())
    key = patients_of(site).keys[1]
    record = withdraw(site.state, site.state / "prepared", key, ("study-1",))
    assert not list((site.state / "prepared").glob(f"{key}*"))
    patients = patients_of(site)
    assert key not in patients.keys and len(patients) == 2 and patients.flow["withdrawn"] == 1
    assert record.studies == ("study-1",) and withdraw(site.state, site.state / "prepared", key, ()) == record
    assert prepare(site, a_study()).patients == 2 and not list((site.state / "prepared").glob(f"{key}*"))
    assert set(withdrawals(site.state)) == {key}


def test_split_and_keys_come_from_the_sites_secret(tmp_path: Path) -> None:
    one, other = site_secret(tmp_path / "a"), site_secret(tmp_path / "b")
    assert one == site_secret(tmp_path / "a") != other and len(one) == 32
    assert patient_key(one, "P1") != patient_key(other, "P1")
    names = [f"P{i}" for i in range(4000)]
    share = np.mean([is_validation(one, name, 0.2) for name in names])
    assert abs(share - 0.2) < 0.03
    assert [is_validation(other, name, 0.2) for name in names] != [is_validation(one, name, 0.2) for name in names]
    assert not any(is_validation(one, name, 0.0) for name in names)
    few, many = ({name for name in names if is_validation(one, name, share)} for share in (0.1, 0.2))
    assert few < many, "a larger part holds the smaller one"
    (tmp_path / "a" / "secret").write_bytes(b"short")
    with pytest.raises(Problem) as caught:
        site_secret(tmp_path / "a")
    assert caught.value.code == "FH-355"


def test_only_one_prepare_at_a_time(tmp_path: Path) -> None:
    from client.cohort.prepare_cohort import only_one

    site = write_site(tmp_path, patients=1)
    (site.state / "prepared").mkdir(parents=True)
    with only_one(site.state / "prepared"), pytest.raises(Problem) as caught:
        prepare(site, a_study())
    assert caught.value.code == "FH-353"
