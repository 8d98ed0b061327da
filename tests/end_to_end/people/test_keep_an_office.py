"""An office is backed up while a study stands in it, restored elsewhere and goes on; secrets are rotated; a study is run again."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from client import keys_kit_and_decisions as at_site
from client.app import forget_agents
from server import hospital_register as enrol
from server import key_rotation, office_setup
from server.asking.clocks_and_waiting import Effects
from server.link.nginx_gateway import OFFICE_LOCK
from server.study.resume_state import StudyFolder
from server.study.run_study import run_study
from server.study.study_again import again
from server.study.study_results import StudyResult
from server.watch import office_backup, study_status
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes, approve_everywhere
from site_config.file_lock import Lock
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import SignedLock, StudyLock

Tables = Callable[..., tuple[Homes, StudyLock]]


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def effects(self, stop: Callable[[], bool] = lambda: False) -> Effects:
        return Effects(lambda: self.now, self.wait, stop)


def run(homes: Homes, study: str, home: Path, stop: Callable[[], bool] = lambda: False) -> StudyResult:
    forget_agents()
    return run_study(home, study, local_transport(homes.sites()), effects=Clock().effects(stop))


def numbers(result: StudyResult) -> str:
    return json.dumps(result.model_dump(mode="json", include={"clinical", "tables", "flow", "characteristics", "fusion"}), sort_keys=True)


@pytest.fixture
def place(tables: Tables) -> tuple[Homes, StudyLock]:
    homes, lock = tables()
    approve_everywhere(homes, lock)
    return homes, lock


def test_a_restored_office_ends_a_study_with_the_same_numbers(place: tuple[Homes, StudyLock], tmp_path: Path) -> None:
    homes, lock = place
    file, restored = tmp_path / "office.tar.gz", tmp_path / "restored"
    asked = [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] > 12

    with pytest.raises(Problem, match="FH-720"):
        run(homes, lock.study_id, homes.coordinator, stop)
    manifest = office_backup.write(homes.coordinator, file)
    assert file.stat().st_mode & 0o077 == 0 and any(name.endswith("ledger.jsonl") for name in manifest.files)
    assert not [name for name in manifest.files if name.startswith(("logs", "gateway")) or name.endswith(".lock")]
    calm = numbers(run(homes, lock.study_id, homes.coordinator))
    told, studies = office_backup.restore(file, restored)
    assert told == manifest and studies == (lock.study_id,) and study_status.under_way(restored) == lock.study_id
    assert CoordinatorIdentity.load(restored).fingerprint == CoordinatorIdentity.load(homes.coordinator).fingerprint
    again_there = run(homes, lock.study_id, restored)
    assert again_there.label == "COMPLETE" and numbers(again_there) == calm
    assert any("restored from its backup" in remark for remark in again_there.remarks), "the report says so"
    with pytest.raises(Problem, match="FH-718"):
        study_status.under_way(restored)


def test_nothing_is_restored_over_an_office_and_nothing_damaged(place: tuple[Homes, StudyLock], tmp_path: Path) -> None:
    homes, _ = place
    file = tmp_path / "office.tar.gz"
    office_backup.write(homes.coordinator, file)
    with pytest.raises(Problem, match="FH-402"):
        office_backup.restore(file, homes.coordinator)
    whole = file.read_bytes()
    for cut in (len(whole) // 2, 100, 0):
        file.write_bytes(whole[:cut])
        with pytest.raises(Problem, match="FH-404"):
            office_backup.restore(file, tmp_path / "new")
    with tarfile.open(file, "w:gz") as tar:
        for name in ("../outside", "/etc/outside"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(Problem, match="FH-404"):
        office_backup.restore(file, tmp_path / "new")
    assert not (tmp_path / "new").exists() and not (tmp_path / "outside").exists()
    with pytest.raises(Problem, match="FH-910"):
        office_backup.restore(tmp_path / "nowhere.tar.gz", tmp_path / "new")


def test_a_study_is_run_again_under_a_new_id(place: tuple[Homes, StudyLock]) -> None:
    homes, lock = place
    first = run(homes, lock.study_id, homes.coordinator)
    second, path = again(homes.coordinator, lock.study_id)
    third, _ = again(homes.coordinator, second.study_id)
    assert len({lock.study_id, second.study_id, third.study_id}) == 3 and third.study.title.endswith("(run 3)")
    assert path.exists() and second.roster == lock.roster
    assert [one.study for one in second.earlier] == [lock.study_id] * bool(second.holders), "what was opened is compared with"
    approve_everywhere(homes, second)
    assert numbers(run(homes, second.study_id, homes.coordinator)) == numbers(first), "the same rows, the same numbers"
    assert study_status.result_of(homes.coordinator, lock.study_id).study_id == lock.study_id, "the earlier run stays"


def test_a_hospital_that_left_before_anything_was_opened_is_left_out_by_one_command(place: tuple[Homes, StudyLock]) -> None:
    homes, lock = place
    gone = lock.names("development")[-1]
    second, _ = again(homes.coordinator, lock.study_id, (gone,))
    assert gone not in {entry.name for entry in second.roster} and len(second.roster) == len(lock.roster) - 1
    with pytest.raises(Problem, match="FH-413"):
        again(homes.coordinator, lock.study_id, ("nobody",))
    names = [entry.name for entry in second.roster]
    for name in names:
        enrol_again = at_site.offer(homes.config(name).state, _signed(homes, second.study_id))
        at_site.decide(homes.config(name).state, enrol_again.study_id, "approved", "2026-11-26T20:00:00")
    forget_agents()
    sites = {name: home for name, home in homes.sites().items() if name in names}
    result = run_study(homes.coordinator, second.study_id, local_transport(sites), effects=Clock().effects())
    assert result.label == "COMPLETE"


def _signed(homes: Homes, study: str) -> SignedLock:
    return StudyFolder(homes.coordinator / "studies" / study).signed_lock()


def test_secrets_are_made_anew_and_an_authority_needs_new_kits(tmp_path: Path) -> None:
    home = tmp_path / "office"
    office_setup.init(home, "Trial office", "127.0.0.1:9443")
    site = tmp_path / "alpha"
    kit = enrol.enrol(home, at_site.init(site, "alpha").request().model_dump_json().encode())
    at_site.join(site, kit.model_dump_json().encode())
    names = ("identity/runtime.secret", "tls/gateway.pem", "tls/superlink.key", "tls/ca.pem")
    before = {name: (home / name).read_bytes() for name in names}
    key_rotation.rotate(home, authority=False)
    assert [name for name in names if (home / name).read_bytes() == before[name]] == ["tls/ca.pem"]
    key_rotation.rotate(home, authority=True)
    assert (home / "tls/ca.pem").read_bytes() != before["tls/ca.pem"] and len(list((home / "tls").glob("earlier-*.ca.pem"))) == 1
    at_site.join(site, (home / "kits" / "alpha.kit.json").read_bytes())
    assert at_site.load_kit(site).ca.encode() == (home / "tls/ca.pem").read_bytes(), "the same office with another authority"
    lock = Lock(home / OFFICE_LOCK)
    assert lock.take()
    with pytest.raises(Problem, match="FH-758"):
        key_rotation.rotate(home, authority=False)
    lock.release()
