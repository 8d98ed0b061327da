"""A hospital's own minimum that protects nobody, or that no study reaches, is said when the hospital checks its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.doctor.document_checks import examine
from site_config.site_yaml import Policy
from site_config.study.policy_clashes import policy_findings


@pytest.mark.parametrize(("minimum", "words"), [(1, "that patient's row"), (10_000, "more than 1,500 patients")])
def test_an_absurd_minimum_of_a_policy_is_a_finding(tmp_path: Path, minimum: int, words: str) -> None:
    (found,) = policy_findings(Policy(minimum_patients=minimum), 1500)
    assert (found.code, words in found.what) == ("FH-132", True)
    assert policy_findings(Policy(minimum_patients=minimum, simulated_patients=True), 1500) == []
    (tmp_path / "site.yaml").write_text(f"site: lab\npolicy:\n  minimum_patients: {minimum}\n")
    assert [one.what for one in examine(tmp_path).findings if one.code == "FH-132"] == [found.what]


@pytest.mark.parametrize("minimum", [2, 20, 1500])
def test_other_minima_are_the_hospitals_own_matter(minimum: int) -> None:
    assert policy_findings(Policy(minimum_patients=minimum), 1500) == []
