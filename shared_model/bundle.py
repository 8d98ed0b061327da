"""The model somebody can use: a folder that says what it is, with a hash of everything in it.

    bundle.json                 the manifest: models, their formulas, cut-offs, baseline survival, hashes of all other files
    lock.json                   the study's frozen plan
    weights_Rad-D.safetensors   one file a network
    card.md                     the model card

The bundle's own hash is the SHA-256 of bundle.json; a validation study names it. `load_bundle` is the one call: it refuses
a file that is missing, changed or made for another network. Nothing in a bundle is executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_model.parameters import ScoreSpec
from site_config.catalogue import model as problems
from site_config.files import make_folder, read_limited, write_atomic
from site_config.problems import Problem
from site_config.study import ModelName, StudyLock, canonical

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared_model.networks import RadModel, RadNetwork

LIMIT_BYTES = 2**30
MANIFEST, LOCK, CARD = "bundle.json", "lock.json", "card.md"


class Part(BaseModel):
    """Base of the manifest's parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Formula(Part):
    """How one model turns a patient into a linear predictor and into survival.

    The score is that of `spec`; the linear predictor is `slope` times it (1 but for a network's score alone, whose Cox
    coefficient it is). `cumulative_hazard` (K,) at linear predictor 0 stands at `time` (days); S(t) = exp(−H0(t) e^lp).
    `cutoff` is on the score's scale: high risk is above it. `axis` is the declared range of the score.
    """

    spec: ScoreSpec
    slope: float = 1.0
    time: tuple[float, ...] = ()
    cumulative_hazard: tuple[float | None, ...] = ()
    cutoff: float | None = None
    scale: Literal["linear_predictor"] = "linear_predictor"
    axis: tuple[float, float] | None = None


class NetworkFile(Part):
    """A network's weights: file, its SHA-256, and what it fits."""

    file: str = Field(pattern=r"^weights_Rad-[SD]\.safetensors$")
    sha256: str
    architecture: str
    tensors: str = Field(description="SHA-256 of names, shapes and dtypes (shared_model.weights.Schema)")


class Manifest(Part):
    """bundle.json."""

    format: Literal[1] = 1
    study_id: str
    title: str
    label: Literal["COMPLETE", "INCOMPLETE"]
    simulated: bool
    created: str
    software: str
    models: dict[ModelName, Formula]
    networks: dict[Literal["Rad-S", "Rad-D"], NetworkFile] = Field(default_factory=dict)
    clinical: dict[str, Any] | None = None
    fusion: dict[str, dict[str, Any]] = Field(default_factory=dict)
    cohort: dict[str, dict[str, int]] = Field(default_factory=dict, description="set → patients, events, sites")
    metrics: dict[str, dict[str, Any]] = Field(default_factory=dict, description="model → figures on the held-out set")
    notes: tuple[str, ...] = ()
    lock_sha256: str = ""
    card_sha256: str = ""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. `network` builds one of its networks with its weights."""

    manifest: Manifest
    lock: StudyLock
    sha256: str
    weights: Mapping[RadModel, bytes]
    card: str

    def network(self, model: RadModel) -> RadNetwork:
        """The network in eval mode; FH-602 when its weights do not fit, FH-609 when the bundle has none."""
        from shared_model.networks import build
        from shared_model.weights import Schema, load_safetensors

        if model not in self.manifest.networks:
            raise problems.NOT_IN_BUNDLE.problem(f"the bundle holds no weights of {model}")
        network = build(self.lock.study, model, pooled=True)
        load_safetensors(network, self.weights[model])
        if Schema.of(network).hash != self.manifest.networks[model].tensors:
            raise problems.FOREIGN_WEIGHTS.problem(f"the weights of {model} were made for {self.manifest.networks[model].architecture}")
        return network.eval()


def write_bundle(folder: Path, manifest: Manifest, lock: StudyLock, weights: Mapping[RadModel, NDArray[Any]]) -> str:
    """Write a bundle and return its SHA-256. `weights` are flat vectors (D,); hashes and the card are filled in here."""
    from shared_model.card import model_card
    from shared_model.networks import build
    from shared_model.weights import Schema, from_vector, save_safetensors

    make_folder(folder, 0o755)
    files: dict[Literal["Rad-S", "Rad-D"], NetworkFile] = {}
    for model, vector in weights.items():
        network = build(lock.study, model, pooled=True)
        from_vector(network, vector)
        schema, name = Schema.of(network), f"weights_{model}.safetensors"
        files[model] = NetworkFile(
            file=name, sha256=save_safetensors(network, folder / name), architecture=schema.architecture, tensors=schema.hash
        )
    locked = canonical(lock.model_dump(mode="json"))
    written = manifest.model_copy(update={"networks": files, "lock_sha256": hashlib.sha256(locked).hexdigest()})
    card = model_card(written, lock).encode()
    written = written.model_copy(update={"card_sha256": hashlib.sha256(card).hexdigest()})
    body = canonical(written.model_dump(mode="json"))
    for name, data in ((LOCK, locked), (CARD, card), (MANIFEST, body)):
        write_atomic(folder / name, data, 0o644)
    return hashlib.sha256(body).hexdigest()


def load_bundle(folder: Path, *, sha256: str | None = None) -> Bundle:
    """Read and verify a bundle; `sha256` is the hash a study or a person names. FH-610 says which file does not fit."""
    body = read_limited(folder / MANIFEST, LIMIT_BYTES, MANIFEST)
    found = hashlib.sha256(body).hexdigest()
    if sha256 is not None and sha256 != found:
        raise problems.CHANGED_BUNDLE.problem(f"the bundle's SHA-256 is {found}, named was {sha256}", where=MANIFEST)
    try:
        manifest = Manifest.model_validate_json(body)
        locked = _verified(folder, LOCK, manifest.lock_sha256)
        lock = StudyLock.model_validate_json(locked)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise problems.CHANGED_BUNDLE.problem(f"the bundle cannot be read: {error.errors()[0]['msg']} at {place or 'the top'}") from error
    if lock.study_id != manifest.study_id:
        raise problems.CHANGED_BUNDLE.problem("the lock belongs to another study than the manifest", where=LOCK)
    card = _verified(folder, CARD, manifest.card_sha256).decode("utf-8", errors="replace")
    weights = {model: _verified(folder, file.file, file.sha256) for model, file in manifest.networks.items()}
    return Bundle(manifest, lock, found, weights, card)


def _verified(folder: Path, name: str, sha256: str) -> bytes:
    try:
        data = read_limited(folder / name, LIMIT_BYTES, name)
    except Problem as problem:
        raise problem.kind.problem(f"the bundle's {name} cannot be read", where=name) from problem
    if hashlib.sha256(data).hexdigest() != sha256:
        raise problems.CHANGED_BUNDLE.problem(f"{name} is not the file the bundle was made with", where=name)
    return data
