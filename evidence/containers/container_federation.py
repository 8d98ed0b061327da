"""A trial office and three hospitals, each a container of the images as they are built, none with a right of its own.

Everything a person would type runs in the image: `init`, `join`, `check`, `data prepare`, `approve`, `compose`; the running
containers get the rights, mounts and limits of the compose files. Only the made-up patients come from the host.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from evidence.code_meaning import ROOT
from evidence.containers.network_namespaces import GATEWAY, OFFICE, PORT, Line
from evidence.containers.podman import Ended, Podman, until, words
from server.study.resume_state import TrainingState, next_round_of
from site_config.problems.base import Exit

SITES: Final = ("hospital-01", "hospital-02", "hospital-03")
PATIENTS: Final = 12
ROUNDS: Final = 6
USER: Final = 10001
COORDINATOR: Final = "coordinator"
REGISTER_S: Final = 420.0


class ContainerStage:
    """Folders, keys, the locked study, and containers that can be started and ended."""

    def __init__(self, root: Path, podman: Podman, lines: dict[str, Line], images: tuple[str, str], seed: int) -> None:
        self.root, self.podman, self.lines, self.seed = root, podman, lines, seed
        self.site_image, self.office_image = images
        self.office = root / "office"

    def home(self, name: str) -> Path:
        """A hospital's folder, or the office's."""
        return self.office if name == COORDINATOR else self.root / name

    def typed(self, name: str, *command: str) -> Ended:
        """A command typed at one place, in a container of its own without a network; raises where it fails."""
        inside = "/office" if name == COORDINATOR else "/site"
        options = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += ["--tmpfs", "/tmp:size=1g,mode=1777", "--volume", f"{self.home(name)}:{inside}", "--env", "OMP_NUM_THREADS=1"]  # noqa: S108
        ended = self.podman.once(self.office_image if name == COORDINATOR else self.site_image, options, *command)
        if ended.status not in (Exit.OK, Exit.FINDINGS):
            raise RuntimeError(f"{name}: {' '.join(command)}: {ended.status}\n{ended.output}")
        return ended

    def begin(self) -> None:
        """Every place as it is before the containers start; made the first time, and gone back to afterwards."""
        kept = self.root / "snapshots" / "locked"
        if kept.exists():
            self.restore(kept)
            return
        for place in (self.root / "made", *map(self.home, (COORDINATOR, *SITES))):
            shutil.rmtree(place, ignore_errors=True)
        self._prepare()
        self.snapshot("locked")

    def _prepare(self) -> None:
        """Patients, keys, kits, tables, prepared slices, compose files, a locked and approved study."""
        made = self.root / "made"
        command = [sys.executable, "-P", "-m", "simulations.cli", "cohort", str(made), "--preset", "tiny"]
        command += ["--sites", str(len(SITES)), "0", "--patients", str(PATIENTS), "0", "--seed", str(self.seed), "--workers", "1"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603
        for name in (COORDINATOR, *SITES):
            _give(self.home(name))
        self.typed(COORDINATOR, "init", "--title", "Trial office", "--address", f"{GATEWAY}:{PORT}", "--listen", f"0.0.0.0:{PORT}")
        for name in SITES:
            self.typed(name, "init", "--name", name)
            shutil.copy(self.home(name) / f"{name}.request.json", self.office)
            self.typed(COORDINATOR, "enrol", f"{name}.request.json", "--role", "development")
            shutil.copytree(made / "sites" / name, self.home(name), dirs_exist_ok=True)
            shutil.copy(self.office / "kits" / f"{name}.kit.json", self.home(name))
            shutil.copy(made / "study.yaml", self.home(name))
            _give(self.home(name))
            self.typed(name, "join", f"{name}.kit.json")
            self.typed(name, "check")
            self.typed(name, "data", "prepare", "--study", "study.yaml")
        self._lock()
        for name in SITES:
            shutil.copy(self.office / "study.lock.json", self.home(name))
            _give(self.home(name))
            self.typed(name, "approve", "study.lock.json", "--yes")
            self.typed(name, "compose", "--image", self.site_image, "--memory", "3g")

    def _lock(self) -> None:
        self.typed(COORDINATOR, "study", "new", "--preset", "tiny", "--out", "study.yaml")
        path = self.office / "study.yaml"
        study = yaml.safe_load(path.read_text())
        study["models"] = ["Rad-D"]
        study["training"]["rounds"] = ROUNDS
        study["deadlines"] = dict.fromkeys(study.get("deadlines", {}), 600)
        path.write_text(yaml.safe_dump(study, sort_keys=False))
        _give(self.office)
        self.typed(COORDINATOR, "study", "lock", "study.yaml")
        self.typed(COORDINATOR, "study", "publish", "study.lock.json")

    def service(self, name: str) -> list[str]:
        """The options of a place's container, out of its compose file, in its network namespace."""
        if name == COORDINATOR:
            found: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.coordinator.yaml").read_text())
            service, namespace = found["services"]["coordinator"] | {"mem_limit": "3g"}, OFFICE
        else:
            found = yaml.safe_load((self.home(name) / "compose.yaml").read_text())
            service, namespace = found["services"]["site"], self.lines[name].namespace
        options = words(service, found.get("secrets", {}), self.home(name))
        return [*options, "--network", f"ns:/run/netns/{namespace}", "--env", "OMP_NUM_THREADS=1"]

    def start(self, name: str) -> None:
        """Start a place's container. Raises where the engine refuses it."""
        image = self.office_image if name == COORDINATOR else self.site_image
        options = [*self.service(name), "--restart", "unless-stopped"]
        ended = self.podman.start(name, image, options, "serve" if name == COORDINATOR else "run")
        if ended.status:
            raise RuntimeError(f"{name} does not start: {ended.output}")

    def start_all(self) -> dict[str, float | None]:
        """Everybody; seconds until each is healthy."""
        for name in (COORDINATOR, *SITES):
            self.start(name)
        return {name: until(partial(self.podman.healthy, name), REGISTER_S) for name in (COORDINATOR, *SITES)}

    def kill(self, name: str) -> float | None:
        """SIGKILL to the container's first process, as when memory runs out; seconds until its restart policy started it again."""
        number = int(self.podman.state(name)["Pid"])
        os.kill(number, signal.SIGKILL)
        return until(lambda: self.podman.state(name).get("Pid", 0) not in (0, number), 60, 0.5)

    def end_all(self) -> None:
        """Remove every container."""
        for name in (COORDINATOR, *SITES):
            self.podman.call("rm", "--force", "--time", "1", name)

    def snapshot(self, name: str) -> Path:
        """Copies of the office's and the hospitals' private folders, to go back to."""
        kept = self.root / "snapshots" / name
        shutil.rmtree(making := kept.with_suffix(".making"), ignore_errors=True)
        for place in (COORDINATOR, *SITES):
            shutil.copytree(self.home(place), making / place, symlinks=True)
        making.rename(kept)
        return kept

    def restore(self, kept: Path) -> None:
        """Go back to a snapshot, so that the same study runs again from its start."""
        self.end_all()
        for place in (COORDINATOR, *SITES):
            shutil.rmtree(self.home(place))
            shutil.copytree(kept / place, self.home(place), symlinks=True)
            _give(self.home(place))

    def run_folder(self) -> Path:
        """The office's folder of the one published study's run."""
        return next(path.parent for path in self.office.glob("studies/*/lock.json")) / "run"

    def rounds_done(self) -> int:
        """Finished rounds of training."""
        states = list(self.run_folder().glob("training/Rad-D.safetensors"))
        return max((next_round_of(path) for path in states), default=0)

    def digest(self) -> str:
        """SHA-256 of the last weights."""
        states = sorted(self.run_folder().glob("training/Rad-D.safetensors"))
        if not states:
            raise FileNotFoundError("no network was trained")
        return hashlib.sha256(b"".join(TrainingState.load(path).weights.tobytes() for path in states)).hexdigest()


def _give(folder: Path) -> None:
    """Make a folder the container's user's own, as `install -d -o 10001 -m 0700` does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
