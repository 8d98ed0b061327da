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
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shared_model.bundle.manifest_values import Manifest, NetworkFile
from shared_model.bundle.model_card import model_card
from shared_model.networks.rad_networks import build
from shared_model.networks.weight_vector import Schema, from_vector, load_safetensors, save_safetensors
from site_config.atomic_files import make_folder, read_limited, write_atomic
from site_config.problems import model as problems
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock, canonical
from site_config.study.prognostic_models import MODELS, NetworkName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared_model.networks.rad_networks import RadNetwork

LIMIT_BYTES = 2**30
MANIFEST, LOCK, CARD = "bundle.json", "lock.json", "card.md"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle; `text` is its manifest as it was written, whose SHA-256 the bundle's is. `network` builds one of its networks."""

    manifest: Manifest
    lock: StudyLock
    sha256: str
    weights: Mapping[NetworkName, bytes]
    card: str
    text: str

    @property
    def best_network(self) -> NetworkName | None:
        """The network that knows most of a patient; None in a bundle without networks."""
        return next((model.name for model in MODELS.preferred(self.manifest.networks)), None)

    def network(self, model: NetworkName) -> RadNetwork:
        """The network in eval mode; FH-602 when its weights do not fit, FH-609 when the bundle has none."""
        if model not in self.manifest.networks:
            raise problems.NOT_IN_BUNDLE.problem(f"the bundle holds no weights of {model}")
        network = build(self.lock.study, model, pooled=True)
        load_safetensors(network, self.weights[model])
        if Schema.of(network).hash != self.manifest.networks[model].tensors:
            raise problems.FOREIGN_WEIGHTS.problem(f"the weights of {model} were made for {self.manifest.networks[model].architecture}")
        return network.eval()


def write_bundle(folder: Path, manifest: Manifest, lock: StudyLock, weights: Mapping[NetworkName, NDArray[Any]]) -> str:
    """Write a bundle and return its SHA-256. `weights` are flat vectors (D,); hashes and the card are filled in here."""
    make_folder(folder, 0o755)
    files: dict[NetworkName, NetworkFile] = {}
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
    return Bundle(manifest, lock, found, weights, card, body.decode())


def _verified(folder: Path, name: str, sha256: str) -> bytes:
    try:
        data = read_limited(folder / name, LIMIT_BYTES, name)
    except Problem as problem:
        raise problem.kind.problem(f"the bundle's {name} cannot be read", where=name) from problem
    if hashlib.sha256(data).hexdigest() != sha256:
        raise problems.CHANGED_BUNDLE.problem(f"{name} is not the file the bundle was made with", where=name)
    return data
