"""The questions of `fedhcc-site doctor` in the order in which a fault of one explains those of the next.

Before enrolment there is no kit: then the machine is looked at, and the office's address where one is given.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from client.doctor import document_checks
from client.keys_kit_and_decisions import Offer, load_kit, offers
from client.program.control_service import ControlClient
from client.program.environment_variables import extra_ca, use_proxy
from client.program.flower_node import FleetNode, Interrupted
from client.program.gpu_watch import require
from client.program.site_runner import sole_user
from client.release.known_hospitals import effective
from client.release.site_policy import refusals
from client.segmentation.declared_models import check_targets
from shared_model.flower.flower_connection import proxy_for
from site_config.documents.read_yaml_documents import load_site
from site_config.health.doctor_finding import Answer, Checkup, DoctorFinding, wrong
from site_config.health.gateway_probe import look_at_gateway
from site_config.health.machine_questions import clock, look_at_machine
from site_config.keys_and_signatures import Kit, SiteIdentity
from site_config.lazy_modules import lazy
from site_config.problems import federation, model
from site_config.problems import identity as identities
from site_config.problems.base import Problem
from site_config.site_yaml import SiteConfig
from site_config.study.code_digest import code_digest, software
from site_config.study.flower_app_bundle import bundle_hash
from site_config.study.plan_and_lock import Study
from site_config.words_of_messages import plural

if TYPE_CHECKING:
    from client.doctor import gpu_check as gpu
    from client.doctor import rehearsal
else:
    gpu = lazy("client.doctor.gpu_check")
    rehearsal = lazy("client.doctor.rehearsal")


@dataclass(frozen=True)
class Wish:
    """What shall be asked: the office's address before there is a kit, a study besides those offered, and whether to rehearse."""

    home: Path
    address: str = ""
    study: Study | None = None
    rehearse: bool = True
    when: str = ""


def examine(wish: Wish, tell: Callable[[str], None] = lambda _text: None) -> Checkup:
    """Every question; none raises."""
    checkup = Checkup("fedhcc-site doctor")
    tell("machine")
    site = _site(checkup, wish)
    look_at_machine(checkup, site.state if site is not None else wish.home)
    checkup.check("proxy's file", lambda: use_proxy(os.environ), "no file names one, or it reads")
    tell("line to the office")
    kit = _keys(checkup, site) if site is not None else None
    fine = _line(checkup, wish, kit)
    if site is None:
        checkup.leave_out(("versions", "tables", "policy", "rehearsal"), "site.yaml is not there, or does not read")
        return checkup
    if kit is not None and fine:
        checkup.ask("key in use", lambda: _second_use(site, kit))
    elif kit is not None:
        checkup.leave_out(("key in use",), "the line, the proxy or the clock above comes first")
    checkup.ask("GPU's files", lambda: _device(site))
    known = _offers(checkup, site)
    study = wish.study or (known[-1].lock.study if known else None)
    _versions(checkup, known)
    tell("tables, models and policy")
    found = _tables(checkup, site, wish.home, study)
    _policy(checkup, site, known)
    if wish.rehearse and study is not None:
        _rehearse(checkup, site, study, found, wish.when, tell)
    else:
        checkup.leave_out(("rehearsal",), "not wanted" if not wish.rehearse else "no study was offered yet; `--study study.yaml` names one")
    return checkup


def _site(checkup: Checkup, wish: Wish) -> SiteConfig | None:
    """The site's configuration; a missing one is said and stops nothing."""
    if not (wish.home / "site.yaml").exists():
        words = f"there is no site.yaml in {wish.home.resolve()}"
        fix = "`fedhcc-site init --name NAME`, or name another folder with --home."
        checkup.findings.append(DoctorFinding("site.yaml", "look", words, fix))
        return None
    try:
        site = load_site(wish.home / "site.yaml")
    except Problem as problem:
        checkup.findings += [wrong("site.yaml", one) for one in (problem, *problem.others)]
        return None
    checkup.findings.append(DoctorFinding("site.yaml", "ok", f"{site.site}, in {wish.home.resolve()}"))
    return site


def _keys(checkup: Checkup, site: SiteConfig) -> Kit | None:
    kits: list[Kit] = []

    def identity() -> str:
        own = SiteIdentity.load(site.state, site.site)
        return f"{own.name}, fingerprint {own.fingerprint[:16]}…"

    def kit() -> str:
        kits.append(load_kit(site.state))
        return f"of {kits[0].title}, address {kits[0].address}"

    if (site.state / "identity").exists() and checkup.ask("identity", identity):
        if (site.state / "identity" / "kit.json").exists():
            checkup.ask("kit", kit)
        else:
            fix = "Send NAME.request.json to the coordinator, then `fedhcc-site join NAME.kit.json`."
            checkup.findings.append(DoctorFinding("kit", "look", "no kit was joined yet", fix))
    elif not (site.state / "identity").exists():
        checkup.findings.append(DoctorFinding("identity", "look", "there are no keys yet", f"`fedhcc-site init --name {site.site}`."))
    return kits[0] if kits else None


def _line(checkup: Checkup, wish: Wish, kit: Kit | None) -> bool:
    """Proxy, office, certificate, clock and paths; whether nothing of it is wrong, so that the key can be tried."""
    before = len(checkup.findings)
    address = kit.address if kit is not None else wish.address
    if not address:
        checkup.findings.append(clock(None))
        checkup.leave_out(("office", "certificate", "paths"), "no kit yet; `--address HOST:PORT` asks an office before there is one")
        return False
    try:
        authority = kit.ca + extra_ca(os.environ) if kit is not None else None
    except Problem as problem:
        checkup.findings.append(wrong("certificate", problem))
        return False
    try:
        proxy = proxy_for(f"https://{address}")
    except Problem as problem:
        checkup.findings.append(wrong("proxy", problem))
        checkup.leave_out(("office", "certificate", "clock", "paths"), "the proxy in front of the office comes first")
        return False
    look_at_gateway(checkup, address, authority, proxy)
    return all(one.state != "wrong" for one in checkup.findings[before:])


def _device(site: SiteConfig) -> str:
    """Whether the device that site.yaml asks for is there, without loading torch. Raises FH-605."""
    files = require(site.compute.device)
    return f"compute.device is {site.compute.device}; " + ("the device files open" if files else "the CPU computes")


def _second_use(site: SiteConfig, kit: Kit) -> DoctorFinding:
    """Whether the coordinator lets this key in, and nobody else uses it. While the hospital's own program runs, it is asked instead."""
    try:
        with sole_user(site.state):
            return _enter(FleetNode(kit, SiteIdentity.load(site.state), bundle_hash()))
    except Problem as problem:
        if problem.kind != federation.ALREADY_RUNNING:
            raise
    client = ControlClient(site.state)
    try:
        status = client.call("Status")
    finally:
        client.close()
    good = status.connection == "registered"
    return DoctorFinding(
        "key in use", "ok" if good else "look", f"the program runs here: {status.connection}", "" if good else "`fedhcc-site status`"
    )


def _enter(node: FleetNode) -> DoctorFinding:
    try:
        node.activate()
        node.deactivate()
    except Interrupted as error:
        kind = error.kind
        words = f"the key was not let in: {kind.title} ({error.detail})"
        return DoctorFinding("key in use", "wrong" if kind == federation.NODE_ACTIVE else "look", words, kind.fix, kind.label)
    finally:
        node.close()
    return DoctorFinding("key in use", "ok", "the office let the key in, and nobody else uses it")


def _offers(checkup: Checkup, site: SiteConfig) -> tuple[Offer, ...]:
    try:
        return tuple(one for one in offers(site.state) if one.decision != "declined")
    except Problem as problem:
        if problem.kind != identities.NOT_JOINED and problem.kind != identities.IDENTITY_MISSING:
            checkup.findings.append(wrong("studies", problem))
        return ()


def _versions(checkup: Checkup, known: tuple[Offer, ...]) -> None:
    own = code_digest()
    checkup.findings.append(DoctorFinding("versions", "ok", f"{software()}, code {own[:12]}"))
    for one in known:
        if one.lock.code_digest and one.lock.code_digest != own:
            kind = identities.CODE_DIFFERS
            words = f"study {one.lock.study_id[:12]} was locked for code {one.lock.code_digest[:12]}"
            checkup.findings.append(DoctorFinding("versions", "wrong", words, kind.fix, kind.label))


def _tables(checkup: Checkup, site: SiteConfig, home: Path, study: Study | None) -> document_checks.Checked:
    found = document_checks.examine(home, study)
    found.faults = [one for one in found.faults if one.kind != model.NO_GPU]  # asked above, by a question of its own
    for problem in found.faults:
        checkup.findings.append(wrong("tables", problem))
    for problem in found.findings:
        checkup.findings.append(DoctorFinding("tables", "look", problem.what, problem.fix, problem.code))
    if not found.faults and found.cohort is not None:
        words = plural(len(found.cohort.patients), "patient") + (f", {plural(len(found.scans), 'scan')}" if found.scans else "")
        checkup.findings.append(DoctorFinding("tables", "ok", words))
    scans = found.scans
    if study is not None and study.reads_scans and scans:
        checkup.check("models", lambda: check_targets(site, study, scans), "every organ has a model, verified, or supplied masks")
    return found


def _policy(checkup: Checkup, site: SiteConfig, known: tuple[Offer, ...]) -> None:
    policy = effective(site)
    for one in known:
        conflicts = refusals(policy, one.lock, site.site)
        name = f"policy, {one.lock.study_id[:8]}"
        checkup.findings += [wrong(name, problem) for problem in conflicts]
        if not conflicts:
            words = f"nothing in {one.lock.study.title!r} conflicts with it; {one.decision}"
            fix = f"`fedhcc-site approve {one.lock.study_id[:12]}`" if one.decision == "pending" else ""
            checkup.findings.append(DoctorFinding(name, "look" if fix else "ok", words, fix))
    if not known:
        checkup.leave_out(("policy",), "no study was offered yet")


def _rehearse(
    checkup: Checkup, site: SiteConfig, study: Study, found: document_checks.Checked, when: str, tell: Callable[[str], None]
) -> None:
    tell("rehearsal")
    checkup.ask("masked vector", rehearsal.share)
    if not study.reads_scans:
        checkup.ask("checkpoint", lambda: rehearsal.checkpoint(site.state, 1 << 10))
        checkup.leave_out(("GPU", "training step"), "the study reads tables only")
        return

    def step() -> Answer:
        finding, seconds = rehearsal.training_step(site, study)
        rehearsal.declare(site.state, seconds, when)
        return finding

    checkup.ask("GPU", lambda: gpu.look(site.compute.device))
    checkup.ask("training step", step)
    checkup.ask("checkpoint", lambda: rehearsal.checkpoint(site.state, rehearsal.weights_size(study)))
    cohort, scans = found.cohort, found.scans
    if cohort is not None and scans and not found.faults:
        tell("one patient")
        checkup.ask("one patient", lambda: rehearsal.one_patient(site, study, cohort, scans))
