"""Attacks on the protocol: c (two rosters, late replies), d (two studies), f (forgery), j (one site absent)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from client.release.door import Compute
from evidence.attacks.attack_result import AttackResult, control, refused
from evidence.attacks.attacked_cohorts import AttackedCohort, draw
from evidence.attacks.attacked_federation import CUTS, AttackedFederation
from shared_model.secure_sum import pairwise_masks
from shared_model.secure_sum import signatures as secure_sum_signatures
from shared_model.secure_sum.federation_messages import KeysReply, KeysRequest
from shared_model.statistics.statistic_declaration import Parameters, Statistic
from shared_model.statistics.statistic_parameters import TrainingHazard
from shared_model.survival.broadcast_hazard import piecewise_sums
from site_config.problems.base import Problem
from site_config.site_yaml import Policy

LONE_DAY = 400.0
SITES = ("site-a", "site-b", "site-c", "site-d", "site-e")
LONE = "site-f"
QUESTION = "training.hazard"


def refusal(action: Callable[[], object]) -> str:
    """The code an action is refused with; empty when it goes through."""
    try:
        action()
    except Problem as problem:
        return problem.code
    return ""


class Scene:
    """Five hospitals of a cohort, and a sixth with one patient, behind real doors at a default policy."""

    def __init__(self, seed: int = 1, *, sites: tuple[str, ...] = SITES) -> None:
        whole = draw(60, seed)
        parts = np.array_split(np.arange(whole.n), len(SITES))
        self.rows: dict[str, AttackedCohort] = {
            name: AttackedCohort(whole.x[rows], whole.day[rows], whole.event[rows], whole.site[rows])
            for name, rows in zip(SITES, parts, strict=True)
        }
        self.rows[LONE] = AttackedCohort(np.array([[1, 0, 1, 0, 1, 0, 0]]), np.array([LONE_DAY]), np.array([True]), np.array([0]))
        ids = {name: tuple(f"{name}/{i}" for i in range(cohort.n)) for name, cohort in self.rows.items()}
        self.federation = AttackedFederation.make({name: ids[name] for name in (*SITES, LONE)}, policy=Policy(minimum_patients=20))
        self.federation.new_study(None, sites)
        self.sites = sites

    def computes(self) -> dict[str, Compute]:
        """What each hospital's patients give for a statistic."""
        return {name: _computing(cohort) for name, cohort in self.rows.items()}

    def plain(self, statistic: str, parameters: Parameters, sites: tuple[str, ...]) -> dict[str, Any]:
        """The sum without masks, for positive controls."""
        declared = self.federation.registry[statistic]
        parts = [self.computes()[name](declared, parameters, {}) for name in sites]
        return {key: np.sum([part[key] for part in parts], axis=0) for key in parts[0]}


def _computing(cohort: AttackedCohort) -> Compute:
    def compute(statistic: Statistic, p: Any, _arrays: Mapping[str, Any]) -> dict[str, Any]:
        sums = piecewise_sums(np.zeros(cohort.n), cohort.day, cohort.event, p.cut_days, 0.0)
        counts = {"patients": np.array([float(cohort.n)]), "event_score": np.zeros(1), "deaths": sums.deaths}
        return {segment.name: np.zeros(segment.shape) for segment in statistic.segments(p)} | {"mass": sums.mass} | counts

    return compute


def hazard(centre: float = 0.0) -> TrainingHazard:
    """Hazard sums at equal scores: days at risk by interval."""
    return TrainingHazard(model="Rad-D", centre=centre, cut_days=CUTS)


def _day_error(more: Mapping[str, Any], less: Mapping[str, Any]) -> float:
    return abs(float((more["mass"] - less["mass"]).sum()) - LONE_DAY)


def attack_c() -> list[AttackResult]:
    """An attempt is cut short, its last vector comes late, and a smaller roster is asked: two sums one hospital apart."""
    title = "Two rosters one site apart, late replies, partial chunks"
    scene, parameters = Scene(sites=(*SITES, LONE)), hazard()
    error = _day_error(scene.plain(QUESTION, parameters, scene.sites), scene.plain(QUESTION, parameters, SITES))
    results = [control("c", f"{title}: sums without an open step", {"day_error": error}, error < 1)]
    fed = scene.federation
    first = fed.context(QUESTION, parameters, phase="training")
    keys = fed.keys(first, scene.sites)
    late = {name: fed.release(name, first, parameters, keys, scene.computes()[name]) for name in scene.sites}
    hashes = {name: reply.hash for name, (reply, _) in late.items()}
    codes = {
        "smaller roster": refusal(lambda: fed.keys(fed.context(QUESTION, parameters, phase="training", sites=SITES, attempt=2), SITES)),
        "partial list": refusal(lambda: _open(fed, first, {name: hashes[name] for name in SITES}, SITES[0])),
    }
    second = fed.context(QUESTION, parameters, phase="training", attempt=2)
    fed.keys(second, scene.sites)
    codes["late list"] = refusal(lambda: _open(fed, first, hashes, SITES[0]))
    missing = [vectors for name, (_, vectors) in late.items() if name != LONE]
    total = np.sum([vectors["mass"] for vectors in missing], axis=0)
    guess = total.view("<i8").astype(np.float64) * 2.0**-10
    figures = {"refusals": float(sum(map(bool, codes.values()))), "day_error": float(abs(guess.sum() - LONE_DAY))}
    held = all(codes.values()) and figures["day_error"] > 1e6
    return [
        *results,
        AttackResult("c", title, "default", "refused" if held else "succeeds", held, figures, code=", ".join(sorted(set(codes.values())))),
    ]


def _open(fed: AttackedFederation, context: Any, hashes: Mapping[str, str], site: str) -> object:
    return fed.hospitals[site].door.open(fed.open_request(context, hashes), fed.lock)


def attack_d() -> list[AttackResult]:
    """Two studies ask the same sum at equal scores, before and after a hospital with one patient joined."""
    title = "Two studies at equal scores after a join"
    scene, parameters = Scene(), hazard()
    error = _day_error(scene.plain(QUESTION, parameters, (*SITES, LONE)), scene.plain(QUESTION, parameters, SITES))
    scene.federation.ask(QUESTION, parameters, scene.computes(), phase="training")
    scene.federation.new_study(None, (*SITES, LONE))
    code = refusal(lambda: scene.federation.ask(QUESTION, parameters, scene.computes(), phase="training"))
    again = refusal(lambda: scene.federation.ask(QUESTION, hazard(1e-9), scene.computes(), phase="training"))
    held = bool(code and again)
    shown = refused("d", title, code) if held else AttackResult("d", title, "default", "succeeds", False, {})
    return [control("d", f"{title}: no ledger", {"day_error": error}, error < 1), shown]


def attack_j() -> list[AttackResult]:
    """A hospital with one patient is absent for a round: the difference of two rounds is that patient's exposure."""
    title = "One site absent for a round"
    scene, parameters = Scene(sites=(*SITES, LONE)), hazard()
    error = _day_error(scene.plain(QUESTION, parameters, scene.sites), scene.plain(QUESTION, parameters, SITES))
    fed, computes = scene.federation, scene.computes()
    fed.ask(QUESTION, parameters, computes, phase="training", round=1)
    code = refusal(lambda: fed.ask(QUESTION, parameters, computes, sites=SITES, phase="training", round=2))
    shown = refused("j", title, code) if code else AttackResult("j", title, "default", "succeeds", False, {})
    return [control("j", f"{title}: whoever is there is summed", {"day_error": error}, error < 1), shown]


def attack_f() -> list[AttackResult]:
    """Replay, substituted keys, a ghost hospital, a lying roster, cut and padded vectors, another model shown to one site."""
    codes = forgeries()
    through = sorted(name for name, code in codes.items() if not code)
    verdict = "refused" if not through else f"succeeds: {', '.join(through)}"
    figures = {"forgeries": float(len(codes)), "refused": float(len(codes) - len(through))}
    title = "Replay, forgery, ghost site, lying roster, malformed vectors, another model"
    return [AttackResult("f", title, "default", verdict, not through, figures, code=", ".join(sorted(set(codes.values()) - {""})))]


def forgeries() -> dict[str, str]:
    """Each forged message and the code it is refused with."""
    scene, parameters = Scene(), hazard()
    fed, computes = scene.federation, scene.computes()
    context = fed.context(QUESTION, parameters, phase="training")
    keys = fed.keys(context, SITES)
    site, peer = SITES[0], SITES[1]

    def release(with_keys: Mapping[str, KeysReply], where: Any = context, state: Any = None) -> object:
        return fed.release(site, where, parameters, with_keys, computes[site], state=state)

    own = keys[peer]
    ghost = (*SITES[:4], "ghost")
    codes = {
        "substituted key": refusal(lambda: release({**keys, peer: KeysReply(public_key="42" * 32, signature=own.signature)})),
        "key of another attempt": refusal(
            lambda: release({**keys, peer: fed.keys(fed.context(QUESTION, parameters, phase="training", round=7), SITES)[peer]})
        ),
        "key missing": refusal(lambda: release({name: key for name, key in keys.items() if name != peer})),
        "ghost site": refusal(lambda: fed.hospitals[site].door.keys(KeysRequest(context=context, sites=ghost), fed.lock)),
        "lying roster": refusal(lambda: fed.hospitals[site].door.keys(KeysRequest(context=context, sites=SITES[:4]), fed.lock)),
        "another model than told": refusal(lambda: release(keys, state={"weights": np.ones(3)})),
        "other parameters than told": refusal(lambda: release(keys, fed.context(QUESTION, hazard(0.5), phase="training"))),
        "another study": refusal(lambda: release(keys, context.model_copy(update={"study": "00" * 32}))),
    }
    reply, vectors = fed.release(site, context, parameters, keys, computes[site])
    codes["replayed release"] = refusal(lambda: release(keys))
    signing = {entry.name: entry.signing_key for entry in fed.lock.roster}
    flipped = {name: vector.copy() for name, vector in vectors.items()}
    flipped["mass"][0] ^= np.uint64(1)
    digest = pairwise_masks.vectors_hash(flipped)
    segments = fed.segments(context, parameters)
    codes["vector changed on the way"] = refusal(
        lambda: secure_sum_signatures.check_vectors_signature(context, reply, digest, site, signing[site])
    )
    forged = reply.model_copy(update={"hash": digest})
    codes["vector and hash changed"] = refusal(
        lambda: secure_sum_signatures.check_vectors_signature(context, forged, digest, site, signing[site])
    )
    cut = {**vectors, "mass": vectors["mass"][:-1]}
    codes["cut vector"] = refusal(lambda: pairwise_masks.check_vectors(segments, cut))
    padded = {**vectors, "mass": np.append(vectors["mass"], vectors["mass"][:1])}
    codes["padded vector"] = refusal(lambda: pairwise_masks.check_vectors(segments, padded))
    extra = {**vectors, "more": vectors["mass"]}
    codes["additional vector"] = refusal(lambda: pairwise_masks.check_vectors(segments, extra))
    lists = dict.fromkeys(SITES, reply.hash)
    codes["list signed by nobody"] = refusal(
        lambda: fed.hospitals[site].door.open(fed.open_request(context, lists).model_copy(update={"signature": "00" * 64}), fed.lock)
    )
    codes["list with another vector"] = refusal(lambda: _open(fed, context, {**lists, site: "11" * 32}, site))
    codes["two models, one sum"] = two_models()
    return codes


def two_models() -> str:
    """One site is told and shown another model; its mask then does not cancel. The code with which the sum fails to open."""
    scene, parameters = Scene(), hazard()
    fed, computes = scene.federation, scene.computes()
    states = {name: {"weights": np.full(3, float(name == SITES[0]))} for name in SITES}
    contexts = {name: fed.context(QUESTION, parameters, phase="training", state=states[name]) for name in SITES}
    keys = {}
    for shown in (SITES[0], SITES[1]):  # the coordinator asks everybody for keys under both states
        context = contexts[shown].model_copy(update={"attempt": 1 if shown == SITES[0] else 2})
        contexts = {
            name: context if states[name]["weights"][0] == states[shown]["weights"][0] else found for name, found in contexts.items()
        }
        keys[shown] = fed.keys(context, SITES)
    # Only the newest attempt of a value is alive at a site, so the first state can no longer be released at all.
    return refusal(
        lambda: fed.release(SITES[0], contexts[SITES[0]], parameters, keys[SITES[0]], computes[SITES[0]], state=states[SITES[0]])
    )
