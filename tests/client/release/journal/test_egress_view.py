"""`fedhcc-site egress`: what a data-protection officer sees."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from client.commands import egress_and_privacy as command
from evidence.attacks.attacked_federation import NOON, AttackedFederation, seeded_bytes
from shared_model.statistics.statistic_parameters import PreCounts, SplitOnly
from site_config.hash_chained_journal import Journal
from site_config.problems.base import Problem
from tests.support import app_of, run_cli

SITES = ("site-a", "site-b", "site-c")


@pytest.fixture
def home(tmp_path):
    """A site whose journal holds one opened release, one that was never opened, and a refusal."""
    (tmp_path / "site.yaml").write_text("site: site-a\n")
    from client.release.door import Door

    federation = AttackedFederation.make({name: (f"{name}/1",) for name in SITES})
    site = federation.hospitals["site-a"]
    site.journal = Journal(tmp_path / "state" / "journal.jsonl", clock=lambda: NOON)
    policy = site.door._policy
    site.door = Door("site-a", site.key, policy, site.journal, clock=lambda: NOON, entropy=seeded_bytes("new"))
    parameters = SplitOnly(split="train")

    def compute(statistic, p, _arrays):
        return {segment.name: np.zeros(segment.size) for segment in statistic.segments(p)}

    counted = PreCounts(split="train", columns=())
    federation.ask("precounts", counted, dict.fromkeys(SITES, compute), phase="evaluation")
    context = federation.context("precounts", counted, phase="evaluation", round=1)
    federation.release("site-a", context, counted, federation.keys(context, SITES), compute)
    with pytest.raises(Problem):
        federation.ask("characteristics", parameters, dict.fromkeys(SITES, compute), phase="training")
    site.journal.close()
    return tmp_path


def egress(home, *words):
    return run_cli(app_of(command.register), "egress", *words)


def test_shows_filters_and_tells_masked_and_opened(home):
    rows = egress(home, "--home", home, "--json").data
    assert [row["opened"] for row in rows] == [True, False]
    first = rows[0]
    assert (first["phase"], first["statistic"], first["masked"], first["noise"]) == ("evaluation", "precounts", True, "none")
    assert first["roster"] == "site-a site-b site-c"
    assert "patients[1]" in first["shape"] and "3 sites" in first["rule"]
    assert egress(home, "--home", home, "--json", "--phase", "training").data == []
    assert "masked" in egress(home, "--home", home).out


def test_refusals_with_their_reason(home):
    rows = egress(home, "--home", home, "--json", "--refusals").data
    assert [(row["code"], row["step"]) for row in rows] == [("FH-509", "keys")]
    assert "not asked in the phase training" in rows[0]["reason"]


def test_exports_csv(home, tmp_path):
    out = tmp_path / "out.csv"
    assert egress(home, "export", out, "--home", home, "--json").data["rows"] == 2
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"))))
    assert rows[0]["statistic"] == "precounts"
    assert int(rows[0]["bytes"]) > 50


def test_verifies_and_names_the_changed_entry(home):
    assert egress(home, "verify", "--home", home, "--json").data["intact"] is True
    path = home / "state" / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1].replace(b"evaluation", b"evaluatiom"), *lines[2:]]))
    ran = egress(home, "verify", "--home", home)
    assert ran.status == 11
    assert "FH-523" in ran.err and "journal.jsonl:2" in ran.err


def test_consent_is_an_entry(home):
    study = egress(home, "--home", home, "--json").data[0]["study"]
    assert egress(home, "allow", study, "--home", home, "--yes", "--note", "dpo").status == 0
    assert egress(home, "verify", "--home", home, "--json").data["entries"] == 6
    assert egress(home, "allow", "short", "--home", home, "--yes").status == 2
    assert "FH-417" in egress(home, "allow", "ab" * 32, "--home", home, "--yes").err, "no allowance waits for a study nobody knows"
    assert egress(home, "verify", "--home", home, "--json").data["entries"] == 6
    with Journal(home / "state" / "journal.jsonl"):
        assert "FH-525" in egress(home, "allow", study, "--home", home, "--yes").err


@pytest.mark.parametrize("command_words", [(), ("--refusals",), ("told",), ("export", "out.csv")])
def test_a_study_that_nobody_knows_is_not_told_as_nothing(home, command_words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [*command_words, "--home", home, "--study"]
    assert "FH-417" in egress(home, *words, "nonsense").err
    assert egress(home, *words, egress(home, "--home", home, "--json").data[0]["study"][:6]).status == 0
