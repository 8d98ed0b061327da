"""What a hospital's machine declares at admission, besides its software: device, free disk, whether scans were prepared.

None of it depends on a patient: the disk's free space is told down to a power of two, and preparation as a yes or no.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from client.cohort.preparation_job import prepared_folder
from client.cohort.slice_provenance import read_index
from client.program.gpu_watch import fault, gpu_files
from site_config.problems.base import Problem
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study

GIB = 1 << 30


@dataclass(frozen=True)
class Machine:
    """`device` is cpu or cuda, `disk_gib` whole GiB down to a power of two, `prepared` whether this study's scans were prepared."""

    device: str
    disk_gib: int
    prepared: bool


def machine(site: SiteConfig, study: Study) -> Machine:
    """This hospital's machine for a study."""
    files = () if site.compute.device == "cpu" else gpu_files()
    free = shutil.disk_usage(site.state).free // GIB
    return Machine(
        device="cuda" if files and not fault(files) else "cpu",
        disk_gib=1 << (free.bit_length() - 1) if free else 0,
        prepared=not study.reads_scans or _prepared(site),
    )


def _prepared(site: SiteConfig) -> bool:
    try:
        return read_index(prepared_folder(site)) is not None
    except Problem:
        return False
