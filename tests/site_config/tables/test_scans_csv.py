from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from site_config.problems.base import Problem
from site_config.study.plan_and_lock import two_organs
from site_config.tables.cohort_csv import load_scans
from site_config.tables.scans_csv import ImagesFolder, parse_scans

HEAD = "patient,visit,day,region,phase,path,mask_liver,mask_heart,series_uid,manufacturer\n"
TODAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scan, a mask, a DICOM folder, links inside and links out."""
    root = tmp_path_factory.mktemp("home") / "images"
    (root / "p" / "dicom").mkdir(parents=True)
    for name in ("scan.nii.gz", "mask.nii.gz", "Ümlaut scan.nii.gz"):
        (root / "p" / name).write_bytes(b"")
    (root / "p" / "inside.nii.gz").symlink_to(root / "p" / "scan.nii.gz")
    (root.parent / "outside.nii.gz").write_bytes(b"")
    (root / "p" / "out.nii.gz").symlink_to("../../outside.nii.gz")
    (root / "up").symlink_to(root.parent)
    (root / "p" / "loop.nii.gz").symlink_to("loop.nii.gz")
    os.mkfifo(root / "p" / "pipe")
    return root


def read(images: Path, rows: str) -> list[tuple[Path, dict[str, Path]]]:
    scans = parse_scans((HEAD + rows).encode(), ImagesFolder(images, images.resolve()), two_organs(), TODAY)
    return [(scan.path, scan.masks) for scan in scans]


@pytest.mark.parametrize("path", ["p/scan.nii.gz", "p\\scan.nii.gz", "./p/scan.nii.gz", "p//scan.nii.gz", "p/inside.nii.gz"])
def test_paths_are_absolute_below_the_images(images: Path, path: str) -> None:
    assert read(images, f"A,baseline,0,abdomen,portal,{path},p/mask.nii.gz,,,\n") == [
        (images.resolve() / "p" / "scan.nii.gz", {"liver": images.resolve() / "p" / "mask.nii.gz"})
    ]


def test_a_dicom_folder_an_umlaut_and_a_further_organ(images: Path) -> None:
    found = read(images, "A,baseline,0,whole,,p/dicom,,p/mask.nii.gz,1.2.3,Siemens\nA,followup,60,whole,,p/Ümlaut scan.nii.gz,,,,\n")
    assert [path.name for path, _ in found] == ["dicom", "Ümlaut scan.nii.gz"]
    assert list(found[0][1]) == ["heart"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../outside.nii.gz", "FH-219"),
        ("p/../../outside.nii.gz", "FH-219"),
        ("..\\outside.nii.gz", "FH-219"),
        ("p/out.nii.gz", "FH-219"),
        ("up/outside.nii.gz", "FH-219"),
        ("~/scan.nii.gz", "FH-219"),
        ("C:\\scan.nii.gz", "FH-219"),
        ("\\\\server\\share\\scan.nii.gz", "FH-219"),
        ("/etc/passwd", "FH-219"),
        ("p/loop.nii.gz", "FH-220"),
        ("p/pipe", "FH-220"),
        ("p/SCAN.nii.gz", "FH-220"),
        ("p/scan.nii.gz/x", "FH-220"),
        ("x" * 300, "FH-220"),
    ],
)
def test_paths_that_lead_out_or_nowhere(images: Path, path: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        read(images, f"A,baseline,0,abdomen,portal,{path},,,,\n")
    assert caught.value.code == code
    assert "row 2, column path" in caught.value.what
    assert "scan.nii" not in str(caught.value.as_dict())


def test_one_folder_with_two_series_is_no_duplicate(images: Path) -> None:
    assert len(read(images, "A,baseline,0,abdomen,,p/dicom,,,1.2.3,\nA,baseline,0,chest,,p/dicom,,,1.2.4,\n")) == 2
    with pytest.raises(Problem, match="FH-222"):
        read(images, "A,baseline,0,abdomen,,p/dicom,,,1.2.3,\nB,baseline,0,chest,,p/dicom,,,1.2.3,\n")


def test_the_images_folder_itself_may_be_a_link(images: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(images)
    (tmp_path / "scans.csv").write_text(HEAD + "A,baseline,0,abdomen,,p/scan.nii.gz,,,,\n")
    assert load_scans(tmp_path / "scans.csv", tmp_path / "link")[0].path == images.resolve() / "p" / "scan.nii.gz"


@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from(["..", "p", "up", "/", "\\", "scan.nii.gz", "outside.nii.gz", "~", "\x00", "."])).map("/".join)
)
def test_no_path_ever_leads_out_of_the_images(images: Path, path: str) -> None:
    quoted = '"' + path.replace('"', '""') + '"'
    try:
        found = read(images, f"A,baseline,0,abdomen,portal,{quoted},{quoted},,,\n")
    except Problem as problem:
        assert all(one.kind.code // 100 in (1, 2) for one in (problem, *problem.others))
        return
    except UnicodeEncodeError:
        return  # a lone surrogate is no bytes at all
    for scan, masks in found:
        for reached in (scan, *masks.values()):
            assert reached.resolve().is_relative_to(images.resolve())
