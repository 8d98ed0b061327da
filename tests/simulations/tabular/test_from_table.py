"""`fedhcc-sim from-table`: a table of Fed-TCGA-BRCA's shape, with its split in a second file, runs as a study with two commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from simulations.cli import app
from site_config.documents.read_yaml_documents import load_site, load_study
from tests.support import run_cli

REGIONS = (104, 66, 69, 54, 54, 20)
COLUMNS = 8
"""A third of the patients and a fifth of the columns of Fed-TCGA-BRCA; all of them: `evidence.running.any_study`."""
WORDS = ("T2", "N1a", "8500/3", "Infiltrating duct carcinoma, NOS", "not reported")


@pytest.fixture(scope="module")
def brca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up rows: `pid`, age and columns of 0 and 1 under names with blanks, commas and slashes, E and T as decimals; the split."""
    folder, rng, n = tmp_path_factory.mktemp("brca"), np.random.default_rng(11), sum(REGIONS)
    x = (rng.random((n, COLUMNS)) < rng.uniform(0.1, 0.6, COLUMNS)).astype(int)
    age = rng.integers(26, 91, n)
    died, lost = rng.exponential(1400 * np.exp(-0.03 * (age - 58) - x[:, :4].sum(axis=1) * 0.5)), rng.uniform(10, 990, n)
    frame = pd.DataFrame({"pid": [f"TCGA-{i:04d}" for i in range(n)], "age_at_index": age})
    for j in range(COLUMNS):
        frame[f"primary_{j}_{WORDS[j % 5]}"] = x[:, j]
    frame["E"], frame["T"] = (died <= lost).astype(float), np.ceil(np.minimum(died, lost)).astype(float)
    frame.sample(frac=1, random_state=1).to_csv(folder / "brca.csv", index=False)
    fold = np.where(np.arange(n) % 5 > 0, "train", "test")
    region = np.repeat(range(6), REGIONS)
    split = pd.DataFrame({"pid": frame["pid"], "fold": fold, "fold2": [f"{f}_{r}" for f, r in zip(fold, region, strict=True)]})
    split.to_csv(folder / "split.csv", index=False)
    return folder


def test_two_commands_run_the_split_and_equal_the_pooled_model(brca: Path, tmp_path: Path) -> None:
    own, out = tmp_path / "own", tmp_path / "out"
    columns = ("--site", "fold2", "--split", "fold", "--time", "T", "--event", "E", "--key", "pid", "--join", brca / "split.csv")
    made = run_cli(app, "from-table", brca / "brca.csv", "--out", own, *columns, "--time-zero", "diagnosis", "--json")
    assert made.status == 0, made.err
    text = (own / "study.yaml").read_text()
    assert len(text.splitlines()) <= 40 and "minimum_events_per_variable" not in text
    study = load_study(own / "study.yaml")
    assert [variable.label for variable in study.clinical][3] == "primary_2_8500/3" and len(study.clinical) == COLUMNS + 1
    assert [site.name for site in study.sites if site.role == "evaluation"] == [f"test-{r}" for r in range(6)]
    ran = run_cli(app, "run", own, "--out", out, "--json")
    assert (ran.status, ran.data["label"]) == (0, "COMPLETE"), ran.err
    metrics = json.loads((out / "metrics.json").read_text())
    both = pd.read_csv(brca / "brca.csv").merge(pd.read_csv(brca / "split.csv"), on="pid")
    train = both[both["fold"] == "train"].drop(columns=["pid", "fold", "fold2"])
    fit = CoxPHFitter().fit(train, "T", "E", fit_options={"precision": 1e-12})
    found = {row["label"]: (row["coef"], row["se"]) for row in metrics["clinical"]["coefficients"]}
    for name, beta in fit.params_.items():
        label = name if name in found else next(one for one in found if one.startswith(name))
        se = fit.standard_errors_[name]  # masked sums are whole numbers of a fine grid: a hundredth of a standard error
        assert found[label] == (pytest.approx(beta, abs=0.01 * se), pytest.approx(se, rel=0.01))
    test = next(row["c"] for row in metrics["concordance"] if row["set"] == "test")
    held = both[both["fold"] == "test"]
    from lifelines.utils import concordance_index

    assert test["value"] == pytest.approx(concordance_index(held["T"], -fit.predict_partial_hazard(held), held["E"]), abs=1e-3)


def test_kinds_are_found_and_what_cannot_be_is_said(tmp_path: Path) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "own"
    rows = ["who;hospital;weeks;dead;Sex;grade;AFP;flag;same"]
    rows += [
        f"k{i};{('A b', 'c', 'd', 'e', 'f')[i % 5]};{i + 1};{'ja' if i % 3 else 'nein'};{'FM'[i % 2]};G{i % 3};{i + 1},5;{i % 2};7"
        for i in range(24)
    ]
    rows.append("k24;c;;ja;F;G1;2,5;1;7")
    table.write_text("\n".join(rows), encoding="utf-8")
    split = ("--site", "hospital", "--time", "weeks", "--event", "dead", "--key", "who", "--time-unit", "weeks")
    made = run_cli(app, "from-table", table, "--out", out, *split, "--resolution", "shares", "--json")
    assert made.status == 0, made.err
    notes = " ".join(made.data["notes"])
    assert "fewer than 10 each" in notes and load_study(out / "study.yaml").privacy.minimum_events_per_variable == 3
    assert "same has one value only" in notes and "1 row without" in notes
    kinds = {v.name: v for v in load_study(out / "study.yaml").clinical}
    assert (kinds["grade"].kind, kinds["flag"].kind, kinds["sex_"].values) == ("nominal", "binary", {0: "F", 1: "M"})
    assert kinds["afp"].kind == "continuous" and kinds["afp"].bounds is not None and kinds["afp"].bounds[0] < 1.5
    assert (out / "sites" / "a-b" / "cohort.csv").read_text().splitlines()[1] == "k0,7,0,0,0,1.5,0"
    again = run_cli(app, "from-table", table, "--out", out, *split)
    assert again.status == 2 and "not empty" in again.err
    twice = tmp_path / "second.csv"
    twice.write_text("who,set\nk1,train\nk1,test\n", encoding="utf-8")
    joined = run_cli(app, "from-table", table, "--out", tmp_path / "x", *split, "--join", twice)
    assert "stands more than once" in joined.err


def test_hospitals_called_by_numbers_and_wide_numbers_stay_as_they_are(tmp_path: Path) -> None:
    """Numbers, a truth value of YAML and words with accents are names of hospitals; bounds of large numbers keep their digits."""
    rng, n = np.random.default_rng(2), 40
    sites = ["1", "007", "no", "Charité Süd"]
    frame = pd.DataFrame({"inst": [sites[i % 4] for i in range(n)], "days": rng.integers(5, 900, n), "status": rng.integers(1, 3, n)})
    frame["platelets"] = 1_234_000 + rng.integers(0, 900, n)
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ("--site", "inst", "--time", "days", "--event", "status")
    made = run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", *words, "--json")
    assert made.status == 0, made.err
    study = load_study(tmp_path / "own" / "study.yaml")
    assert sorted(one.name for one in study.sites) == sorted(["1", "7", "no", "charite-sud"])
    low, high = study.clinical[0].bounds or (0, 0)
    assert low < frame["platelets"].min() and high > frame["platelets"].max() and high - low < 1200
    for one in study.sites:
        home = tmp_path / "own" / "sites" / one.name
        assert load_site(home / "site.yaml").site == one.name


def test_names_of_hospitals_that_change_are_told_and_whole_days_stay_whole(tmp_path: Path) -> None:
    """Letters without accents of their own, names of one script only, weeks of three decimals that are whole days."""
    names, n = ["Łódź Główny", "Øst sykehus", "大阪", "京都", "East Wing"], 40
    days = 10 + 7 * np.arange(n) + np.arange(n) % 7
    frame = pd.DataFrame(
        {"where": [names[i % 5] for i in range(n)], "weeks": (days / 7).round(3), "died": ["Yes", "No"] * 20, "x": days % 11}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ("--site", "where", "--time", "weeks", "--time-unit", "weeks", "--event", "died")
    made = run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", *words, "--json")
    assert made.status == 0, made.err
    sites = [one.name for one in load_study(tmp_path / "own" / "study.yaml").sites]
    assert sites == ["east-wing", "hospital", "hospital-2", "lodz-glowny", "ost-sykehus"]
    (said,) = [note for note in made.data["notes"] if note.startswith("names of hospitals")]
    assert "Øst sykehus is ost-sykehus, Łódź Główny is lodz-glowny, 京都 is hospital-2, 大阪 is hospital" in said and "East" not in said
    found = pd.concat([pd.read_csv(tmp_path / "own" / "sites" / one / "cohort.csv") for one in sites])
    assert sorted(found["last_contact_day"]) == sorted(days)


@pytest.mark.parametrize(("longest", "days"), [(900, (365, 730)), (700, (180, 365)), (364, (180,)), (30, (14,)), (12, (6,))])
def test_horizons_of_a_short_study_are_within_it(tmp_path: Path, longest: int, days: tuple[int, ...]) -> None:
    frame = pd.DataFrame(
        {"h": ["a", "b", "c"] * 10, "t": np.linspace(1, longest, 30).round(), "e": [0, 1, 1] * 10, "x": [k % 7 for k in range(30)]}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    made = run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", "--site", "h", "--time", "t", "--event", "e", "--json")
    assert made.status == 0, made.err
    assert load_study(tmp_path / "own" / "study.yaml").evaluation.horizons == days
    assert any("declares `horizons`" in note for note in made.data["notes"]) == (longest < 730)


def test_a_word_for_not_known_among_numbers_is_answered_with_the_option(tmp_path: Path) -> None:
    frame = pd.DataFrame({"h": ["a", "b", "c"] * 10, "t": range(1, 31), "e": [0, 1, 1] * 10, "age": ["k.A.", *range(40, 69)]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ("--site", "h", "--time", "t", "--event", "e")
    refused = run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", *words)
    assert refused.status == 11 and "FH-825 column 'age', line 2" in refused.err and "--missing WORD" in refused.err
    assert run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", *words, "--missing", "k.A.").status == 0


def test_how_the_table_was_read_is_told(tmp_path: Path) -> None:
    """Competing codes declared, a unit that was not, and levels called NA: each in a note."""
    rng, n = np.random.default_rng(4), 60
    frame = pd.DataFrame({"h": rng.choice(list("abc"), n), "months": rng.uniform(1, 48, n).round(1), "status": rng.integers(0, 3, n)})
    frame["stage"] = rng.choice(["None", "NA", "II"], n)
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ("--site", "h", "--time", "months", "--event", "status", "--event-value", "1")
    made = run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", *words, "--json")
    said = "\n".join(made.data["notes"])
    died = int((frame["status"] == 1).sum())
    assert f"Events read: status: 1 = event ({died} rows), 0 or 2 = censored ({n - died} rows)" in said
    assert "FH-818" in said and "read as days" in said
    assert "stage: NA, None is a label" in said
    declared = run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "two", *words, "--time-unit", "months", "--json")
    assert "FH-818" not in "\n".join(declared.data["notes"])
    assert run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "x", *words[:-2]).status == 11


def test_an_endpoint_and_a_start_of_ones_own_are_declared(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"h": ["abc"[k % 3] for k in range(20)], "t": range(1, 21), "e": [0, 1] * 10, "x": [float(k % 7) for k in range(20)]}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ("--site", "h", "--time", "t", "--event", "e", "--event-label", "graft loss", "--time-zero", "the operation")
    made = run_cli(app, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", *words)
    assert made.status == 0, made.err
    study = load_study(tmp_path / "own" / "study.yaml")
    assert (study.endpoint.label, study.endpoint.event_label) == ("Time without graft loss", "graft loss")
    assert (study.endpoint.time_zero, dict(study.moments)) == ("the_operation", {"the_operation": "the operation"})
