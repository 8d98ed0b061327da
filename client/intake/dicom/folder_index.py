"""What a folder of DICOM files holds: headers only, no pixels, and nothing believed that was not checked.

Files that are no axial CT slices are counted by reason and left out; one garbage file never costs the rest. A file that
may not be opened is another matter: the series could lack a slice through it, so it stops the scan as an access problem.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client.intake.dicom.dicom_header import About, Read, SliceHeader, is_dicom, read_header, reader
from client.intake.names.image_kind_and_region import Kernel, is_low_dose, kernel_of
from client.intake.names.phase_from_name import phase_of
from client.intake.whose_scan import Identity, together
from site_config.atomic_files import access_problem, readable_name
from site_config.problems import scans as scan_problems

__all__ = ["Contents", "Series", "SliceHeader", "files_of", "index", "is_dicom", "read_header"]

SAME_DIRECTION = 0.015
SAME_PIXEL = 1e-3
MOST_FILES = 20_000
NOT_DICOM = "not DICOM"
USUAL_BESIDE = frozenset(
    (
        *(".txt", ".xml", ".pdf", ".json", ".csv", ".ini", ".inf", ".exe", ".dll", ".htm", ".html", ".css", ".js", ".ico", ".db", ".md"),
        *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".doc", ".docx", ".xls", ".xlsx", ".log"),
        *(".zip", ".gz", ".nii", ".7z", ".rar", ".tar", ".iso", ".nrrd", ".mha", ".mhd", ".raw", ".hdr", ".mgz"),
    )
)
"""Suffixes of files that lie beside images on discs and in exports, or are named otherwise."""
SPECIAL = "is a pipe, a socket or a device"


@dataclass(frozen=True)
class Series:
    """Slices that belong together: one series, orientation, matrix, spacing, kernel and kind of image.

    `who` is the one identity its headers state, or what they state differently.
    """

    slices: tuple[SliceHeader, ...]
    about: About
    who: Identity | tuple[str, ...]
    beside_pet: bool = False

    @property
    def uid(self) -> str:
        """SeriesInstanceUID, "" where the headers state none."""
        return self.about.uid

    @property
    def manufacturer(self) -> str | None:
        """As stated."""
        return self.about.manufacturer or None

    @property
    def description(self) -> str:
        """The series' name and protocol."""
        return " ".join(part for part in (self.about.description, self.about.protocol) if part)

    @property
    def kernel(self) -> Kernel | None:
        """The kernel's class."""
        return kernel_of(self.about.kernel, self.about.description)

    @property
    def low_dose(self) -> bool:
        """Taken with little dose, by its name or beside a positron emission series."""
        return self.beside_pet or is_low_dose(self.description)

    @property
    def date(self) -> str | None:
        """YYYYMMDD."""
        return self.about.date or None

    def phase(self, slices: tuple[SliceHeader, ...]) -> str | None:
        """The phase of some of its slices: by name, else by their own time after the injection."""
        times = {(header.bolus, header.taken_text) for header in slices}
        bolus, taken = times.pop() if len(times) == 1 else min(times)
        return phase_of(
            {
                "SeriesDescription": self.about.description,
                "ProtocolName": self.about.protocol,
                "ContrastBolusStartTime": bolus,
                "AcquisitionTime": taken,
            }
        )


@dataclass(frozen=True)
class Contents:
    """What a folder holds: series, and why the other files were left out; `structures` are files that hold masks.

    `unknown` counts files that are no DICOM and of no kind that usually lies beside images: pages of an error, cut-off downloads.
    """

    series: tuple[Series, ...]
    left_out: dict[str, int]
    enhanced: int
    links: tuple[str, ...] = ()
    structures: tuple[Path, ...] = field(default=())
    unknown: int = 0

    @property
    def patients(self) -> int:
        """How many patients the ids of its series name."""
        return len({series.who.id for series in self.series if isinstance(series.who, Identity) and series.who.id})

    @property
    def who(self) -> Identity | tuple[str, ...]:
        """The one identity of all its series, or what they state differently."""
        split = next((series.who for series in self.series if isinstance(series.who, tuple)), None)
        return split or together(series.who for series in self.series if isinstance(series.who, Identity))


@dataclass(frozen=True)
class Files:
    """Files below a folder in a fixed order; links and special files that were not read, with the reason; `named`: which."""

    paths: tuple[Path, ...]
    links: tuple[str, ...]
    named: tuple[str, ...] = ()


def index(folder: Path, role: str, root: Path | None = None) -> Contents:
    """Index every file of a folder and its subfolders; links are followed where they stay below `root`.

    Raises access problems (9xx) and FH-305 for more than 20,000 files.
    """
    groups: dict[tuple[Any, ...], list[Read]] = {}
    left_out: Counter[str] = Counter()
    beside_pet: set[str] = set()
    structures: list[Path] = []
    unknown = 0
    files = walk(folder, role, root)
    read_next = reader(role)
    for path in files.paths:
        read = read_next(path)
        if read.header is None or read.group is None:
            reason = read.reason or "unknown"
            left_out[reason] += 1
            unknown += reason == NOT_DICOM and path.suffix.lower() not in USUAL_BESIDE
            if reason == "positron emission":
                beside_pet.add(read.study)
            if reason == "structures or segmentation":
                structures.append(path)
            continue
        groups.setdefault(read.group, []).append(read)
    links = tuple(one for one in files.links if one != SPECIAL)
    ordered = sorted(_joined(groups).items(), key=lambda item: repr(item[0]))
    series = tuple(_series(reads, beside_pet - {""}) for _, reads in ordered)
    return Contents(series, dict(sorted(left_out.items())), left_out["enhanced multi-frame"], links, tuple(structures), unknown)


def _joined(groups: dict[tuple[Any, ...], list[Read]]) -> dict[tuple[Any, ...], list[Read]]:
    """Groups of which only the rounding of directions or pixel sizes differs are one series."""
    made: dict[tuple[Any, ...], list[Read]] = {}
    for group, reads in groups.items():
        uid, directions, shape, sizes, *rest = group
        same = next(
            (
                one
                for one in made
                if (one[0], one[2], *one[4:]) == (uid, shape, *rest)
                and all(abs(a - b) < SAME_DIRECTION for a, b in zip(one[1], directions, strict=True))
                and all(abs(a - b) < SAME_PIXEL * b for a, b in zip(one[3], sizes, strict=True))
            ),
            group,
        )
        made.setdefault(same, []).extend(reads)
    return made


def files_of(folder: Path, role: str) -> list[Path]:
    """All files below a folder in a fixed order, or the one file."""
    return list(walk(folder, role).paths)


def walk(folder: Path, role: str, root: Path | None = None) -> Files:
    """Files below a folder. A linked folder is walked once, where it lies below `root` (left out: below the folder itself)."""
    if not folder.is_dir():
        return Files((), (SPECIAL,), (readable_name(folder.name),)) if _special(folder) else Files((folder,), ())
    found: list[Path] = []
    links: list[str] = []
    named: list[str] = []
    inside = (root or folder).resolve()
    seen = {folder.resolve()}
    waiting = [folder]

    def stop(error: OSError) -> None:
        raise access_problem(error, f"a folder of {role}")

    while waiting:
        for parent, folders, names in os.walk(waiting.pop(), onerror=stop):
            folders.sort()
            for name in [*folders]:
                path = Path(parent) / name
                if path.is_symlink():
                    reason = _reason(path, inside)
                    target = path.resolve() if reason is None else path
                    if reason is not None:
                        links.append(reason)
                        named.append(_pointing(path))
                    elif not any(target == one or target.is_relative_to(one) for one in seen):
                        seen.add(target)
                        waiting.append(path)
            for name in sorted(names):
                path = Path(parent) / name
                if name.startswith("."):
                    continue
                reason = _reason(path, inside) if path.is_symlink() else None
                if reason is not None:
                    links.append(reason)
                    named.append(_pointing(path))
                elif _special(path):
                    links.append(SPECIAL)
                    named.append(readable_name(name))
                else:
                    found.append(path)
            if len(found) > MOST_FILES:
                raise scan_problems.IMPLAUSIBLE_GEOMETRY.problem(f"{role} has more than {MOST_FILES:,} files", where=role)
    return Files(tuple(sorted(found)), tuple(links), tuple(named))


def _special(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device, which would be waited for without end where it was opened."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _pointing(link: Path) -> str:
    """A link and its target, for a person in the hospital."""
    return f"{readable_name(link.name)} to {readable_name(str(link.readlink()))}"


def _reason(link: Path, inside: Path) -> str | None:
    """Why a link is not followed; None where it may be."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return "leads nowhere"
    return None if target.is_relative_to(inside) else "leads out of the images folder"


def _series(reads: list[Read], beside_pet: set[str]) -> Series:
    about = reads[0].about
    who = together(read.about.who for read in reads)
    return Series(tuple(read.header for read in reads if read.header is not None), about, who, about.study in beside_pet)
