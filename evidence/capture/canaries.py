"""Planted strings: a hospital whose patients, files, folders and DICOM tags all carry a mark that must never leave it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from client.cohort.pseudonyms import patient_key, site_secret

MARK = "Zq7canary"
UID_MARK = "77201948331"
LEAK = "Zq8planted"
UID_ROOT = f"1.2.826.0.1.{UID_MARK}"
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Planted:
    """A hospital's real home, whose path carries the mark, and what stands for a patient there: ids and pseudonyms."""

    home: Path
    secrets: tuple[str, ...]


def plant(home: Path, mark: str = MARK) -> Planted:
    """Mark a site's patients, images and own folder; `home` becomes a link to the folder with the marked path."""
    names = {row["patient"]: f"{mark}-{number} Name^Given" for number, row in enumerate(read_rows(home / "cohort.csv"), start=1)}
    change_rows(home / "cohort.csv", lambda rows: [row | {"patient": names[row["patient"]]} for row in rows])
    if (home / "scans.csv").exists():
        folders = {key: f"{mark}-folder-{number}" for number, key in enumerate(names, start=1)}
        change_rows(home / "scans.csv", lambda rows: [_scan(home / "images", row, names, folders, mark) for row in rows])
        for key, folder in folders.items():
            (home / "images" / key).rename(home / "images" / folder)
    real = home.parent.parent / f"{mark}-house" / home.name
    real.parent.mkdir(exist_ok=True)
    home.rename(real)
    home.symlink_to(Path("..") / real.parent.name / real.name)  # relative, so that the cohort can be copied
    secret = site_secret(real / "state")
    return Planted(real, tuple(names.values()) + tuple(patient_key(secret, name) for name in names.values()))


def read_rows(path: Path) -> Rows:
    """The rows of a table."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def change_rows(path: Path, change: Callable[[Rows], Rows]) -> None:
    """Rewrite a table's rows."""
    rows = change(read_rows(path))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _scan(images: Path, row: dict[str, str], names: dict[str, str], folders: dict[str, str], mark: str) -> dict[str, str]:
    """A row of scans.csv after its files were renamed and its DICOM tags marked."""
    key, changed = row["patient"], dict(row)
    for column in [name for name in row if name == "path" or name.startswith("mask_")]:
        if row[column]:
            old = images / row[column]
            new = old.with_name(f"{mark}-{old.name}")
            old.rename(new)
            changed[column] = f"{folders[key]}/{new.name}"
            if new.is_dir():
                changed["series_uid"] = _tags(new, names[key], mark)
    return changed | {"patient": names[key]}


def _tags(folder: Path, name: str, mark: str) -> str:
    """Mark every DICOM file of a folder, tags and name; the series' new UID."""
    from pydicom import dcmread

    series = ""
    for number, path in enumerate(sorted(folder.iterdir())):
        data = dcmread(path)
        series = series or f"{UID_ROOT}.{int(data.SeriesInstanceUID.rpartition('.')[2]) % 10**12}"
        data.PatientName, data.PatientID, data.PatientComments = name, f"{mark}-id", f"{mark} free text"
        data.InstitutionName, data.ReferringPhysicianName, data.AccessionNumber = f"{mark} hospital", f"{mark}^Doctor", f"{mark}-4711"
        data.StudyDescription, data.SeriesDescription = f"{mark} study", f"{data.SeriesDescription} {mark}"
        data.SeriesInstanceUID, data.StudyInstanceUID = series, f"{series}.1"
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"{series}.2.{number}"
        data.save_as(folder / f"{mark}-{path.name}.dcm", enforce_file_format=True)
        path.unlink()
    return series
