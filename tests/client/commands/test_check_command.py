from __future__ import annotations

from pathlib import Path

import numpy as np

from client.commands import check_and_identity
from site_config.documents.read_yaml_documents import dump_yaml
from site_config.keys_and_signatures import SiteIdentity
from site_config.problems.base import Exit
from site_config.study import study_presets
from tests.client.made_scans import body, write_body, write_nifti
from tests.site_config.broken import COHORT, GOOD, HEAD, SCANS, SITE
from tests.support import app_of, run_cli

APP = app_of(check_and_identity.register)


def lay(folder: Path) -> Path:
    for name, content in (("site.yaml", SITE), ("cohort.csv", f"{HEAD}\n{GOOD}\n"), ("scans.csv", SCANS)):
        (folder / name).write_text(content)
    write_body(folder / "images" / "a")
    return folder


def with_every_mask(table: str) -> str:
    """The table with a mask for each target of the default study."""
    more = ("liver_tumour", "lung", "lung_tumour")
    head, *rows = table.splitlines()
    head += "".join(f",mask_{target}" for target in more)
    return "\n".join([head, *(row + ",a/liver.nii.gz" * len(more) for row in rows)]) + "\n"


def test_a_target_without_model_and_mask_is_named_without_a_study_too(tmp_path: Path) -> None:
    ran = run_cli(APP, "check", "--home", lay(tmp_path))
    assert ran.status == Exit.FINDINGS and "FH-322 the target lung_tumour has neither" in ran.out and "models add lung-nodules" in ran.out


def test_a_hospital_in_order(tmp_path: Path) -> None:
    lay(tmp_path)
    (tmp_path / "scans.csv").write_text(with_every_mask(SCANS))
    ran = run_cli(APP, "check", "--home", tmp_path)
    assert ran.status == Exit.OK, ran.err + ran.out
    assert f"No fault. Next: fedhcc-site data prepare --home {tmp_path}\n" in ran.out


def test_after_init_the_first_table_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: bern\n")
    ran = run_cli(APP, "check", "--home", tmp_path)
    assert ran.status == Exit.ACCESS and "FH-910 cohort.csv does not exist" in ran.err
    assert "docs/reference/tables.md" in ran.err and "docs/how-to/prepare-a-cohort.md" in ran.err
    assert "fedhcc-site data scan" in ran.err and "container" not in ran.err


def test_faults_of_all_three_files_in_one_pass_and_access_first(tmp_path: Path) -> None:
    lay(tmp_path)
    (tmp_path / "cohort.csv").write_text(COHORT.replace("2021-01-10", "01/02/2021"))
    (tmp_path / "images" / "a" / "follow.nii.gz").unlink()
    ran = run_cli(APP, "check", "--home", tmp_path, "--json")
    assert {fault["code"] for fault in ran.data["faults"]} == {"FH-210", "FH-220"}
    assert ran.status == Exit.ACCESS


def test_a_table_that_cannot_be_read_is_not_one_of_nobody_and_a_fault_stands_once(tmp_path: Path) -> None:
    lay(tmp_path)
    (tmp_path / "cohort.csv").write_text("patient,gender,agee\n")
    ran = run_cli(APP, "check", "--home", tmp_path, "--json")
    assert ran.data["counts"]["patients"] is None and ran.data["counts"]["scans"] > 0
    assert len(ran.data["faults"]) > 1 and not any(fault["others"] for fault in ran.data["faults"])
    assert "not read" in run_cli(APP, "check", "--home", tmp_path).out


def test_the_wrong_folder_is_told_where_to_look(tmp_path: Path) -> None:
    ran = run_cli(APP, "check", "--home", tmp_path)
    assert ran.status == Exit.ACCESS and "--home" in ran.err and "fedhcc-site init" in ran.err


def test_the_two_tables_are_laid_side_by_side(tmp_path: Path) -> None:
    lay(tmp_path)
    (tmp_path / "cohort.csv").write_text(f"{HEAD}\n{GOOD}\n{GOOD.replace('A1', 'C3')}\n")
    (tmp_path / "scans.csv").write_text(with_every_mask(SCANS).replace("2021-03-04", "2021-09-04"))
    data = run_cli(APP, "check", "--home", tmp_path, "--json").data
    assert [(fault["code"], fault["where"]) for fault in data["faults"]] == [("FH-228", "scans.csv:3")]
    assert [finding["code"] for finding in data["findings"]] == ["FH-230", "FH-230"]
    (tmp_path / "scans.csv").write_text(SCANS.replace("date", "day").replace("2021-01-01", "-9").replace("2021-03-04", "53"))
    assert [fault["code"] for fault in run_cli(APP, "check", "--home", tmp_path, "--json").data["faults"]] == ["FH-211"]


def test_another_study_wants_other_columns(tmp_path: Path) -> None:
    lay(tmp_path)
    paper = study_presets.preset("paper")
    plan = paper.model_copy(update={"clinical": (paper.clinical[0], paper.clinical[1].model_copy(update={"name": "hepatitis"}))})
    (tmp_path / "site.yaml").write_text("site: centre-01\npaths: {scans: null}\n")
    (tmp_path / "study.yaml").write_text(dump_yaml(plan))
    ran = run_cli(APP, "check", "--home", tmp_path, "--study", tmp_path / "study.yaml", "--json")
    assert {fault["code"] for fault in ran.data["faults"]} == {"FH-205"}
    assert "`hepatitis`" in ran.err


def test_a_hospital_without_images(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: bern\npaths: {scans: null}\n")
    (tmp_path / "cohort.csv").write_text(f"{HEAD}\n{GOOD}\n")
    assert run_cli(APP, "check", "--home", tmp_path).status == Exit.OK


def test_a_misspelt_hospital_or_target_is_answered_with_the_studys_name(tmp_path: Path) -> None:
    lay(tmp_path)
    (tmp_path / "study.yaml").write_text(dump_yaml(study_presets.preset("paper")))
    targets = "{liver: {masks: true}, liver_tumor: {masks: true}, lung: {masks: true}, lung_tumour: {masks: true}}"
    (tmp_path / "site.yaml").write_text(f"site: center-07\nsegmentation: {{targets: {targets}}}\n")
    ran = run_cli(APP, "check", "--home", tmp_path, "--study", tmp_path / "study.yaml", "--json")
    assert [fault["code"] for fault in ran.data["faults"]] == ["FH-122", "FH-120"]
    assert ran.data["faults"][0]["fix"] == "Write `site: centre-07`."
    assert ran.data["faults"][1]["fix"] == "Rename `liver_tumor` to `liver_tumour`."


def test_a_hospital_reads_its_fingerprint_out(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: bern\n")
    assert run_cli(APP, "identity", "--home", tmp_path).status == Exit.IDENTITY
    own = SiteIdentity.create(tmp_path / "state", "bern")
    assert run_cli(APP, "identity", "--home", tmp_path, "--json").data == {
        "site": "bern",
        "fingerprint": own.fingerprint,
        "coordinator": None,
    }
    assert "hospital bern" in run_cli(APP, "identity", "--home", tmp_path).out


def test_values_that_are_no_hounsfield_units_and_a_missing_chest_are_named_on_day_one(tmp_path: Path) -> None:
    lay(tmp_path)
    hu, _ = body()
    write_nifti(tmp_path / "images" / "a" / "follow.nii.gz", np.clip(hu, -150, 250))
    (tmp_path / "scans.csv").write_text(SCANS.replace("A1,followup,2021-03-04,whole", "A1,followup,2021-03-04,abdomen"))
    ran = run_cli(APP, "check", "--home", tmp_path)
    assert ran.status == Exit.FINDINGS and "FH-327 the scan of row 3 is cut off" in ran.out
    assert "FH-362 row 2: no chest scan in scans.csv for followup" in ran.out
