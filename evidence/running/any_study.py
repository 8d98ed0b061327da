"""Evidence: studies that have nothing in common with the liver study, and that one, each over loopback through both sides' commands.

`python -m evidence.running.any_study [NAME ...]` writes docs/evidence/any_study.json, anew after each study; the figures of studies that
were not named stay, each with the commit it was measured on. Every program is a process of
its own, as in a hospital: `init`, `enrol`, `join`, `check`, for scans `data prepare`, then `study check`, `lock`, `publish`, `approve`,
`run`. The tables are those of `evidence.table_studies`; the study's folder comes of `fedhcc-sim from-table`, and of `fedhcc-sim cohort` for
the liver study. No study needs a line of Python.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from client.cli import app as site_app
from evidence.record import FOLDER, commit, record
from evidence.table_studies import STUDIES, TableStudy
from server.cli import app as office_app
from simulations.cli import app as sim_app
from simulations.engines.loopback_engine import loopback_address, site_command
from site_config.atomic_files import read_json
from site_config.console import invoke
from site_config.documents.read_yaml_documents import load_study
from site_config.keys_and_signatures import SiteIdentity

FOREIGN = re.compile(r"\b(liver|CT|HCC|hepato\w*|RECIST|immunotherapy|scans?|images?|network)\b", re.IGNORECASE)
COVERS = [
    "evidence/running/any_study.py",
    "evidence/table_studies.py",
    "simulations/tabular/table_as_folder.py",
    "simulations/tabular/join_tables.py",
    "site_config/tables/cohort_csv.py",
]
LIVER = "liver"
"""The liver study: phantoms of preset `tiny`, with slices prepared and networks trained."""
LIMIT_S = 3000.0


def say(app: Any, *words: str | Path) -> None:
    """A command that must end well; what it prints is shown where it does not."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        status = invoke(app, [str(word) for word in words])
    if status:
        raise SystemExit(f"{' '.join(map(str, words))} ended with status {status}\n{told.getvalue()}")


def asked(app: Any, *words: str | Path) -> dict[str, Any]:
    """What a command tells as JSON, whatever it ends with; an unreadable answer is a fault."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()):
        invoke(app, [*(str(word) for word in words), "--json"])
    return dict(json.loads(told.getvalue()))


def findings_of(app: Any, *words: str | Path) -> list[str]:
    """What a command that checks finds to say."""
    told = asked(app, *words)
    return [f"{one['code']} {one['what']}" for one in (*told.get("findings", ()), *told.get("faults", ()))]


def patients_in(home: Path) -> int:
    """Rows of a hospital's table."""
    return len((home / "cohort.csv").read_text().splitlines()) - 1


def run_study(own: Path, place: Path) -> tuple[Path, list[str]]:
    """All commands of both sides; returns the folder of the finished run, and every finding of the hospitals' tables."""
    study, office = own / "study.yaml", place / "office"
    names = [one.name for one in load_study(study).sites]
    homes = {name: place / name for name in names}
    roles = {one.name: one.role for one in load_study(study).sites}
    address, superlink = loopback_address()
    found: list[str] = []
    say(
        office_app,
        "init",
        "--title",
        "Trial office",
        "--address",
        address,
        "--listen",
        address,
        "--superlink-port",
        str(superlink),
        "--home",
        office,
    )
    for name, home in homes.items():
        say(site_app, "init", "--name", name, "--home", home)
        say(office_app, "enrol", home / f"{name}.request.json", "--role", str(roles[name]), "--home", office)
        say(site_app, "join", office / "kits" / f"{name}.kit.json", "--home", home)
        shutil.copytree(own / "sites" / name, home, dirs_exist_ok=True)
        found += findings_of(site_app, "check", "--home", home, "--study", study)
        if (home / "scans.csv").exists():
            say(site_app, "data", "prepare", "--home", home, "--study", study)
    typical = str(sum(patients_in(own / "sites" / name) for name in names) / len(names))
    found += findings_of(office_app, "study", "check", study, "--home", office, "--patients-per-site", typical)
    lock = study.with_suffix(".lock.json")
    say(office_app, "study", "lock", study, "--home", office)
    say(office_app, "study", "publish", lock, "--home", office)
    digits = {name: SiteIdentity.load(home / "state").fingerprint[:16] for name, home in homes.items()}
    for name, home in homes.items():
        told = [word for other, heard in digits.items() if other != name for word in ("--peer", f"{other}={heard}")]
        say(site_app, "approve", lock, "--home", home, "--yes", *told)
    return conduct(office, list(homes.values())), found


def conduct(office: Path, homes: Sequence[Path]) -> Path:
    """The hospitals' programs and the coordinator's, as processes, to the end."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    programs = [subprocess.Popen(site_command(home), **quiet) for home in homes]  # type: ignore[call-overload]  # noqa: S603
    try:
        ended = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", "server.cli", "run", "--home", str(office)],
            check=False,
            timeout=LIMIT_S,
            capture_output=True,
            text=True,
        )
    finally:
        for program in programs:
            program.terminate()
        for program in programs:
            try:
                program.wait(60)
            except subprocess.TimeoutExpired:
                program.kill()
    if ended.returncode:
        raise SystemExit(f"the coordinator's run ended with status {ended.returncode}: {ended.stderr[-2000:]}")
    return next(office.glob("studies/*/run"))


def laid(name: str, folder: Path) -> tuple[Path, TableStudy | None]:
    """The study's folder with every hospital's files; a table's through `from-table`, the liver study's through `cohort`."""
    own = folder / "own"
    if name == LIVER:
        say(sim_app, "cohort", own, "--preset", "tiny", "--seed", "7")
        return own, None
    made = STUDIES[name]()
    made.table.to_csv(folder / f"{name}.csv", index=False)
    say(sim_app, "from-table", folder / f"{name}.csv", "--out", own, *made.words)
    return own, made


def harrell(made: TableStudy, coef: Mapping[str, float]) -> float:
    """Harrell's C of the pooled rows, every pair by itself: a death against whoever lived longer, or as long and was censored."""
    time, died = made.pooled["T"].to_numpy(float), made.pooled["E"].to_numpy(float) == 1
    score = (made.pooled[list(coef)].astype(float) @ np.array(list(coef.values()))).round(9).to_numpy()
    right = pairs = 0.0
    for i in np.flatnonzero(died):
        later = (time > time[i]) | ((time == time[i]) & ~died)
        right += float(((score[later] < score[i]) + 0.5 * (score[later] == score[i])).sum())
        pairs += float(later.sum())
    return right / pairs


def gaps(made: TableStudy, metrics: dict[str, Any]) -> dict[str, float]:
    """Largest differences of coefficients and standard errors, and of the training patients' C, to lifelines' fit of the pooled rows."""
    from lifelines import CoxPHFitter

    fit = CoxPHFitter().fit(made.pooled.reset_index(drop=True).astype(float), "T", "E", fit_options={"precision": 1e-12})
    wanted = sorted(zip(fit.params_, fit.standard_errors_, strict=True))
    found = sorted((row["coef"], row["se"]) for row in metrics["clinical"]["coefficients"])
    gap = np.abs(np.array(wanted) - np.array(found)) if len(wanted) == len(found) else np.full((1, 2), np.nan)
    (apparent,) = (row["c"]["value"] for row in metrics["concordance"] if row["set"] == "train")
    return {
        "largest_gap_of_a_coefficient": float(gap[:, 0].max()),
        "largest_gap_of_a_standard_error": float(gap[:, 1].max()),
        "gap_of_c": abs(float(apparent) - harrell(made, fit.params_.to_dict())),
    }


def measured(name: str, folder: Path) -> dict[str, Any]:
    """One study to its report: its size, what was found in its tables, foreign words, and the pooled fit beside it."""
    began = time.monotonic()
    own, made = laid(name, folder)
    study = load_study(own / "study.yaml")
    finished, found = run_study(own, folder)
    metrics = read_json(finished / "metrics.json")
    page = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", (finished / "report.html").read_text(), flags=re.DOTALL)
    words = {one.group().lower() for one in FOREIGN.finditer(re.sub(r"<[^>]+>", " ", page))}
    return {
        "lines_of_study_yaml": len((own / "study.yaml").read_text().splitlines()),
        "hospitals": len(study.sites),
        "patients": sum(patients_in(own / "sites" / one.name) for one in study.sites),
        "columns": len(metrics["clinical"]["coefficients"]),
        "resolution": study.resolution,
        "label": read_json(finished / "result.json").get("label", "COMPLETE"),
        "findings": found,
        "words_of_the_liver_study": None if made is None else sorted(words),
        **({} if made is None else gaps(made, metrics)),
        "wall_seconds": round(time.monotonic() - began),
        "commit": commit(),
    }


def good(one: dict[str, Any]) -> bool:
    """At most 40 lines, COMPLETE, and of a table: no finding, no foreign word, the pooled fit."""
    of_tables = (
        not one["findings"] and not one["words_of_the_liver_study"] and max(one["largest_gap_of_a_coefficient"], one["gap_of_c"]) < 1e-4
    )
    return one["lines_of_study_yaml"] <= 40 and one["label"] == "COMPLETE" and (one["words_of_the_liver_study"] is None or of_tables)


def main() -> int:
    """Run the named studies, or all; 1 where one differs from its pooled fit or speaks of the liver study."""
    names = sys.argv[1:] or [*STUDIES, LIVER]
    kept = FOLDER / "any_study.json"
    figures: dict[str, Any] = read_json(kept)["figures"] if kept.exists() else {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="any-study-") as folder:
            figures[name] = measured(name, Path(folder))
        print(name, figures[name], flush=True)
        record("any_study", covers=COVERS, figures=figures, seeds=[3, 5, 7, 11])
    return int(not all(good(figures[name]) for name in names))


if __name__ == "__main__":
    raise SystemExit(main())
