"""The two exchanges of enrolment and a hospital's decisions, typed as people type them, on both sides."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from client import keys_kit_and_decisions as at_site
from client.cli import app as site_app
from server import hospital_register as at_office
from server import office_setup, published_studies
from server.cli import app as office_app
from site_config.console import invoke
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import CoordinatorIdentity, SiteIdentity, sign_lock, spoken
from site_config.study.code_digest import code_digest
from site_config.study.plan_and_lock import Study, StudyLock, StudySite


def say(capsys: pytest.CaptureFixture[str], app: Any, *words: str) -> tuple[int, Any, str]:
    """Exit status, what `--json` printed, and what went to the person."""
    capsys.readouterr()
    status = invoke(app, [*words, "--json"])
    out = capsys.readouterr()
    return status, json.loads(out.out) if out.out.strip() else None, out.err


def office(capsys: pytest.CaptureFixture[str], folder: Path) -> Path:
    home = folder / "office"
    status, found, _ = say(capsys, office_app, "init", "--home", str(home), "--address", "127.0.0.1:9443", "--title", "Trial office")
    assert status == 0 and len(found["fingerprint"]) == 64
    return home


def enrol(capsys: pytest.CaptureFixture[str], home: Path, folder: Path, name: str) -> Path:
    site = folder / name
    status, made, err = say(capsys, site_app, "init", "--name", name, "--home", str(site))
    assert status == 0 and err.endswith(f": fedhcc-site join {name}.kit.json --home {site}\n")
    status, approved, _ = say(capsys, office_app, "enrol", made["request"], "--home", str(home), "--fingerprint", made["fingerprint"][:16])
    assert status == 0 and approved["fingerprint"] == made["fingerprint"] and approved["compared"]
    fingerprint = CoordinatorIdentity.load(home).fingerprint
    status, joined, _ = say(capsys, site_app, "join", approved["kit"], "--home", str(site), "--fingerprint", fingerprint)
    assert status == 0 and joined == {
        "site": name,
        "coordinator": "Trial office",
        "address": "127.0.0.1:9443",
        "fingerprint": fingerprint,
        "compared": True,
    }
    with (site / "site.yaml").open("a") as stream:
        stream.write("policy:\n  resolutions: [counts, update, shares, exact]\n")
    return site


@pytest.mark.parametrize("address", ["trial.example.org", "host:", ":443", "host:99999", "https://host:443", "a b:443"])
def test_a_misspelt_address_leaves_nothing_behind(capsys: pytest.CaptureFixture[str], tmp_path: Path, address: str) -> None:
    status, found, _ = say(capsys, office_app, "init", "--home", str(tmp_path / "office"), "--address", address, "--title", "Office")
    assert status == 2 and found["problem"]["code"] == "FH-902"
    assert not (tmp_path / "office").exists()
    office(capsys, tmp_path)


@pytest.mark.parametrize("title", [" ", "x" * 201])
def test_a_title_that_no_kit_could_hold_leaves_nothing_behind(capsys: pytest.CaptureFixture[str], tmp_path: Path, title: str) -> None:
    status, found, _ = say(capsys, office_app, "init", "--home", str(tmp_path / "office"), "--address", "host:443", "--title", title)
    assert status == 2 and found["problem"]["code"] == "FH-902"
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_leaves_nothing_behind(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert say(capsys, site_app, "init", "--name", "St. Mary", "--home", str(tmp_path / "site"))[0] != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["1", "007", "no", "1e5"])
def test_a_name_that_yaml_would_read_as_something_else_is_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    assert say(capsys, site_app, "init", "--name", name, "--home", str(tmp_path))[0] == 0
    assert load_site(tmp_path / "site.yaml").site == name


def test_init_under_another_name_than_site_yaml_says_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: one\n")
    status, found, _ = say(capsys, site_app, "init", "--name", "two", "--home", str(tmp_path))
    assert status == 2 and "one" in found["problem"]["what"]
    assert not (tmp_path / "state").exists()


def lock_file(home: Path, folder: Path, names: tuple[str, ...], digest: str | None = None) -> Path:
    coordinator = CoordinatorIdentity.load(home)
    lock = StudyLock(
        study=Study(
            title="A study", models=("CLN",), resolution="exact", sites=tuple(StudySite(name=name, role="development") for name in names)
        ),
        roster=at_office.roster(home, dict.fromkeys(names, "development")),
        blocks={"development": (names,), "evaluation": ()},
        code_digest=digest or code_digest(),
        coordinator_key=coordinator.public_key,
    )
    path = folder / f"{'-'.join(names)}.lock.json"
    path.write_text(sign_lock(lock, coordinator).model_dump_json())
    return path


def read_out(sites: dict[str, Path], *names: str) -> list[str]:
    """What other hospitals read out by telephone, as `approve` takes it."""
    return [word for name in names for word in ("--peer", f"{name}={SiteIdentity.load(sites[name] / 'state').fingerprint[:16]}")]


def test_from_keys_to_an_approved_study(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = office(capsys, tmp_path)
    names = ("alpha", "beta", "gamma")
    sites = {name: enrol(capsys, home, tmp_path, name) for name in names}
    _, listed, _ = say(capsys, office_app, "list", "--home", str(home))
    assert [site["name"] for site in listed] == list(names) and "private" not in json.dumps(listed).lower()
    lock = lock_file(home, tmp_path, names)
    status, published, _ = say(capsys, office_app, "study", "publish", str(lock), "--home", str(home))
    assert status == 0
    alpha = str(sites["alpha"])
    heard = read_out(sites, "beta", "gamma")
    status, shown, _ = say(capsys, site_app, "approve", str(lock), "--home", alpha, "--yes", *heard)
    assert status == 0 and shown["added"] == list(names) and not shown["conflicts"]
    status, found, _ = say(capsys, site_app, "studies", "--home", alpha)
    assert found == [{"study": published["study"], "title": "A study", "sites": 3, "decision": "approved"}]
    status, _, _ = say(capsys, site_app, "decline", published["study"][:10], "--home", alpha)
    assert status == 0 and at_site.decision(sites["alpha"] / "state", published["study"]) == "declined"


def test_a_ghost_hospital_shows_and_fails_known_peers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = office(capsys, tmp_path)
    names = ("alpha", "beta", "gamma", "ghost")
    sites = {name: enrol(capsys, home, tmp_path, name) for name in names}
    alpha = sites["alpha"]
    known = [SiteIdentity.load(sites[name] / "state").fingerprint for name in ("beta", "gamma")]
    (alpha / "site.yaml").write_text(
        (alpha / "site.yaml").read_text() + f"  known_peers:\n    at_least: 2\n    fingerprints: {json.dumps(known)}\n"
    )
    first = lock_file(home, tmp_path, ("alpha", "beta", "gamma"))
    assert say(capsys, site_app, "approve", str(first), "--home", str(alpha), "--yes")[0] == 0
    second = lock_file(home, tmp_path, ("alpha", "beta", "ghost"))
    status, shown, err = say(capsys, site_app, "approve", str(second), "--home", str(alpha), "--yes")
    assert shown["added"] == ["ghost"] and shown["removed"] == ["gamma"]
    assert status != 0 and shown["conflicts"] and "FH-" in err
    assert {offer.decision for offer in at_site.offers(alpha / "state")} == {"approved", "pending"}


def test_other_code_is_a_conflict(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = office(capsys, tmp_path)
    site = enrol(capsys, home, tmp_path, "alpha")
    enrol(capsys, home, tmp_path, "beta")
    enrol(capsys, home, tmp_path, "gamma")
    lock = lock_file(home, tmp_path, ("alpha", "beta", "gamma"), digest="0" * 64)
    status, shown, err = say(capsys, site_app, "approve", str(lock), "--home", str(site), "--yes")
    assert status != 0 and "FH-415" in err and "FH-415" in {conflict["code"] for conflict in shown["conflicts"]}


def test_wrong_words_end_with_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = office(capsys, tmp_path)
    site = enrol(capsys, home, tmp_path, "alpha")
    assert say(capsys, site_app, "init", "--name", "alpha", "--home", str(site))[0] == 13
    assert say(capsys, office_app, "enrol", str(site / "site.yaml"), "--home", str(home))[0] == 13
    assert say(capsys, office_app, "revoke", "nobody", "--home", str(home))[0] == 13
    assert say(capsys, office_app, "run", "ffffff", "--home", str(home))[0] == 10
    assert say(capsys, site_app, "status", "--home", str(site))[0] == 12
    assert invoke(site_app, ["status", "--healthy", "--home", str(site)]) == 1
    assert say(capsys, site_app, "run", "--home", str(tmp_path / "nowhere"))[0] == 12


def test_a_file_of_another_kind_is_called_by_its_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = office(capsys, tmp_path)
    site = enrol(capsys, home, tmp_path, "alpha")
    kit, request = home / "kits" / "alpha.kit.json", site / "alpha.request.json"
    study = tmp_path / "study.yaml"
    study.write_text("title: x\nsites: []\n")
    for app, words, what in (
        (office_app, ("study", "publish", str(kit), "--home", str(home)), "this is a kit, and a signed lock is expected"),
        (office_app, ("study", "publish", str(study), "--home", str(home)), "this is a study.yaml, and a signed lock is expected"),
        (office_app, ("study", "show", str(request)), "this is an enrolment request, and a signed lock is expected"),
        (office_app, ("enrol", str(kit), "--home", str(home)), "this is a kit, and an enrolment request is expected"),
        (site_app, ("join", str(request), "--home", str(site)), "this is an enrolment request, and a kit is expected"),
        (site_app, ("approve", str(kit), "--home", str(site)), "this is a kit, and a signed lock is expected"),
    ):
        status, found, _ = say(capsys, app, *words)
        assert (status, found["problem"]["code"], found["problem"]["what"]) == (13, "FH-414", what)
    kit.write_bytes(kit.read_bytes()[:100])
    status, found, _ = say(capsys, site_app, "join", str(kit), "--home", str(site))
    assert (status, found["problem"]["code"]) == (13, "FH-407") and "cut short" in found["problem"]["why"]


@pytest.mark.parametrize("path", ["nofile", "nofile.json", "there/nofile", "study.lock"])
def test_a_missing_file_is_not_taken_for_a_study(capsys: pytest.CaptureFixture[str], tmp_path: Path, path: str) -> None:
    site = enrol(capsys, office(capsys, tmp_path), tmp_path, "alpha")
    status, found, _ = say(capsys, site_app, "approve", path, "--home", str(site))
    assert (status, found["problem"]["code"]) == (12, "FH-910")
    assert say(capsys, site_app, "approve", "abcdef12", "--home", str(site))[1]["problem"]["code"] == "FH-417"


def test_a_fingerprint_stays_in_one_piece_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    home = office(capsys, tmp_path)
    names = ("alpha", "beta", "gamma")
    sites = {name: enrol(capsys, home, tmp_path, name) for name in names}
    site, heard = sites["alpha"], read_out(sites, "beta", "gamma")
    own = spoken(SiteIdentity.load(site / "state").fingerprint)
    capsys.readouterr()
    assert invoke(site_app, ["identity", "--home", str(site)]) == 0
    assert own in capsys.readouterr().out
    assert invoke(office_app, ["renew", "alpha", "--request", str(site / "alpha.request.json"), "--home", str(home)]) == 0
    assert own in capsys.readouterr().out
    lock = lock_file(home, tmp_path, names)
    approve = ["approve", str(lock), "--home", str(site), "--yes", *heard]
    for app, words in ((office_app, ["list", "--home", str(home)]), (site_app, approve)):
        assert invoke(app, words) == 0
        shown = capsys.readouterr().out
        assert own[:19] in shown and own[20:39] in shown
    approve.remove("--yes")
    for typed, status in (("", 1), ("n\n", 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert invoke(site_app, approve) == status
        err = capsys.readouterr().err
        assert "already approved on 20" in err and "Nothing was changed: approved on 20" in err and "half-written" not in err


def test_revoke_renew_and_new_address(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = office(capsys, tmp_path)
    site = enrol(capsys, home, tmp_path, "alpha")
    ca = (home / "tls" / "ca.pem").read_bytes()
    assert say(capsys, office_app, "renew", "--home", str(home), "--address", "localhost:9555")[0] == 0
    assert (home / "tls" / "ca.pem").read_bytes() == ca
    assert say(capsys, site_app, "join", str(home / "kits" / "alpha.kit.json"), "--home", str(site))[0] == 0
    assert at_site.load_kit(site / "state").address == "localhost:9555"
    assert say(capsys, office_app, "revoke", "alpha", "--home", str(home))[0] == 0
    _, found, _ = say(capsys, office_app, "status", "--home", str(home))
    assert (found["studies"], found["sites"]) == ([], [])


def test_a_fix_carries_the_folder_that_was_given_and_a_wrong_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:

    wrong = tmp_path / "wrong folder"
    for arguments in (["list", "--home", str(wrong)], ["list", f"--home={wrong}"]):
        assert invoke(office_app, arguments) == 13
        said = capsys.readouterr().err
        assert f"folder: {wrong}" in said and "one certificate authority" in said
        assert f"--title TITLE --home '{wrong}'`" in said, "the command can be pasted"
    assert invoke(site_app, ["status", "--home", str(wrong)]) == 12
    assert f"folder: {wrong}" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert invoke(office_app, ["list"]) == 13
    assert f"folder: {tmp_path} (none was given with --home)" in capsys.readouterr().err


def test_a_kit_of_another_office_names_both(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    site = enrol(capsys, office(capsys, tmp_path), tmp_path, "alpha")
    office_setup.init(tmp_path / "other", "Another office", "fed.example.org:443")
    kit = tmp_path / "other.kit.json"
    request = (site / "alpha.request.json").read_bytes()
    kit.write_text(at_office.enrol(tmp_path / "other", request).model_dump_json())
    status, found, _ = say(capsys, site_app, "join", str(kit), "--home", str(site))
    assert (status, found["problem"]["code"]) == (13, "FH-412")
    assert "Trial office at 127.0.0.1:9443; the kit is of Another office at fed.example.org:443" in found["problem"]["what"]


def test_what_the_other_side_types_carries_no_folder_of_this_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = office(capsys, tmp_path)
    site = enrol(capsys, home, tmp_path, "alpha")
    capsys.readouterr()
    for app, words, own, others in (
        (site_app, ["init", "--name", "alpha", "--home", str(site)], "fedhcc-site", "fedhcc-coordinator"),
        (site_app, ["join", str(site / "alpha.request.json"), "--home", str(site)], "fedhcc-site", "fedhcc-coordinator"),
        (office_app, ["enrol", str(home / "kits" / "alpha.kit.json"), "--home", str(home)], "fedhcc-coordinator", "fedhcc-site"),
        (office_app, ["revoke", "nobody", "--home", str(home)], "fedhcc-coordinator", "fedhcc-site"),
    ):
        assert invoke(app, words) == 13
        commands = [one for one in capsys.readouterr().err.split("`") if one.startswith("fedhcc-")]
        assert any(one.startswith(others) for one in commands)
        assert all("--home" not in one for one in commands if one.startswith(others))
        assert all("--home" in one for one in commands if one.startswith(own))


@pytest.mark.parametrize("given", ["lock", "study", "word"])
def test_a_file_given_for_a_study_is_answered_with_the_next_step(capsys: pytest.CaptureFixture[str], tmp_path: Path, given: str) -> None:
    home = office(capsys, tmp_path)
    names = ("alpha", "beta", "gamma")
    for name in names:
        enrol(capsys, home, tmp_path, name)
    lock = lock_file(home, tmp_path, names)
    study = tmp_path / "study.yaml"
    study.write_text("title: x\nsites: []\n")
    file, fix = {
        "lock": (lock, f"study publish {lock}"),
        "study": (study, f"study lock {study}"),
        "word": ("Rad-D", "fedhcc-coordinator status"),
    }[given]
    status, found, _ = say(capsys, office_app, "run", str(file), "--home", str(home))
    assert (status, found["problem"]["code"]) == (10, "FH-718") and fix in found["problem"]["fix"]
    assert say(capsys, office_app, "study", "publish", str(lock), "--home", str(home))[0] == 0
    if given == "lock":
        assert published_studies.find_study(home, str(lock)) == published_studies.find_study(home)


def test_a_hospital_that_was_revoked_comes_back_with_new_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = office(capsys, tmp_path)
    enrol(capsys, home, tmp_path, "hospital-b")
    assert say(capsys, office_app, "revoke", "hospital-b", "--home", str(home))[0] == 0
    status, found, _ = say(capsys, office_app, "renew", "hospital-b", "--home", str(home))
    assert status != 0 and found["problem"]["code"] == "FH-413" and "was revoked" in found["problem"]["what"]
    status, made, _ = say(capsys, site_app, "init", "--name", "hospital-b", "--home", str(tmp_path / "anew"))
    assert status == 0
    status, found, _ = say(capsys, office_app, "enrol", made["request"], "--home", str(home))
    assert status != 0 and found["problem"]["code"] == "FH-406"
    assert "`fedhcc-coordinator renew hospital-b --request hospital-b.request.json`" in found["problem"]["fix"]
    status, approved, _ = say(capsys, office_app, "renew", "hospital-b", "--request", made["request"], "--home", str(home))
    assert status == 0
    assert say(capsys, site_app, "join", approved["kit"], "--home", str(tmp_path / "anew"))[0] == 0
