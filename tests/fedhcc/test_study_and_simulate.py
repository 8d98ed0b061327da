"""Whole studies and their models from Python: what is read back is what the run wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fedhcc
from simulations.cohort.write_cohort import make_cohort


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("run")
    make_cohort("tiny", root / "own", 7)
    study = fedhcc.Study(root / "own")
    assert len(study.sites) == 6 and "6 sites" in repr(study)
    return study.run(root / "out", pooled=False)


def test_a_run_gives_its_numbers_as_tables(run: Any) -> None:
    assert run.label == "COMPLETE" and run.report.exists()
    table = run.summary()
    assert run.metrics["concordance"]
    # which of them are open follows the hospitals' secret split: of so few patients some sets have no pair to compare
    for one in run.metrics["concordance"]:
        value = one["c"]["value"]
        np.testing.assert_equal(table.loc[(one["model"], one["set"]), "C"], np.nan if value is None else value)
    scores = run.scores()
    assert scores["pseudonym"].nunique() == 14 and set(scores["set"]) == {"train", "validation", "test"}
    assert "<table" in run._repr_html_()


def test_patients_are_scored_from_their_scans(run: Any) -> None:
    model, home = run.bundle(), run.folder / "cohort" / "sites" / "hospital-01"
    found = model.predict(scans=home)
    assert set(found.index.get_level_values("model")) <= set(model.models)
    patient = found.index[0][0]
    assert ("Rad-D" in model.models) == ((patient, "Rad-D") in found.index)
    one = model.predict(pd.DataFrame({"pvtt": ["yes"]}, index=[patient]), scans=home)
    other = model.predict(pd.DataFrame({"pvtt": [0]}, index=[patient]), scans=home)
    image = [key for key in one.index if not key[1].endswith("CLN") and not key[1].startswith("RadCLN")]
    np.testing.assert_array_equal(one.loc[image, "score"], other.loc[image, "score"])


def test_values_the_model_does_not_know_are_refused(run: Any) -> None:
    with pytest.raises(fedhcc.Problem, match="FH-612"):
        run.bundle().predict(pd.DataFrame({"pvtt": ["perhaps"]}))
    with pytest.raises(fedhcc.Problem, match="FH-612"):
        run.bundle().predict()


@pytest.mark.parametrize("change", [{"preset": "tinny"}, {"engine": "flower"}])
def test_a_misspelt_argument_is_answered_with_the_choices(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(fedhcc.Problem, match="FH-902") as refused:
        fedhcc.simulate(**{"preset": "tiny", "out": tmp_path, **change})
    assert "Choose from" in refused.value.fix
