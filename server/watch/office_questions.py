"""The questions of `fedhcc-coordinator doctor`: machine, gateway, keys, certificates, studies, and what a study writes.

Before `init` there is no office: then the machine is looked at, and whether nginx is installed.
"""

from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path

from server import certificate_renewal
from server import hospital_register as enrol
from server.asking.office_ledger import KeptDigests, check_files, history
from server.link import certificate_authority
from server.link.child_process import listening
from server.link.nginx_gateway import OFFICE_LOCK, nginx_program
from server.link.process_supervisor import link_answers
from server.study.resume_state import StudyFolder
from server.watch.study_status import folder_of
from shared_model.flower.flower_version import check_version
from site_config.atomic_files import read_limited
from site_config.file_lock import holder_of
from site_config.health.doctor_finding import Answer, Checkup, DoctorFinding
from site_config.health.gateway_probe import look_at_gateway
from site_config.health.machine_questions import look_at_machine, written_and_read
from site_config.keys_and_signatures import CoordinatorIdentity, signed_by, verify_lock
from site_config.problems import federation, identity
from site_config.study.code_digest import code_digest, office_digest, software
from site_config.words_of_messages import plural

WEIGHTS_BYTES = 32 << 20
NAMES = (("gateway", "gateway's certificate"), ("superlink", "SuperLink's certificate"), ("ca", "authority"))


def examine(home: Path, *, rehearse: bool = True) -> Checkup:
    """Every question; none raises."""
    checkup = Checkup("fedhcc-coordinator doctor")
    begun = (home / "register.json").exists()
    if not begun:
        fix = "`fedhcc-coordinator init`, or name the office's folder with --home: an office has one authority, never a second."
        checkup.findings.append(DoctorFinding("office's folder", "look", f"there is no office in {home.resolve()}", fix))
    look_at_machine(checkup, home)
    checkup.ask("nginx", nginx_program)
    checkup.check("Flower", check_version, "the release this program was written for")
    checkup.findings.append(DoctorFinding("versions", "ok", f"{software()}, code {code_digest()[:12]}, office {office_digest()[:12]}"))
    if not begun:
        checkup.leave_out(("keys", "certificates", "gateway", "studies"), "there is no office here yet")
        return checkup
    if not checkup.ask("register", lambda: _register(home)):
        return checkup
    checkup.ask("keys", lambda: _keys(home))
    checkup.ask("certificates", lambda: certificate_ends(home, dt.datetime.now(dt.UTC)))
    _gateway(checkup, home)
    _studies(checkup, home)
    if rehearse:
        checkup.ask("checkpoint", lambda: _checkpoint(home))
    return checkup


def _register(home: Path) -> Answer:
    register = enrol.load(home)
    active = register.active()
    words = f"{register.title}, {plural(len(active), 'hospital')}, address {register.address}"
    if not active:
        return DoctorFinding("register", "look", words, "`fedhcc-coordinator enrol NAME.request.json` for each hospital.")
    return words


def _keys(home: Path) -> str:
    own = CoordinatorIdentity.load(home)
    message = b"fedhcc doctor"
    if not signed_by(own.public_key, own.sign(message), message):
        raise identity.IDENTITY_UNREADABLE.problem("the office's key does not sign what it verifies")
    return f"fingerprint {own.fingerprint[:16]}…; signs and verifies"


def certificate_ends(home: Path, now: dt.datetime) -> list[DoctorFinding]:
    """When each certificate of the office ends: to look at from 60 days before, wrong when it has ended."""
    found = []
    for name, words in NAMES:
        end = certificate_authority.expires(home / "tls", name)
        days = (end - now).days
        said = f"the {words} ends on {end:%Y-%m-%d}, in {days} days"
        fix = "Issue new kits before: docs/how-to/renew-and-rotate.md." if name == "ca" else "`fedhcc-coordinator serve` renews it in time."
        if days < 0:
            found.append(DoctorFinding("certificates", "wrong", said, fix, federation.CERTIFICATE_EXPIRED.label))
        elif days < certificate_authority.ANNOUNCED_DAYS:
            found.append(DoctorFinding("certificates", "look", said, fix))
        else:
            found.append(DoctorFinding("certificates", "ok", said))
    return found


def _gateway(checkup: Checkup, home: Path) -> None:
    register = enrol.load(home)
    holder = holder_of(home / OFFICE_LOCK)
    port = int(register.listen.rpartition(":")[2])
    checkup.ask("address", lambda: _address(register.address))
    if holder is None:
        checkup.findings.append(_unserved((port, register.superlink_port)))
        return
    silent = [name for name, answers in link_answers(home).items() if not answers]
    words = f"served by {holder}"
    if silent:
        fix = "Read the last lines in the office's `logs` folder."
        checkup.findings.append(DoctorFinding("gateway", "wrong", f"{words}; no answer from {', '.join(silent)}", fix))
        return
    checkup.findings.append(DoctorFinding("gateway", "ok", words))
    authority = read_limited(home / "tls" / "ca.pem", certificate_authority.LIMIT).decode()
    look_at_gateway(checkup, f"127.0.0.1:{port}", authority, None)


def _unserved(ports: tuple[int, int]) -> DoctorFinding:
    taken = [str(port) for port in ports if listening(port)]
    if not taken:
        return DoctorFinding("gateway", "look", "nobody serves this office", "`fedhcc-coordinator serve`")
    words = f"nobody serves this office, and another program uses port {' and '.join(taken)}"
    kind = federation.LINK_NOT_STARTED
    fix = "End that program, or `fedhcc-coordinator renew --address` with another port."
    return DoctorFinding("gateway", "wrong", words, fix, kind.label)


def _address(address: str) -> DoctorFinding:
    """Whether the name that hospitals connect to can be looked up from here."""
    name = certificate_renewal.host_of(address)
    try:
        found = sorted({str(one[4][0]) for one in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except OSError:
        words, fix = f"{name} cannot be looked up from this machine", "Ask a hospital for `fedhcc-site doctor --address HOST:PORT`."
        return DoctorFinding("address", "look", words, fix)
    return DoctorFinding("address", "ok", f"{name} is {', '.join(found[:3])}")


def _studies(checkup: Checkup, home: Path) -> None:
    key = CoordinatorIdentity.load(home).public_key
    folder = home / "studies"
    for path in sorted(folder.glob("*/lock.json")) if folder.is_dir() else ():
        study = path.parent.name
        checkup.ask(f"study {study[:8]}", lambda study=study: _study(home, study, key))  # type: ignore[misc]


def _study(home: Path, study: str, key: str) -> DoctorFinding:
    """Its signature, its code and, where it has begun, every kept file against the ledger."""
    name = f"study {study[:8]}"
    lock = verify_lock(StudyFolder(home / "studies" / study).signed_lock(), key)
    folder = folder_of(home, study)
    if (folder / "ledger.jsonl").exists():
        check_files(folder, KeptDigests(history(folder / "ledger.jsonl")))
    if lock.code_digest and lock.code_digest != code_digest():
        kind = identity.CODE_DIFFERS
        return DoctorFinding(name, "look", "locked for other code; hospitals with this release refuse it", kind.fix, kind.label)
    return DoctorFinding(name, "ok", f"{lock.study.title}: signature, code and kept files fit")


def _checkpoint(home: Path) -> str:
    """As much as a round keeps written, flushed and read back."""
    return written_and_read(home, WEIGHTS_BYTES, "the office's folder")
