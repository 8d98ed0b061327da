"""Keys, requests, kits and locks: what is accepted, and ten ways of tampering that are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client import keys_kit_and_decisions as at_site
from server import hospital_register as at_office
from server import office_setup, published_studies
from site_config import keys_and_signatures as ident
from site_config.file_lock import Lock
from site_config.keys_and_signatures import CoordinatorIdentity, SiteIdentity
from site_config.problems import identity as kinds
from site_config.problems.base import Kind, Problem
from site_config.study.plan_and_lock import SignedLock, Study, StudyLock, StudySite

ADDRESS = "localhost:9443"


@pytest.fixture
def office(tmp_path: Path) -> Path:
    office_setup.init(tmp_path / "office", "Trial office", ADDRESS)
    return tmp_path / "office"


def enrolled(office: Path, folder: Path, name: str) -> Path:
    identity = at_site.init(folder / name, name)
    kit = at_office.enrol(office, identity.request("test").model_dump_json().encode(), "development")
    at_site.join(folder / name, kit.model_dump_json().encode())
    return folder / name


def signed_lock(office: Path, names: tuple[str, ...]) -> SignedLock:
    coordinator = CoordinatorIdentity.load(office)
    lock = StudyLock(
        study=Study(title="A study", resolution="exact", sites=tuple(StudySite(name=name, role="development") for name in names)),
        roster=at_office.roster(office, dict.fromkeys(names, "development")),
        blocks={"development": (names,), "evaluation": ()},
        code_digest="0" * 64,
        coordinator_key=coordinator.public_key,
    )
    return ident.sign_lock(lock, coordinator)


def refused(kind: Kind, work: object, *arguments: object, **named: object) -> None:
    with pytest.raises(Problem) as found:
        work(*arguments, **named)  # type: ignore[operator]
    assert found.value.kind == kind


def test_keys_stay_private_and_load_again(tmp_path: Path) -> None:
    made = at_site.init(tmp_path / "state", "alpha")
    loaded = SiteIdentity.load(tmp_path / "state", "alpha")
    assert loaded.public_key == made.public_key and loaded.node_public == made.node_public
    for file in ("signing_key.pem", "node_key"):
        assert (made.folder / file).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert len(at_site.site_secret(tmp_path / "state")) == 32
    refused(kinds.IDENTITY_EXISTS, at_site.init, tmp_path / "state", "alpha")
    refused(kinds.KIT_NOT_YOURS, SiteIdentity.load, tmp_path / "state", "beta")


def test_an_office_folder_keeps_the_mode_its_administrator_gave_it(tmp_path: Path) -> None:
    home = tmp_path / "office"
    home.mkdir()
    home.chmod(0o2770)
    made = CoordinatorIdentity.create(home)
    lock = Lock(home / "serve.lock")
    assert lock.take() and home.stat().st_mode & 0o7777 == 0o2770
    assert made.folder.stat().st_mode & 0o777 == 0o700 and CoordinatorIdentity.create(tmp_path / "new").folder.is_dir()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    lock.release()


def test_node_key_is_what_flower_asks_for(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    made = at_site.init(tmp_path, "alpha")
    key = load_ssh_private_key(made.node_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp384r1"


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    made = at_site.init(tmp_path, "alpha")
    made.node_file.chmod(0o644)
    refused(kinds.KEY_PERMISSIONS, SiteIdentity.load, tmp_path)


def test_missing_and_damaged_keys_are_different_problems(tmp_path: Path) -> None:
    refused(kinds.IDENTITY_MISSING, SiteIdentity.load, tmp_path)
    made = at_site.init(tmp_path, "alpha")
    (made.folder / "signing_key.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n")
    refused(kinds.IDENTITY_UNREADABLE, SiteIdentity.load, tmp_path)


def test_nothing_that_leaves_the_site_is_private(office: Path, tmp_path: Path) -> None:
    state = enrolled(office, tmp_path, "alpha")
    request, path = at_site.write_request(SiteIdentity.load(state), tmp_path, "test")
    received = b"".join(file.read_bytes() for file in [path, *office.rglob("*")] if file.is_file() and file.suffix != ".key")
    for file in ("signing_key.pem", "node_key"):
        secret = b"".join(line for line in (state / "identity" / file).read_bytes().splitlines() if not line.startswith(b"-----"))
        assert secret[20:60] not in received
    assert b"PRIVATE" not in path.read_bytes() and request.site == "alpha"


@pytest.mark.parametrize("field", ["site", "signing_key", "node_key", "software", "signature", "node_signature"])
def test_a_changed_request_is_refused(office: Path, tmp_path: Path, field: str) -> None:
    mine = at_site.init(tmp_path / "a", "alpha").request("test").model_dump(mode="json")
    other = at_site.init(tmp_path / "b", "beta").request("other").model_dump(mode="json")
    refused(kinds.REQUEST_INVALID, at_office.enrol, office, json.dumps(mine | {field: other[field]}).encode())


@pytest.mark.parametrize("field", ["site", "title", "address", "ca", "coordinator_key", "signing_key", "node_fingerprint", "signature"])
def test_a_changed_kit_is_refused(office: Path, tmp_path: Path, field: str) -> None:
    identity = at_site.init(tmp_path / "a", "alpha")
    kit = at_office.enrol(office, identity.request().model_dump_json().encode()).model_dump(mode="json")
    changed = {"site": "beta", "title": "x", "address": "evil:1", "ca": "x", "signature": "00" * 64}.get(field, "ab" * 32)
    refused(kinds.KIT_SIGNATURE, at_site.join, tmp_path / "a", json.dumps(kit | {field: changed}).encode())


def test_kits_for_others_and_from_others_are_refused(office: Path, tmp_path: Path) -> None:
    alpha = enrolled(office, tmp_path, "alpha")
    beta = at_site.init(tmp_path / "beta", "beta")
    kit = at_office.enrol(office, beta.request().model_dump_json().encode())
    refused(kinds.KIT_NOT_YOURS, at_site.join, alpha, kit.model_dump_json().encode())
    office_setup.init(tmp_path / "foreign", "Elsewhere", ADDRESS)
    foreign = at_office.enrol(tmp_path / "foreign", SiteIdentity.load(alpha).request().model_dump_json().encode())
    refused(kinds.COORDINATOR_DIFFERS, at_site.join, alpha, foreign.model_dump_json().encode())


def test_the_fingerprint_read_out_is_compared(office: Path, tmp_path: Path) -> None:
    identity = at_site.init(tmp_path / "a", "alpha")
    request = identity.request().model_dump_json().encode()
    refused(kinds.FINGERPRINT_DIFFERS, at_office.enrol, office, request, None, "0" * 16)
    refused(kinds.FINGERPRINT_DIFFERS, at_office.enrol, office, request, None, identity.fingerprint[:8])
    kit = at_office.enrol(office, request, None, ident.spoken(identity.fingerprint).upper()).model_dump_json().encode()
    refused(kinds.FINGERPRINT_DIFFERS, at_site.join, tmp_path / "a", kit, "f" * 64)
    assert at_site.join(tmp_path / "a", kit, CoordinatorIdentity.load(office).fingerprint).site == "alpha"


def test_names_and_keys_are_taken_once(office: Path, tmp_path: Path) -> None:
    enrolled(office, tmp_path, "alpha")
    again = at_site.init(tmp_path / "again", "alpha").request().model_dump_json().encode()
    refused(kinds.NAME_TAKEN, at_office.enrol, office, again)
    assert at_office.enrol(office, again, replace=True).site == "alpha"


def test_revoked_sites_leave_the_roster(office: Path, tmp_path: Path) -> None:
    enrolled(office, tmp_path, "alpha")
    at_office.revoke(office, "alpha")
    refused(kinds.NOT_ENROLLED, at_office.roster, office, {"alpha": "development"})
    assert at_office.load(office).sites[0].status == "revoked"


LOCK_FIELDS = ["study", "roster", "blocks", "code_digest", "coordinator_key"]


@pytest.mark.parametrize("field", LOCK_FIELDS)
def test_a_changed_lock_is_refused(office: Path, tmp_path: Path, field: str) -> None:
    alpha = enrolled(office, tmp_path, "alpha")
    enrolled(office, tmp_path, "beta")
    signed = signed_lock(office, ("alpha", "beta")).model_dump(mode="json")
    changed = {
        "study": signed["lock"]["study"] | {"title": "Another"},
        "roster": signed["lock"]["roster"][:1],
        "blocks": {"development": [["alpha"]], "evaluation": []},
    }.get(field, "ab" * 32)
    bad = SignedLock.model_validate(signed | {"lock": signed["lock"] | {field: changed}})
    refused(kinds.COORDINATOR_DIFFERS if field == "coordinator_key" else kinds.LOCK_SIGNATURE, at_site.offer, alpha, bad)


def test_locks_are_offered_decided_and_compared(office: Path, tmp_path: Path) -> None:
    alpha = enrolled(office, tmp_path, "alpha")
    for name in ("beta", "gamma", "ghost"):
        enrolled(office, tmp_path, name)
    first = at_site.offer(alpha, signed_lock(office, ("alpha", "beta", "gamma")))
    refused(kinds.STUDY_NOT_APPROVED, at_site.require_approved, alpha, first.study_id)
    at_site.decide(alpha, first.study_id, "approved", "2026-11-23T00:00:00")
    at_site.require_approved(alpha, first.study_id)
    second = at_site.offer(alpha, signed_lock(office, ("alpha", "beta", "ghost")))
    change = at_site.roster_change(alpha, second)
    assert (change.added, change.removed, change.rekeyed) == (("ghost",), ("gamma",), ())
    at_site.decide(alpha, second.study_id, "declined", "2026-11-23T00:00:00")
    refused(kinds.STUDY_DECLINED, at_site.require_approved, alpha, second.study_id)
    assert at_site.find(alpha, first.study_id[:8]).decision == "approved"
    refused(kinds.STUDY_UNKNOWN, at_site.find, alpha, "ffff")


def test_a_lock_without_this_site_or_with_old_keys_is_refused(office: Path, tmp_path: Path) -> None:
    alpha = enrolled(office, tmp_path, "alpha")
    enrolled(office, tmp_path, "beta")
    refused(kinds.LOCK_ROSTER, at_site.offer, alpha, signed_lock(office, ("beta",)))
    old = signed_lock(office, ("alpha", "beta"))
    renewed = at_site.init(tmp_path / "renewed", "alpha")
    kit = at_office.enrol(office, renewed.request().model_dump_json().encode(), replace=True)
    at_site.join(tmp_path / "renewed", kit.model_dump_json().encode())
    refused(kinds.LOCK_ROSTER, at_site.offer, tmp_path / "renewed", old)
    refused(kinds.LOCK_ROSTER, published_studies.publish, office, old.model_dump_json().encode())


def test_publishing_checks_the_signature(office: Path, tmp_path: Path) -> None:
    enrolled(office, tmp_path, "alpha")
    signed = signed_lock(office, ("alpha",))
    lock = published_studies.publish(office, signed.model_dump_json().encode())
    assert published_studies.find_study(office, lock.study_id[:8]) == lock.study_id
    refused(
        kinds.LOCK_SIGNATURE,
        published_studies.publish,
        office,
        signed.model_copy(update={"signature": "00" * 64}).model_dump_json().encode(),
    )


def test_the_only_published_study_needs_no_name(tmp_path: Path) -> None:
    for study in ("aaaaaa11", "bbbbbb22"):
        (tmp_path / "studies" / study).mkdir(parents=True)
        (tmp_path / "studies" / study / "lock.json").write_text("{}")
        if study == "aaaaaa11":
            assert published_studies.find_study(tmp_path) == study
    with pytest.raises(Problem, match="none was named"):
        published_studies.find_study(tmp_path)
