"""A rehearsal on this machine alone: one training step, one masked vector among made-up peers, a checkpoint, one real patient.

Nothing leaves and nothing of a patient is used but in the last part, which prepares one patient and keeps nothing. The seconds
of a training step are declared to the coordinator at the next admission, up to a power of two.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from client.cohort.one_patient import prepare_patient
from client.cohort.prepare_cohort import tensor_shape
from client.program.rehearsal_times import TRAINING, Rehearsal, keep
from client.segmentation.declared_models import SiteModels
from client.segmentation.segmenter import Segmenter
from client.training.local_training import local_update
from shared_model.networks.rad_networks import build
from shared_model.networks.weight_vector import to_vector
from shared_model.secure_sum import pairwise_masks
from shared_model.secure_sum.federation_messages import Context
from shared_model.statistics.statistic_declaration import Segment
from shared_model.survival.broadcast_hazard import PiecewiseHazard, piecewise_hazard
from site_config.health.doctor_finding import DoctorFinding
from site_config.health.machine_questions import written_and_read
from site_config.problems import host, privacy
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS
from site_config.tables.cohort_csv import Cohort, Scan

PEERS = ("this hospital", "made-up peer one", "made-up peer two")
MOST_PATIENTS = 4
NUMBERS = 100_000
CUTS = (180.0, 365.0)


@dataclass(frozen=True)
class Strangers:
    """Made-up patients with pictures of noise, as training reads patients."""

    n: int
    shape: tuple[int, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(f"made-up {i}" for i in range(self.n))

    @property
    def event_day(self) -> NDArray[np.float64]:
        """One dies every 100 days."""
        return np.asarray(100.0 * np.arange(1, self.n + 1), dtype=np.float64)

    @property
    def event(self) -> NDArray[np.bool_]:
        """All die."""
        return np.ones(self.n, dtype=bool)

    @property
    def is_validation(self) -> NDArray[np.bool_]:
        """All train."""
        return np.zeros(self.n, dtype=bool)

    @property
    def has_images(self) -> NDArray[np.bool_]:
        """All have pictures."""
        return np.ones(self.n, dtype=bool)

    @property
    def images(self) -> Strangers:
        """Themselves."""
        return self

    def load(self, i: int) -> NDArray[np.float32]:
        """Noise, shape (V, O, S, H, W)."""
        return np.random.default_rng(i).standard_normal(self.shape, dtype=np.float32)


def training_step(site: SiteConfig, study: Study, clock: Callable[[], float] = time.perf_counter) -> tuple[DoctorFinding, float]:
    """One step of the study's largest network over as many made-up patients as fit a step, and its seconds for a whole step."""
    model = MODELS.networks(study.models)[-1]
    network = build(study, model, seed=7)
    n = min(study.training.batch, MOST_PATIENTS)
    shape = tensor_shape(study)
    hazard: PiecewiseHazard = piecewise_hazard(np.full(3, 300.0), np.full(3, 1.0), CUTS, 0.0)
    one = study.training.model_copy(update={"local_steps": 1})
    began = clock()
    done = local_update(
        network,
        Strangers(n, shape),
        hazard,
        0.0,
        one,
        seed_parts=("rehearsal",),
        device=site.compute.device,
        micro_batch=site.compute.micro_batch,
    )
    seconds = (clock() - began) * study.training.batch / n
    if not np.isfinite(done.update).all():
        raise host.INTERNAL.problem("a training step on noise gave a value that is no number")
    words = f"{model}, {n} made-up patients: about {seconds:.1f} s for a step of {study.training.batch}, {len(done.update):,} weights"
    return DoctorFinding("training step", "ok", words), seconds


def share(n: int = NUMBERS) -> str:
    """One masked vector among three made-up peers: masked it is nothing, summed it is the sum. FH-522 where it is not."""
    context = Context(study="0" * 64, phase="rehearsal", round=0, attempt=1, statistic="s", parameters="p", state="s", roster="r")
    segments = (Segment("numbers", (n,), bound=1.0),)
    keys = {name: X25519PrivateKey.generate() for name in PEERS}
    vectors, seeds, plain = {}, {}, np.zeros(n)
    began = time.perf_counter()
    for number, name in enumerate(PEERS):
        values = np.random.default_rng(number).uniform(-1, 1, n)
        plain += values
        vectors[name] = pairwise_masks.encode(segments, {"numbers": values}, len(PEERS))
        pairs = {
            peer: pairwise_masks.pair_key(keys[name], keys[peer].public_key().public_bytes_raw(), context.digest(), (name, peer))
            for peer in PEERS
            if peer != name
        }
        pairwise_masks.add_pair_masks(vectors[name], name, pairs)
        seeds[name] = hashlib.sha256(name.encode()).digest()
        pairwise_masks.seed_mask(vectors[name], seeds[name], context.digest(), name)
    opened = pairwise_masks.open_sum(segments, vectors, seeds, context, len(PEERS))["numbers"]
    if np.abs(opened - plain).max() > 1e-3:
        raise privacy.SUM_DOES_NOT_OPEN.problem("masks of a rehearsal do not cancel")
    return f"{n:,} numbers masked with two made-up peers and opened again in {time.perf_counter() - began:.2f} s"


def checkpoint(state: Path, size: int) -> str:
    """As many bytes as the network's weights written and read back from the state folder."""
    return written_and_read(state, size, "the state folder")


def one_patient(site: SiteConfig, study: Study, cohort: Cohort, scans: tuple[Scan, ...]) -> DoctorFinding:
    """The first patient with scans through segmentation to slices; nothing is kept."""
    first = next((one for one in cohort.patients if any(scan.patient == one.key for scan in scans)), None)
    if first is None:
        return DoctorFinding("one patient", "not asked", "no patient has a scan")
    began = time.perf_counter()
    own = tuple(scan for scan in scans if scan.patient == first.key)
    segmenter = Segmenter(site.segmentation, study, SiteModels(site))
    done = prepare_patient(own, study, segmenter, root=site.path(site.paths.images))
    seconds = time.perf_counter() - began
    words = (
        f"the first patient, {len(own)} scans, in {seconds:.1f} s: {'complete slices' if done.tensor is not None else 'no complete slices'}"
    )
    codes = sorted({problem.code for problem in done.findings})
    if done.tensor is None:
        fix = "`fedhcc-site data prepare` names what is wrong with each patient."
        return DoctorFinding("one patient", "look", f"{words}; {', '.join(codes)}", fix)
    return DoctorFinding("one patient", "ok", words + (f"; remarks {', '.join(codes)}" if codes else ""))


def weights_size(study: Study) -> int:
    """Bytes of the weights of the study's largest network; a kilobyte where it has none."""
    names = MODELS.networks(study.models)
    return int(to_vector(build(study, names[-1])).nbytes) if names else 1 << 10


def declare(state: Path, seconds: float, when: str) -> None:
    """Keep how long a step takes, for the next start of the program and the next admission."""
    keep(state, Rehearsal(seconds={TRAINING: round(seconds, 1)}, at=when))
