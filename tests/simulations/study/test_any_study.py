"""Any survival study: tables of other diseases run from one short study.yaml, in their own words, without a word about scans."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_lung

from client.commands import check_and_identity
from server.cli import app as coordinator
from simulations.cli import app
from tests.support import app_of, run_cli

FOREIGN = re.compile(r"\b(liver|CT|HCC|hepato\w*|RECIST|immunotherapy|scans?|images?|network)\b", re.IGNORECASE)
SITE = app_of(check_and_identity.register)
EXACT = "policy: {resolutions: [counts, update, shares, exact]}\n"


@dataclass(frozen=True)
class OwnStudy:
    """A study of at most 40 lines and its hospitals' tables; `design` are the pooled design columns with T and E, for lifelines."""

    yaml: str
    tables: dict[str, pd.DataFrame]
    design: pd.DataFrame
    words: tuple[str, ...]
    policy: str = ""

    def lay(self, folder: Path) -> Path:
        """Write it as a folder."""
        for site, table in self.tables.items():
            home = folder / "sites" / site
            home.mkdir(parents=True)
            (home / "site.yaml").write_text(f"site: {site}\npaths: {{scans: null}}\n{self.policy}", encoding="utf-8")
            table.to_csv(home / "cohort.csv", index=False)
        (folder / "study.yaml").write_text(self.yaml, encoding="utf-8")
        return folder


def document(head: str, variables: list[str], sites: dict[str, str]) -> str:
    listed = "".join(f"  - {{name: {site}, role: {role}}}\n" for site, role in sites.items())
    return f"{head}models: [CLN]\nvalidation_fraction: 0\nclinical:\n" + "".join(f"  - {{{v}}}\n" for v in variables) + f"sites:\n{listed}"


def by_site(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(site): rows.drop(columns="site") for site, rows in frame.groupby("site")}


def lung() -> OwnStudy:
    """NCCTG lung: 18 real institutions; days count from enrolment, so no column says so."""
    d = load_lung().dropna(subset=["inst", "ph.ecog", "wt.loss", "age"]).reset_index(drop=True)
    frame = pd.DataFrame(
        {
            "patient": [f"p{i}" for i in d.index],
            "last_contact_day": d["time"].astype(int),
            "event": (d["status"] == d["status"].max()).astype(int),
            "age": d["age"],
            "sex": np.where(d["sex"] == d["sex"].min(), "male", "female"),
            "ph_ecog": d["ph.ecog"].astype(int),
            "wt_loss": d["wt.loss"],
            "site": [f"inst-{int(i):02d}" for i in d["inst"]],
        }
    )
    variables = [
        "name: age, label: Age, kind: continuous, unit: years, bounds: [18, 100]",
        "name: sex, label: Sex, values: {1: male, 2: female}",
        'name: ph_ecog, label: ECOG, kind: ordinal, values: {0: "0", 1: "1", 2: "2", 3: "3"}',
        "name: wt_loss, label: Weight loss, kind: continuous, unit: lb, bounds: [-50, 100]",
    ]
    sites = dict.fromkeys(sorted(frame["site"].unique()), "development")
    head = "title: NCCTG lung\nendpoint: {time_zero: enrolment}\nresolution: shares\nshares: {holders: 3, slots: 4, longest_days: 1100}\n"
    design = pd.DataFrame(
        {
            "age": frame["age"],
            "sex": (frame["sex"] == "female").astype(float),
            "ph_ecog": frame["ph_ecog"],
            "wt_loss": frame["wt_loss"],
            "T": frame["last_contact_day"],
            "E": frame["event"],
        }
    )
    return OwnStudy(document(head, variables, sites), by_site(frame), design, ("Overall survival", "deaths", "enrolment"))


def recurrence() -> OwnStudy:
    """A made-up cohort like Rotterdam's: dates, recurrence, a nominal size, a logarithm, a column the study does not read."""
    rng, n = np.random.default_rng(5), 500
    size, nodes, pgr = rng.integers(0, 3, n), rng.poisson(2.5, n), np.exp(rng.normal(4, 1.5, n)).clip(1, 9999).round(1)
    risk = 0.4 * size + 0.08 * nodes - 0.15 * np.log(pgr)
    time, lost = rng.exponential(2500 * np.exp(-risk)), rng.uniform(300, 5000, n)
    start = pd.Timestamp("2000-01-01") + pd.to_timedelta(rng.integers(0, 2000, n), "D")
    days = np.ceil(np.minimum(time, lost))
    frame = pd.DataFrame(
        {
            "patient": [f"r{i}" for i in range(n)],
            "operation_date": start.strftime("%Y-%m-%d"),
            "last_contact_date": (start + pd.to_timedelta(days, "D")).strftime("%Y-%m-%d"),
            "event": (time <= lost).astype(int),
            "size": size,
            "nodes": nodes,
            "pgr": pgr,
            "menopause": rng.integers(0, 2, n),
            "site": [f"r-{i:02d}" for i in rng.integers(0, 9, n)],
        }
    )
    variables = [
        "name: size, label: Tumour size, kind: nominal, values: {0: up to 20 mm, 1: 21 to 50 mm, 2: over 50 mm}",
        "name: nodes, label: Positive nodes, kind: continuous, bounds: [0, 60]",
        "name: pgr, label: Progesterone receptor, kind: continuous, unit: fmol/mg, bounds: [0.5, 20000], log: true",
    ]
    sites = {site: "evaluation" if site >= "r-06" else "development" for site in sorted(frame["site"].unique())}
    head = (
        "title: Recurrence after breast surgery\nmoments: {operation: the operation}\n"
        "endpoint: {name: recurrence, label: Recurrence-free survival, event_label: recurrence, time_zero: operation}\n"
        "resolution: exact\nshares: {longest_days: 5100}\n"
    )
    design = pd.DataFrame(
        {
            "size_1": (size == 1) * 1.0,
            "size_2": (size == 2) * 1.0,
            "nodes": nodes,
            "pgr": np.log(pgr),
            "T": days,
            "E": frame["event"],
        }
    )
    design = design[frame["site"] < "r-06"]
    words = ("Recurrence-free survival", "recurrences", "the operation")
    return OwnStudy(document(head, variables, sites), by_site(frame), design, words, EXACT)


def brca() -> OwnStudy:
    """A made-up table of Fed-TCGA-BRCA's shape: six regions of its sizes, age and 0/1 columns."""
    rng, sizes, k = np.random.default_rng(7), [311, 196, 206, 162, 162, 51], 10
    n = sum(sizes)
    x, age = rng.integers(0, 2, (n, k)), rng.integers(26, 91, n)
    risk = 0.03 * (age - 58) + x @ rng.normal(0, 0.3, k)
    time, lost = rng.exponential(4500 * np.exp(-risk)), rng.uniform(30, 5900, n)
    columns = {f"x{j}": x[:, j] for j in range(k)}
    days = np.ceil(np.minimum(time, lost)).astype(int)
    event = (time <= lost).astype(int)
    frame = pd.DataFrame({"patient": [f"b{i}" for i in range(n)], "last_contact_day": days, "event": event, "age": age, **columns})
    frame["site"] = np.repeat([f"region-{i}" for i in range(6)], sizes)
    variables = ["name: age, label: Age, kind: continuous, unit: years, bounds: [18, 100]", *(f"name: x{j}, label: X{j}" for j in range(k))]
    sites = dict.fromkeys(sorted(frame["site"].unique()), "development")
    design = pd.DataFrame({"age": age, **columns, "T": days, "E": event})
    head = "title: Fed-TCGA-BRCA, made up\nendpoint: {time_zero: diagnosis}\nresolution: exact\nshares: {longest_days: 6000}\n"
    return OwnStudy(document(head, variables, sites), by_site(frame), design, ("Overall survival", "deaths", "diagnosis"), EXACT)


def harrell(design: pd.DataFrame, coef: pd.Series) -> float:
    """Harrell's C of every pair: a death against whoever lived longer, or as long and was censored; equal scores count half."""
    score, time, died = (design[coef.index] @ coef).round(9).to_numpy(), design["T"].to_numpy(), design["E"].to_numpy() == 1
    later = died[:, None] & ((time[:, None] < time) | ((time[:, None] == time) & ~died))
    higher = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    return float(higher[later].mean())


@pytest.mark.parametrize("make", [lung, recurrence, brca])
def test_a_study_of_tables_runs_end_to_end_in_its_own_words(tmp_path: Path, make: object) -> None:
    own: OwnStudy = make()  # type: ignore[operator]
    assert len(own.yaml.splitlines()) <= 40
    folder = own.lay(tmp_path / "own")
    checked = run_cli(coordinator, "study", "check", folder / "study.yaml", "--patients-per-site", "60", "--json")
    assert checked.status == 0, checked.err
    for site in own.tables:
        clean = run_cli(SITE, "check", "--home", folder / "sites" / site, "--study", folder / "study.yaml", "--json")
        assert (clean.status, clean.data["findings"]) == (0, []), clean.err
        assert set(clean.data["counts"]) == {"patients", "events"}
    ran = run_cli(app, "run", folder, "--out", tmp_path / "out", "--json")
    assert ran.status == 0 and ran.data["label"] == "COMPLETE", ran.err
    (opened,) = (tmp_path / "out" / "coordinator" / "studies").glob("*/run/result.json")
    clinical = json.loads(opened.read_text())["clinical"]
    fit = CoxPHFitter().fit(own.design.reset_index(drop=True), "T", "E", fit_options={"precision": 1e-12})
    found = dict(zip(clinical["covariates"], clinical["coef"], strict=True))
    assert set(found) == set(fit.params_.index)
    gap = [abs(found[name] - fit.params_[name]) / fit.standard_errors_[name] for name in found]
    assert max(gap) < 1e-4
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    apparent = next(row for row in metrics["concordance"] if row["set"] == "train")
    assert apparent["c"]["value"] == pytest.approx(harrell(own.design, fit.params_), abs=1e-4)
    page = (tmp_path / "out" / "report.html").read_text()
    text = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    assert [found.group() for found in FOREIGN.finditer(re.sub(r"<[^>]+>", " ", text))] == []
    assert [word for word in own.words if word.lower() not in text.lower()] == []


def test_three_of_the_seven_variables_take_the_same_table(tmp_path: Path) -> None:
    ran = run_cli(app, "cohort", tmp_path / "own", "--preset", "clinical-only", "--sites", "6", "0", "--patients", "120", "0")
    assert ran.status == 0, ran.err
    study = tmp_path / "own" / "study.yaml"
    three = "".join(f"  - {{name: {name}, label: {name.upper()}}}\n" for name in ("nash", "pvtt", "tace"))
    study.write_text(study.read_text() + f"clinical:\n{three}", encoding="utf-8")
    home = tmp_path / "own" / "sites" / "hospital-01"
    clean = run_cli(SITE, "check", "--home", home, "--study", study)
    assert clean.status == 0, clean.err
    assert "not read by this study: baseline_ct_day, followup_ct_day, differentiation, surgery, ebrt, rfa, response" in clean.out
    misspelt = home / "cohort.csv"
    misspelt.write_text(misspelt.read_text().replace("pvtt", "pvvt", 1), encoding="utf-8")
    assert "Rename it to `pvtt`" in run_cli(SITE, "check", "--home", home, "--study", study).err


def test_the_preset_of_tables_is_short_and_says_nothing_of_scans() -> None:
    ran = run_cli(coordinator, "study", "new", "--preset", "cox")
    assert ran.status == 0 and len(ran.out.splitlines()) <= 40
    assert not FOREIGN.search(ran.out)
