from __future__ import annotations

import json
from pathlib import Path

import pytest

from server import hospital_register as enrol
from server import office_setup
from server.commands import run, study_check_lock_publish
from site_config.documents.read_yaml_documents import dump_yaml, load_study
from site_config.keys_and_signatures import SiteIdentity, verify_lock
from site_config.problems.base import Exit
from site_config.study import study_presets
from site_config.study.plan_and_lock import SignedLock
from tests.support import app_of, run_cli

APP = app_of(study_check_lock_publish.register)


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """A coordinator's home at which the eight hospitals of the canary preset are enrolled."""
    home = tmp_path / "office"
    home.mkdir()
    office_setup.init(home, "Trial office", "127.0.0.1:9443")
    for site in study_presets.preset("canary").sites:
        identity = SiteIdentity.create(tmp_path / site.name, site.name)
        enrol.enrol(home, identity.request("test").model_dump_json().encode())
    return home


def test_new_check_lock_show(office: Path, tmp_path: Path) -> None:
    plan = tmp_path / "study.yaml"
    assert run_cli(APP, "study", "new", "--preset", "canary", "--out", plan).status == Exit.OK
    assert load_study(plan) == study_presets.preset("canary")
    assert run_cli(APP, "study", "new", "--out", plan).status == Exit.ACCESS  # never over an existing file

    checked = run_cli(APP, "study", "check", plan, "--home", office, "--patients-per-site", "40", "--json")
    assert checked.status == Exit.OK
    assert checked.data["sets"]["test"] == {"sites": 3, "patients": 120, "events": 72, "c_half_width": pytest.approx(0.077, abs=0.001)}

    locked = run_cli(APP, "study", "lock", plan, "--home", office, "--json")
    assert locked.status == Exit.OK, locked.err
    signed = SignedLock.model_validate_json((tmp_path / "study.lock.json").read_text())
    lock = verify_lock(signed, signed.lock.coordinator_key)
    assert lock.study_id == locked.data["study_id"]
    assert locked.data["study_id"] == run_cli(APP, "study", "lock", plan, "--home", office, "--json").data["study_id"]

    shown = run_cli(APP, "study", "show", tmp_path / "study.lock.json")
    assert shown.status == Exit.OK
    assert lock.study_id in shown.out
    assert "centre-08" in shown.out


def test_a_preset_is_printed_as_yaml(tmp_path: Path) -> None:
    ran = run_cli(APP, "study", "new", "--preset", "paper")
    (tmp_path / "study.yaml").write_text(ran.out)
    assert load_study(tmp_path / "study.yaml") == study_presets.preset("paper")
    assert run_cli(APP, "study", "new", "--preset", "demos").err.startswith("FH-126")


def test_what_to_expect_is_shown_before_anything_runs(tmp_path: Path) -> None:
    plan = tmp_path / "study.yaml"
    plan.write_text(dump_yaml(study_presets.preset("paper")))
    ran = run_cli(APP, "study", "check", plan, "--event-share", "0.3")
    assert ran.status == Exit.FINDINGS
    assert "events a clinical variable" in ran.out
    assert "FH-124" in ran.out
    assert "±0." in ran.out
    assert "nothing but the results below" in ran.out and "listed when the study is locked (`study lock`, `study show`)" in ran.out


def test_too_few_hospitals_are_told_before_every_one_of_them_refuses(office: Path, tmp_path: Path) -> None:
    plan = tmp_path / "study.yaml"
    canary = study_presets.preset("canary")
    two = canary.model_copy(update={"sites": canary.sites[:5] + canary.sites[5:6]})
    plan.write_text(dump_yaml(two))
    checked = run_cli(APP, "study", "check", plan, "--home", office, "--patients-per-site", "40")
    assert checked.status == Exit.FINDINGS
    assert "FH-506 a block of 1 evaluation hospital; by default a hospital refuses a sum over fewer than 3" in " ".join(checked.out.split())
    assert "fedhcc-coordinator enrol NAME.request.json --role evaluation" in " ".join(checked.out.split())
    locked = run_cli(APP, "study", "lock", plan, "--home", office)
    published = run_cli(
        app_of(run.register, study_check_lock_publish.register), "study", "publish", tmp_path / "study.lock.json", "--home", office
    )
    for ran in (locked, published):
        assert ran.status == Exit.OK and "FH-506" in ran.err


def test_the_next_command_can_be_pasted(office: Path, tmp_path: Path) -> None:
    plan = tmp_path / "my studies" / "study.yaml"
    plan.parent.mkdir()
    home = f"--home {office}"
    assert f"Next: fedhcc-coordinator study check '{plan}' {home}\n" in run_cli(APP, "study", "new", "--out", plan, "--home", office).err
    plan.write_text(dump_yaml(study_presets.preset("canary")))
    assert f"Next: fedhcc-coordinator study lock '{plan}' {home}\n" in run_cli(APP, "study", "check", plan, "--home", office).err
    lock = plan.with_suffix(".lock.json")
    assert f"Next: fedhcc-coordinator study publish '{lock}' {home}\n" in run_cli(APP, "study", "lock", plan, "--home", office).err


def test_a_home_from_the_environment_is_not_said_again(office: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDHCC_HOME", str(office))
    assert "--home" not in run_cli(APP, "study", "new", "--out", tmp_path / "study.yaml").err


def test_a_misspelt_hospital_is_answered_with_the_enrolled_one(office: Path, tmp_path: Path) -> None:
    plan = tmp_path / "study.yaml"
    plan.write_text(dump_yaml(study_presets.preset("canary")).replace("centre-03", "center-03"))
    for arguments in (("check", plan, "--home", office), ("lock", plan, "--home", office)):
        ran = run_cli(APP, "study", *arguments)
        assert ran.status == Exit.CONFIGURATION
        assert ran.err.startswith("FH-113 `center-03` is not enrolled")
        assert "Write `centre-03` in study.yaml." in ran.err
    assert not (tmp_path / "study.lock.json").exists()


def test_an_edited_or_foreign_lock_is_refused(tmp_path: Path) -> None:
    for text in ("{}", "[", json.dumps({"lock": {}, "signature": ""})):
        (tmp_path / "x.lock.json").write_text(text)
        assert run_cli(APP, "study", "show", tmp_path / "x.lock.json").err.startswith("FH-127")


@pytest.mark.parametrize("which", ["study", "site"])
def test_schemas_are_json(which: str) -> None:
    assert run_cli(APP, "study", "schema", which).data["additionalProperties"] is False


def test_an_unknown_schema_is_a_matter_of_usage() -> None:
    assert run_cli(APP, "study", "schema", "cohort").status == Exit.USAGE


def test_a_new_study_names_the_enrolled_hospitals(tmp_path: Path) -> None:
    from site_config.study.plan_and_lock import StudySite

    given = (StudySite(name="one", role="evaluation"), *(StudySite(name=f"open-{i}") for i in range(6)))
    paper, tiny = study_presets.preset("paper", given), study_presets.preset("tiny", given)
    assert paper.draw is not None
    assert paper.draw.evaluation == 2
    assert [site.role for site in paper.sites] == ["evaluation", *[None] * 6]
    assert [site.role for site in tiny.sites] == ["evaluation", *["development"] * 6]
