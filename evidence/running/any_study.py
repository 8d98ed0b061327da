"""Evidence: studies of other diseases, each from one table, by the commands of both sides over the real programs.

`python -m evidence.running.any_study [lung] [gbsg2] [brca]` writes docs/evidence/any_study.json. Every study's folder is made by
`fedhcc-sim from-table`; then the hospitals `init`, `join`, `check`, `approve` and `run`, and the coordinator does `init`, `enrol`,
`study check`, `lock`, `publish` and `run`, with a gateway and a SuperLink of its own. Coefficients are held against lifelines' on the
pooled rows, and the report is searched for words of the liver study. `lung` is NCCTG's (18 institutions, on secret shares), `gbsg2`
the German Breast Cancer Study Group's 686 patients in nine made-up hospitals, `brca` a made-up table of Fed-TCGA-BRCA's shape.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from client.cli import app as site_app
from evidence.meaning import ROOT
from evidence.record import record
from server.cli import app as office_app
from simulations.cli import app as sim_app
from simulations.engines.loopback import loopback_address, site_command
from site_config.console import invoke
from site_config.documents.load import load_study
from site_config.files import read_json
from site_config.identity import SiteIdentity

FOREIGN = re.compile(r"\b(liver|CT|HCC|hepato\w*|RECIST|immunotherapy|scans?|images?|network)\b", re.IGNORECASE)
COVERS = [
    "evidence/running/any_study.py",
    "simulations/tabular/as_folder.py",
    "simulations/tabular/join.py",
    "site_config/tables/cohort.py",
]
REGIONS = (311, 196, 206, 162, 162, 51)
LIMIT_S = 3000.0


@dataclass(frozen=True)
class TableStudy:
    """A table, the further words of `from-table`, and the pooled rows as lifelines takes them (columns T, E and the model's)."""

    table: pd.DataFrame
    words: tuple[str, ...]
    pooled: pd.DataFrame


def lung() -> TableStudy:
    """NCCTG lung's complete rows."""
    from lifelines.datasets import load_lung

    names = ["age", "sex", "ph.ecog", "wt.loss"]
    table = load_lung().dropna(subset=["inst", *names]).astype({"inst": int})
    words = ("--site", "inst", "--time", "time", "--event", "status", "--covariates", ",".join(names), "--resolution", "shares")
    return TableStudy(table, words, table[names].assign(T=table["time"], E=table["status"] == table["status"].max()))


def gbsg2() -> TableStudy:
    """Recurrence after breast surgery, with words, numbers of wide range, and hospitals drawn at random."""
    read = pd.read_csv(ROOT / "evidence" / "accuracy" / "public" / "gbsg.csv")
    words_of = {"hormon": {0: "no", 1: "yes"}, "meno": {0: "Pre", 1: "Post"}, "grade": {1: "I", 2: "II", 3: "III"}}
    texts_of = {name: read[name].map(texts) for name, texts in words_of.items()}
    numbers = ["age", "size", "nodes", "pgr", "er"]
    x = read[numbers].assign(**texts_of)
    clinic = [f"clinic {k}" for k in np.random.default_rng(3).integers(0, 9, len(x))]
    table = x.assign(site=clinic, days=read["rfstime"], recurrence=read["status"])
    words = ("--site", "site", "--time", "days", "--event", "recurrence", "--event-label", "recurrence", "--time-zero", "randomisation")
    texts = pd.get_dummies(x[list(words_of)], drop_first=True).astype(float)
    return TableStudy(table, words, pd.concat([x[numbers], texts], axis=1).assign(T=table["days"], E=table["recurrence"]))


def brca() -> TableStudy:
    """Made-up rows of Fed-TCGA-BRCA's shape: age and 38 columns of 0 and 1, six regions, its static split as a column."""
    rng, n = np.random.default_rng(11), sum(REGIONS)
    x = (rng.random((n, 38)) < rng.uniform(0.08, 0.6, 38)).astype(int)
    age = rng.integers(26, 91, n)
    died, lost = rng.exponential(7000 * np.exp(-0.03 * (age - 58) - x[:, :4].sum(axis=1) * 0.5)), rng.uniform(30, 4300, n)
    columns = {f"diagnosis {j}, NOS": x[:, j] for j in range(38)}
    fold = np.where(np.arange(n) % 5 > 0, "train", "test")
    region = [f"{f}_{r}" for f, r in zip(fold, np.repeat(range(6), REGIONS), strict=True)]
    outcome = {"E": (died <= lost).astype(float), "T": np.ceil(np.minimum(died, lost))}
    table = pd.DataFrame({"pid": [f"p{i}" for i in range(n)], "age_at_index": age, **columns, **outcome, "fold": fold, "fold2": region})
    words = ("--site", "fold2", "--split", "fold", "--time", "T", "--event", "E", "--key", "pid", "--time-zero", "diagnosis")
    return TableStudy(table, words, table[table["fold"] == "train"].drop(columns=["pid", "fold", "fold2"]))


STUDIES: dict[str, Callable[[], TableStudy]] = {"lung": lung, "gbsg2": gbsg2, "brca": brca}


def say(app: Any, *words: str | Path) -> None:
    """A command that must end well."""
    status = invoke(app, [str(word) for word in words])
    if status:
        raise SystemExit(f"{' '.join(map(str, words))} ended with status {status}")


def run_study(own: Path, place: Path) -> Path:
    """All commands of both sides; returns the folder of the finished run."""
    study, office = own / "study.yaml", place / "office"
    names = [one.name for one in load_study(study).sites]
    homes = {name: place / name for name in names}
    roles = {one.name: one.role for one in load_study(study).sites}
    address, superlink = loopback_address()
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
        for file in ("site.yaml", "cohort.csv"):
            shutil.copyfile(own / "sites" / name / file, home / file)
        say(site_app, "check", "--home", home, "--study", study)
    say(office_app, "study", "check", study, "--home", office)
    lock = study.with_suffix(".lock.json")
    say(office_app, "study", "lock", study, "--home", office)
    say(office_app, "study", "publish", lock, "--home", office)
    digits = {name: SiteIdentity.load(home / "state").fingerprint[:16] for name, home in homes.items()}
    for name, home in homes.items():
        told = [word for other, heard in digits.items() if other != name for word in ("--peer", f"{other}={heard}")]
        say(site_app, "approve", lock, "--home", home, "--yes", *told)
    return conduct(office, list(homes.values()))


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
            program.wait(60)
    if ended.returncode:
        raise SystemExit(f"the coordinator's run ended with status {ended.returncode}: {ended.stderr[-2000:]}")
    return next(office.glob("studies/*/run"))


def measured(name: str, folder: Path) -> dict[str, Any]:
    """One study to its report, held against the pooled fit."""
    from lifelines import CoxPHFitter

    made, own, began = STUDIES[name](), folder / "own", time.monotonic()
    made.table.to_csv(folder / f"{name}.csv", index=False)
    say(sim_app, "from-table", folder / f"{name}.csv", "--out", own, *made.words)
    finished = run_study(own, folder)
    metrics = read_json(finished / "metrics.json")
    fit = CoxPHFitter().fit(made.pooled.reset_index(drop=True).astype(float), "T", "E", fit_options={"precision": 1e-12})
    wanted = sorted(zip(fit.params_, fit.standard_errors_, strict=True))
    found = sorted((row["coef"], row["se"]) for row in metrics["clinical"]["coefficients"])
    gap = np.abs(np.array(wanted) - np.array(found)) if len(wanted) == len(found) else np.full((1, 2), np.nan)
    page = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", (finished / "report.html").read_text(), flags=re.DOTALL)
    return {
        "lines_of_study_yaml": len((own / "study.yaml").read_text().splitlines()),
        "hospitals": len(load_study(own / "study.yaml").sites),
        "patients": len(made.table),
        "columns": len(found),
        "resolution": load_study(own / "study.yaml").resolution,
        "label": read_json(finished / "result.json").get("label", "COMPLETE"),
        "largest_gap_of_a_coefficient": float(gap[:, 0].max()),
        "largest_gap_of_a_standard_error": float(gap[:, 1].max()),
        "words_of_the_liver_study": sorted({one.group().lower() for one in FOREIGN.finditer(re.sub(r"<[^>]+>", " ", page))}),
        "wall_seconds": round(time.monotonic() - began),
    }


def main() -> int:
    """Run the named studies, or all; 1 where one differs from its pooled fit or speaks of the liver study."""
    names = sys.argv[1:] or list(STUDIES)
    figures: dict[str, Any] = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="any-study-") as folder:
            figures[name] = measured(name, Path(folder))
        print(name, figures[name], flush=True)
    record("any_study", covers=COVERS, figures=figures, seeds=[3, 11])
    good = [one["largest_gap_of_a_coefficient"] < 1e-4 and not one["words_of_the_liver_study"] for one in figures.values()]
    return int(not all(good))


if __name__ == "__main__":
    raise SystemExit(main())
