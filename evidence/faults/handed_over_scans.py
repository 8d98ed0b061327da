"""Scan folders as an archive exports them, made by generators that were handed over from outside the project.

`python -m evidence.faults.handed_over_scans FOLDER`: `hospital.py` of the folder makes fifteen patients with one trap each,
`folders.py` makes odd folders. Each is looked at by `fedhcc-site data scan --json`. A patient's scans are right (the rows
that a radiologist would write), named (a question or a remark that says the matter), or silent.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from evidence.code_meaning import ROOT
from evidence.record import record

COVERS = ["client/intake", "client/imaging/hounsfield.py", "client/imaging/air_and_fat.py", "evidence/faults/handed_over_scans.py"]
PAIRS: Final = {
    "A_typical": ("b/por", "f/por"),
    "B_interim": ("b", "f"),
    "C_kernel": ("bsoft", "fsoft"),
    "D_iodine": ("borig", "forig"),
    "G_zip": ("study.zip", "study.zip"),
    "I_petct": ("b", "f"),
    "K_polish": ("bw", "fw"),
    "L_delay70": ("bd", "fd"),
    "M_gb18030": ("b", "f"),
}
"""The venous original of each visit, where the folders hold one."""
NAMED: Final = {
    "E_misfiled": "name different persons",
    "H_nothing": "no folder of this patient",
    "N_oneseries": "phase is unknown",
    "O_symlink": "leads nowhere",
    "R_one_visit": "no abdomen scan of this visit was found",
    "S_dualacq": "phase is unknown",
}
"""Words by which a person is told, where nothing may be chosen."""


def scanned(home: Path) -> dict[str, Any]:
    """What `data scan --json` says of a hospital's folder."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "client.cli", "data", "scan", "--json", "--home", str(home)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr[-800:])
    return dict(json.loads(done.stdout))


def said(content: dict[str, Any], patient: str) -> str:
    """Everything said of a patient."""
    mine = [one["what"] for one in content["problems"] if patient in (one["patient"], one["folder"])]
    return " | ".join([*mine, *(one["reason"] for one in content["questions"] if one["patient"] == patient)])


def verdict(content: dict[str, Any], patient: str) -> str:
    """`right`, `named` or `silent`."""
    rows = {row["visit"]: row["path"] for row in content["rows"] if row["patient"] == patient and row["region"] != "chest"}
    if patient in PAIRS:
        wanted = tuple(f"{patient}/{name}" for name in PAIRS[patient])
        if (rows.get("baseline"), rows.get("followup")) == wanted:
            return "right"
        return "named" if not rows and said(content, patient) else "silent"
    return "named" if NAMED[patient] in said(content, patient) else "silent"


def patients(home: Path) -> list[str]:
    """Keys of a hospital's cohort.csv."""
    return [row["patient"] for row in csv.DictReader((home / "cohort.csv").read_text(encoding="utf-8").splitlines())]


def unnamed(home: Path) -> list[str]:
    """Patients of a folder of whom no row, question or remark speaks."""
    content = scanned(home)
    rows = {row["patient"] for row in content["rows"]}
    asked = {one["patient"] for one in content["questions"]}
    asked |= {found["patient"] for one in content["questions"] for found in one["candidates"]}
    return [key for key in patients(home) if key not in rows | asked and not said(content, key)]


def made(script: Path, work: Path, *arguments: str) -> None:
    """Run a generator in a folder of its own; it may call the program, which a small file stands for."""
    program = work / "site"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m client.cli "$@"\n')
    program.chmod(0o700)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FEDHCC": str(ROOT), "SITE": str(program)}
    subprocess.run([sys.executable, str(script), *arguments], cwd=work, env=environment, check=True, capture_output=True)  # noqa: S603


def main() -> None:
    """Make, look, record."""
    cases = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made(cases / "hospital.py", work, "hospital")
        content = scanned(work / "hospital")
        verdicts = {key: verdict(content, key) for key in patients(work / "hospital")}
        made(cases / "folders.py", work)
        odd = {home.name: unnamed(home) for home in sorted(work.glob("S_*")) if (home / "cohort.csv").exists()}
    figures = {
        "patients": len(verdicts),
        "right": sum(one == "right" for one in verdicts.values()),
        "named": sum(one == "named" for one in verdicts.values()),
        "silent": sum(one == "silent" for one in verdicts.values()),
        "verdicts": verdicts,
        "odd_folders": len(odd),
        "patients_of_odd_folders_not_named": sum(len(keys) for keys in odd.values()),
    }
    print(json.dumps(figures, indent=2))
    record("handed_over_scans", covers=COVERS, figures=figures, seeds=[], command="python -m evidence.faults.handed_over_scans FOLDER")


if __name__ == "__main__":
    main()
