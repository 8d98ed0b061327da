"""Complete studies to start from: `paper`, `demo`, `canary`, `tiny`, and `cox` (tables only, of any disease).

`paper` follows Xia et al. 2024: 52 hospitals of which 15 are drawn for evaluation, batches of about 16 patients, Adam
at 5e-5, 200 epochs of 8 batches = 1,600 updates, and the last round is the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from site_config.problems import configuration as kinds
from site_config.study.plan_and_lock import Study, StudySite
from site_config.study.prognostic_models import CLN, RAD_D, no_dropout
from site_config.words_of_messages import choice, clean

Settings = dict[str, Any]

PHANTOM_START: Final = "f50f8757b557eb26988adaf3422b53bccf41db164711a9f8a682728aafb671ed"
"""SHA-256 of the committed first weights of the demonstration (simulations/cohort/models/warm_start_small.safetensors)."""

LIFTED_MINIMA: Final[Settings] = {
    "demonstration": True,
    "minimum_sites": 2,
    "minimum_patients": 2,
    "minimum_cox_patients": 10,
    "minimum_events_per_variable": 1,
}

PAPER: Final[Settings] = {
    "title": "Overall survival of advanced hepatocellular carcinoma under immunotherapy",
    "training": {"rounds": 1600, "batch": 16, "server": {"name": "adam", "rate": 5e-5}, "validate_every": 10, "keep": "last"},
    "draw": {"evaluation": 15, "seed": 7},
}

DEMO: Final[Settings] = {
    "title": "Demonstration on simulated patients",
    "simulated": True,
    "imaging": {"size": 64, "field": "organ"},
    "network": {
        "backbone": "small",
        "norm": "group",
        "dropout": no_dropout(),
        "warm_start": "phantom",
        "pretrained_sha256": PHANTOM_START,
    },
    "training": {"rounds": 20, "batch": 48, "server": {"name": "adam", "rate": 1e-4}, "seed": 7},
    # One block: a round is then a full-batch step, which is what the pooled twin takes.
    "blocks": {"minimum_sites": 12, "minimum_patients": 20},
    "validation_fraction": 0.2,
    "privacy": LIFTED_MINIMA,
}

TINY: Final[Settings] = {
    "title": "A tiny study of simulated patients, for tests",
    "simulated": True,
    "imaging": {"size": 32, "field": "organ"},
    "network": {"backbone": "small", "norm": "group", "dropout": no_dropout()},
    "training": {"rounds": 2, "batch": 16, "server": {"name": "adam", "rate": 1e-3}, "intervals": 3},
    "blocks": {"minimum_sites": 2, "minimum_patients": 2},
    "privacy": LIFTED_MINIMA,
}

CANARY: Final[Settings] = {
    "title": "Canary: does every hospital's road work?",
    "models": (CLN.name, RAD_D.name),
    "training": {"rounds": 1, "local_steps": 1, "validate_every": 1},
}

COX: Final[Settings] = {
    "title": "A Cox model of tables",
    "endpoint": {"name": "overall_survival", "label": "Overall survival", "event_label": "death", "time_zero": "enrolment"},
    "clinical": (
        {"name": "age", "label": "Age", "kind": "continuous", "unit": "years", "bounds": (18, 100)},
        {"name": "sex", "label": "Sex", "kind": "binary", "values": {0: "female", 1: "male"}},
        {"name": "performance", "label": "Performance status", "kind": "ordinal", "values": {0: "0", 1: "1", 2: "2", 3: "3 or 4"}},
        {"name": "histology", "label": "Histology", "kind": "nominal", "values": {0: "adenocarcinoma", 1: "squamous", 2: "other"}},
    ),
    "models": (CLN.name,),
    "validation_fraction": 0.0,
}

SETTINGS: Final[dict[str, Settings]] = {"paper": PAPER, "demo": DEMO, "canary": CANARY, "tiny": TINY, "cox": COX}
SITES: Final[dict[str, tuple[int, int]]] = {"paper": (52, 0), "demo": (12, 3), "canary": (5, 3), "tiny": (4, 2), "cox": (6, 0)}
LEAN: Final = frozenset({"cox"})
"""Presets written with what they declare and nothing that every study has anyway: tables only, no word about scans."""


def centres(development: int, evaluation: int, *, drawn: bool = False) -> tuple[StudySite, ...]:
    """Placeholders `centre-01` …; with roles unless a draw decides them."""
    roles: list[Any] = [None if drawn else "development"] * development + [None if drawn else "evaluation"] * evaluation
    return tuple(StudySite(name=f"centre-{number:02d}", role=role) for number, role in enumerate(roles, 1))


def preset(name: str, sites: Sequence[StudySite] | None = None) -> Study:
    """A preset as a study, over placeholder sites unless others are given; FH-126 for an unknown name.

    Given sites without a role are drawn in the preset's proportion where it draws, and develop where it does not.
    """
    if name not in SETTINGS:
        raise kinds.PRESET.problem(f"there is no preset {clean(name)}", fix=choice(name, SETTINGS))
    settings = SETTINGS[name]
    if sites is None:
        return Study.model_validate({**settings, "sites": centres(*SITES[name], drawn="draw" in settings)})
    return Study.model_validate(_over(settings, SITES[name][0], sites))


def _over(settings: Settings, hospitals: int, sites: Sequence[StudySite]) -> Settings:
    open_ = sum(site.role is None for site in sites)
    draw = settings.get("draw")
    rest = {key: value for key, value in settings.items() if key != "draw"}
    if draw and open_:
        return {**rest, "sites": tuple(sites), "draw": {**draw, "evaluation": max(1, round(draw["evaluation"] * open_ / hospitals))}}
    return {**rest, "sites": tuple(StudySite(name=site.name, role=site.role or "development") for site in sites)}


def canary_of(study: Study) -> Study:
    """A study cut down to one round of one step, to try every hospital's road before the long run."""
    cut = study.training.model_copy(update={"rounds": 1, "local_steps": 1, "validate_every": 1})
    return study.model_copy(update={"title": f"Canary: {study.title}"[:200], "training": cut})
