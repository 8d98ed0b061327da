"""Real CT files as three hospitals: slices and scores, and findings in place of models that nothing could estimate."""

from __future__ import annotations

from pathlib import Path

from simulations.study.simulated_study import Options, run
from tests.end_to_end.studies.real_ct import CASES, arrange


def test_three_hospitals_of_real_scans_end_with_slices_scores_and_findings(tmp_path: Path, shared_data: Path) -> None:
    arrange(shared_data / "ct", tmp_path / "cohort")
    finished = run(Options(out=tmp_path / "run", folder=tmp_path / "cohort", pooled=False))
    said = [finding["what"] for finding in finished.result.findings if finding["code"] == "FH-756"]
    assert finished.result.clinical is None and finished.result.label == "COMPLETE"
    for model in ("CLN", "Rad-D", "RadCLN-D"):
        assert any(what.startswith(f"{model}: ") for what in said), said
    assert finished.result.flow["train.enrolled"] == len(CASES)
    assert finished.result.flow["train.analysed"] == 3
    scores = [path.read_text().splitlines() for path in (finished.homes.root / "scores").glob("*.csv")]
    assert sorted(len(lines) for lines in scores) == [2, 2, 2]
    homes = (finished.homes.site(name) for name in finished.homes.sites())
    records = [path.read_text() for home in homes for path in (home / "state" / "prepared").glob("*.json")]
    assert any("FH-328" in record for record in records), "scans that share slices are named as duplicates"
