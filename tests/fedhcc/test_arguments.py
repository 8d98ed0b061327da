"""A stranger's first minutes: what cannot be meant is a numbered problem with a remedy, and every result shows itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import fedhcc
from site_config.problems.base import Problem

COLUMNS = {"site": "clinic", "time": "followed", "event": "died"}


@pytest.fixture(scope="module")
def frame() -> Any:
    """A table as people have one: an index of two levels with repeated labels, categories, texts, timedeltas, missing values."""
    draw, n = np.random.default_rng(2), 240
    made = pd.DataFrame(
        {
            "clinic": draw.choice(["Bern", "Zürich", "Genève", "St. Gallen"], n),
            "grade": pd.Categorical(draw.choice(["G1", "G2", "G3"], n), categories=["G1", "G2", "G3"], ordered=True),
            "age": draw.normal(60, 9, n).round(1),
            "died": draw.random(n) < 0.6,
            "followed": pd.to_timedelta(draw.integers(1, 900, n), unit="D"),
            0: draw.random(n).round(3),
        },
        index=pd.MultiIndex.from_arrays([np.repeat(["x", "y"], n // 2), draw.integers(0, 50, n)], names=["ward", "b"]),
    )
    made.loc[made.index[:7], "age"] = np.nan
    return made


WRONG: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "covariates takes names of columns, not None": lambda f, c: fedhcc.cox(f, **c, covariates=None),  # type: ignore[arg-type]
    "covariates takes names of columns, not a value of type Series": lambda f, c: fedhcc.cox(f, **c, covariates=f["age"]),
    "site takes the name of a column, not a value of type Series": lambda f, c: fedhcc.cox(
        f, **{**c, "site": f["clinic"]}, covariates=["age"]
    ),
    "time takes the name of a column, not None": lambda f, c: fedhcc.cox(f, **{**c, "time": None}, covariates=["age"]),
    "strata takes the name of a column": lambda f, c: fedhcc.cox(f, **c, covariates=["age"], strata=["grade"]),  # type: ignore[arg-type]
    "there is no holders 2": lambda f, c: fedhcc.cox(f, **c, covariates=["age"], resolution="shares", holders=2),  # type: ignore[arg-type]
    "missing takes texts of cells, not None": lambda f, c: fedhcc.cox(f, **c, covariates=["age"], missing=None),  # type: ignore[arg-type]
    "study takes a path": lambda f, c: fedhcc.cox(f, **c, covariates=["age"], study=3),  # type: ignore[arg-type]
    "there is no decimal semi": lambda f, c: fedhcc.cox(f, **c, covariates=["age"], decimal="semi"),  # type: ignore[arg-type]
    "score takes names of columns": lambda f, c: fedhcc.metrics(f, **c, score=f["age"]),
    "points takes numbers, not a value of type str": lambda f, c: fedhcc.metrics(f, **c, score="age", points="365"),
    "horizons takes numbers above 0, not -3": lambda f, c: fedhcc.metrics(f, **c, score="age", horizons=-3),  # type: ignore[arg-type]
    "seeds is a whole number of at least 1, not '3'": lambda f, c: fedhcc.compare(seeds="3"),  # type: ignore[arg-type]
    "rounds is a whole number of at least 1, not 0": lambda f, c: fedhcc.compare(rounds=0),
    "held_out is a share between 0.05 and 0.8, not 2": lambda f, c: fedhcc.compare(f, **c, covariates="age", held_out=2),
    "epsilons takes numbers, not a value of type str": lambda f, c: fedhcc.compare(epsilons=["a"]),  # type: ignore[list-item]
    "there is no scenarios wild (did you mean mild?)": lambda f, c: fedhcc.compare(scenarios="wild"),
    "there is no preset None": lambda f, c: fedhcc.simulate(None, out="x"),  # type: ignore[arg-type]
    "out takes a path, not None": lambda f, c: fedhcc.simulate("tiny", out=None),  # type: ignore[arg-type]
    "workers is a whole number of at least 1, not 0": lambda f, c: fedhcc.simulate("tiny", out="x", workers=0),
    "folder takes a path, not a value of type int": lambda f, c: fedhcc.Study(3),  # type: ignore[arg-type]
    "folder takes a path, not None": lambda f, c: fedhcc.load_bundle(None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", WRONG)
def test_an_argument_that_cannot_be_meant_is_named_with_what_to_give(frame: Any, what: str) -> None:
    with pytest.raises(Problem, match="FH-902") as told:
        WRONG[what](frame, COLUMNS)
    assert what in told.value.what and told.value.fix != type(told.value).__doc__ and "--help" not in told.value.fix


@pytest.mark.parametrize(
    "covariates",
    [["age", "grade"], ("age", "grade"), pd.Index(["age", "grade"]), np.array(["age", "grade"]), {"grade", "age"}, "age,grade"],
)
def test_names_come_in_any_collection(frame: Any, covariates: Any) -> None:
    assert list(fedhcc.cox(frame, **COLUMNS, covariates=covariates).params.index) == ["age", "gradeG2", "gradeG3"]


def test_a_number_names_a_column_and_a_level_of_the_index_is_one(frame: Any) -> None:
    fit = fedhcc.cox(frame, site="ward", time="followed", event="died", covariates=[0])
    assert list(fit.params.index) == ["0"] and fit.fit.sites == 2
    assert fit.params["0"] == pytest.approx(fedhcc.cox(frame.reset_index(), **COLUMNS, covariates=[0]).params["0"], abs=1e-9)


def test_columns_of_several_levels_are_refused_with_the_line_that_flattens_them(frame: Any) -> None:
    with pytest.raises(Problem, match="FH-822") as told:
        fedhcc.cox(pd.concat({"q": frame}, axis=1), **COLUMNS, covariates=["age"])
    assert "frame.columns = " in told.value.fix


@pytest.mark.parametrize(("missing", "event_values"), [(999, "dead"), (999.0, ["dead"]), ("999", ("dead",))])
def test_a_single_word_stands_for_itself(frame: Any, missing: Any, event_values: Any) -> None:
    coded = frame.assign(age=frame["age"].fillna(999), died=np.where(frame["died"], "dead", "alive"))
    fit = fedhcc.cox(coded, **COLUMNS, covariates=["age"], missing=missing, event_values=event_values)
    plain = fedhcc.cox(frame, **COLUMNS, covariates=["age"])
    assert fit.fit.n == plain.fit.n == frame["age"].notna().sum() and fit.params["age"] == pytest.approx(plain.params["age"], abs=1e-9)


def test_a_doubt_is_told_in_the_words_of_whoever_asks(frame: Any) -> None:
    fit = fedhcc.cox(frame.assign(age=frame["age"].fillna(999)), **COLUMNS, covariates=["age"])
    assert any(text.endswith("say missing=[999]") for text in fit.findings)
    assert any("--missing 999 (in Python missing=[999])" in one["what"] for one in fit.to_dict()["warnings"])


def test_every_finding_is_a_warning_at_the_line_that_called(frame: Any) -> None:
    with pytest.warns(fedhcc.FindingWarning) as told:
        fit = fedhcc.cox(frame.assign(clinic="Bern"), **COLUMNS, covariates=["age"])
    assert [str(one.message) for one in told] == fit.findings and {one.filename for one in told} == {__file__}
    assert any("FH-836" in text for text in fit.findings), "one hospital alone is no federation"


def test_a_fault_shows_its_remedy_below_the_traceback(frame: Any) -> None:
    with pytest.raises(Problem, match="there is no time_unit week \\(did you mean weeks\\?\\)") as told:
        fedhcc.cox(frame, **COLUMNS, covariates=["age"], time_unit="week")  # type: ignore[arg-type]
    assert any(told.value.fix in note for note in told.value.__notes__)


def test_proportional_hazards_are_tested_by_covariate_and_together(frame: Any) -> None:
    fit = fedhcc.cox(frame, **COLUMNS, covariates=["age", "grade"])
    assert list(fit.proportional_hazards().index) == ["age", "gradeG2", "gradeG3", "global"]
    assert fit.proportional_hazards().loc["global", "p"] == fit.to_dict()["proportional_hazards"]["global"]["p"]
    assert len(fedhcc.cox(frame, **COLUMNS, covariates=["age"], resolution="shares", holders=0).proportional_hazards()) == 0


def test_every_result_has_a_short_form_a_table_and_a_figure(frame: Any) -> None:
    fit = fedhcc.cox(frame, **COLUMNS, covariates=["age", "grade"])
    found = fedhcc.metrics(frame, **COLUMNS, score="age", horizons=365)
    applied = fit.apply(frame)
    for one in (fit, found, applied):
        assert len(repr(one)) < 200 and repr(one).startswith(f"<{type(one).__name__}: ")
        assert "<table" in one._repr_html_() and len(one.summary()) and isinstance(one.to_dict(), dict)
        axis = plt.subplots()[1]
        assert one.plot(axis) is axis and axis.has_data()
        plt.close("all")
    assert "FH-811" in repr(found) and list(found.summary().index)[:2] == ["C-index", "AUC at 365"]
    assert applied.summary().loc["C-index", "value"] == applied.concordance == pytest.approx(fit.concordance)
    assert len(applied.scores()) == 240 and applied.scores()["linear_predictor"].isna().sum() == frame["age"].isna().sum()
    pd.testing.assert_series_equal(applied.scores()["linear_predictor"], fit.predict(frame))


def test_counts_of_one_are_singular(frame: Any) -> None:
    one = fedhcc.cox(frame.iloc[[20]], **COLUMNS, covariates=["age"])
    assert "1 patient, " in repr(one) and "1 site;" in repr(one)
