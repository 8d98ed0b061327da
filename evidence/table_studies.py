"""Survival studies of tables that need no word of the liver study: the table, how it becomes a folder, and its pooled rows.

`lung` is NCCTG's (18 institutions), `rotterdam` the breast cancer series of 2,982 patients in eight made-up hospitals, `gbsg2` the German
Breast Cancer Study Group's 686 in nine, `brca` a made-up table of Fed-TCGA-BRCA's shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evidence.code_meaning import ROOT

REGIONS = (311, 196, 206, 162, 162, 51)
PUBLIC = ROOT / "evidence" / "accuracy" / "public"


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


def rotterdam() -> TableStudy:
    """Death after breast surgery: words for the size, numbers of wide range, days up to 19 years; hospitals drawn at random."""
    read = pd.read_csv(PUBLIC / "rotterdam.csv")
    numbers = ["age", "nodes", "pgr", "er"]
    clinic = [f"clinic {k}" for k in np.random.default_rng(5).integers(0, 8, len(read))]
    names = [*numbers, "size", "meno", "grade", "hormon", "chemo"]
    table = read[["dtime", "death", *names]].assign(clinic=clinic)
    words = ("--site", "clinic", "--time", "dtime", "--event", "death", "--time-zero", "diagnosis")
    grade = (read["grade"] == read["grade"].max()).astype(float)
    sizes = pd.get_dummies(read["size"]).astype(float).drop(columns=sorted(set(read["size"]))[0])
    pooled = pd.concat([read[[*numbers, "meno", "hormon", "chemo"]], sizes], axis=1)
    return TableStudy(table, words, pooled.assign(grade=grade, T=read["dtime"], E=read["death"]))


def gbsg2() -> TableStudy:
    """Recurrence after breast surgery, with words, numbers of wide range, and hospitals drawn at random."""
    read = pd.read_csv(PUBLIC / "gbsg.csv")
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


STUDIES: dict[str, Callable[[], TableStudy]] = {"lung": lung, "rotterdam": rotterdam, "gbsg2": gbsg2, "brca": brca}
