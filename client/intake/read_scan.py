"""One row of scans.csv → one volume, whatever format it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from client.imaging.volume import Volume
from client.intake.dicom.dicom_header import is_dicom
from client.intake.dicom.read_dicom import read_folder
from client.intake.read_nifti import is_nifti, read_ct
from client.intake.unpack import is_zip, unpacked
from site_config.atomic_files import access_problem
from site_config.problems import scans as scan_problems
from site_config.problems.base import Problem
from site_config.tables.cohort_csv import Scan


def read_scan(scan: Scan, role: str, root: Path | None = None) -> tuple[Volume, list[Problem]]:
    """The volume a row names, and remarks on it; `root` is the images folder, within which links are followed.

    Raises problems 3xx (content) or 9xx (access).
    """
    try:
        scan.path.stat()
    except OSError as error:
        raise access_problem(error, role) from None
    if scan.path.is_dir() or is_dicom(scan.path):
        return read_folder(scan, role, root=root)
    if is_nifti(scan.path):
        return read_ct(scan.path, role), []
    if is_zip(scan.path):
        with unpacked(scan.path, role) as folder:
            volume, findings = read_folder(scan, role, folder)
            return replace(volume, values=volume.hu), findings  # the folder goes away
    raise scan_problems.NOT_AN_IMAGE.problem(f"{role} is neither a NIfTI file nor a folder or zip archive of DICOM files", where=role)
