"""A row of scans.csv as `check` sees it: the volume that `data prepare` will take, its headers, and its middle slices.

The same code chooses and looks as when a cohort is prepared; what is left out is reading every slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from client.imaging.hounsfield import check_hounsfield
from client.imaging.volume import Volume
from client.intake.dicom.dicom_header import is_dicom
from client.intake.dicom.look_inside import LOOKED_AT, look_inside
from client.intake.dicom.read_dicom import choose_volume, place_of
from client.intake.phase_beside import phase_beside
from client.intake.read_nifti import is_nifti, middle_planes, placed
from client.intake.too_short import too_short_volume
from client.intake.unpack import is_zip, unpacked
from client.intake.whose_scan import NOBODY, Identity
from site_config.atomic_files import access_problem
from site_config.problems import scans as scan_problems
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.tables.table_values import Scan


@dataclass(frozen=True)
class Glimpse:
    """What a look at a scan showed; `who` stays in the hospital's memory and is compared, never written out.

    `place` is where the scan lies; it has no values.
    """

    taken: date | None
    who: Identity
    phase: str | None
    findings: tuple[Problem, ...]
    place: Volume


def glimpse(scan: Scan, role: str, root: Path | None = None) -> Glimpse:
    """Look at the scan a row names. Raises problems 3xx (content) or 9xx (access), as reading the scan would."""
    try:
        scan.path.stat()
    except OSError as error:
        raise access_problem(error, role) from None
    if scan.path.is_dir() or is_dicom(scan.path):
        return _folder(scan, role, None, root)
    if is_nifti(scan.path):
        check_hounsfield(middle_planes(scan.path, LOOKED_AT, role), role)
        place = placed(scan.path, role)
        return Glimpse(None, NOBODY, scan.phase, tuple(too_short_volume(scan.region, place, role)), place)
    if is_zip(scan.path):
        with unpacked(scan.path, role) as folder:
            return _folder(scan, role, folder, None)
    raise scan_problems.NOT_AN_IMAGE.problem(f"{role} is neither a NIfTI file nor a folder or zip archive of DICOM files", where=role)


def _folder(scan: Scan, role: str, folder: Path | None, root: Path | None) -> Glimpse:
    chosen, findings = choose_volume(scan, role, folder, root)
    inside = look_inside(chosen, role)
    if inside.mixed:
        text = f"two volumes alternate slice by slice in {role}, and no header tells them apart"
        raise which_scan.VOLUMES_MIXED.problem(text, where=role)
    if inside.fault is not None:
        fault = inside.fault
        raise Problem(fault.kind, fault.what, fault.why, fault.fix, fault.where, tuple(findings))
    findings += inside.copies
    phase = scan.phase or chosen.phase
    if scan.region != "chest":
        findings += phase_beside(phase, inside.contrast, role)
    place = place_of(chosen)
    findings += too_short_volume(scan.region, place, role)
    who = chosen.series.who
    return Glimpse(chosen.taken, who if isinstance(who, Identity) else NOBODY, phase, tuple(findings), place)
