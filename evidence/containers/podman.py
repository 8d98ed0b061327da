"""Containers by podman, with exactly the rights, mounts and limits of a compose file.

The network is ours (a namespace), so a compose file's service becomes the words of `podman run`; a field that is not
translated here stops the measurement, so that nothing the file asks for is silently left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LIMIT_S: Final = 900.0
ENGINE: Final[dict[str, dict[str, object]]] = {
    "containers": {"default_ulimits": ["nofile=1024:20000", "nproc=4096:4096"]},
    "engine": {"runtime": "runc", "events_logger": "file", "cgroup_manager": "cgroupfs"},
}
"""What rootful podman needs where it runs in a container itself."""
_VALUES: Final = {"mem_limit": "--memory", "pids_limit": "--pids-limit", "shm_size": "--shm-size", "cpus": "--cpus", "user": "--user"}
_LISTS: Final = {"cap_drop": "--cap-drop", "security_opt": "--security-opt", "tmpfs": "--tmpfs", "devices": "--device"}
_ELSEWHERE: Final = {"image", "command", "init", "pull_policy", "restart", "stop_grace_period", "logging", "ports", "deploy"}


def engine_file(folder: Path) -> Path:
    """The engine's configuration, written into `folder`."""
    path = folder / "containers.conf"
    sections = [f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in part.items()) for name, part in ENGINE.items()]
    path.write_text("".join(sections), encoding="utf-8")
    return path


def words(service: Mapping[str, Any], secrets: Mapping[str, Any], folder: Path) -> list[str]:
    """The options of `podman run` for a compose file's service whose relative paths start in `folder`."""
    out: list[str] = []
    for key, value in service.items():
        if key in _VALUES:
            out += [_VALUES[key], str(value)]
        elif key in _LISTS:
            out += [word for one in value for word in (_LISTS[key], "no-new-privileges" if one == "no-new-privileges:true" else one)]
        elif key == "read_only":
            out += ["--read-only"] * bool(value)
        elif key == "environment":
            out += [word for name, text in value.items() for word in ("--env", f"{name}={text}")]
        elif key == "volumes":
            out += [word for one in value for word in ("--volume", _absolute(one, folder))]
        elif key == "secrets":
            out += [word for one in value for word in ("--volume", f"{_absolute(secrets[one]['file'], folder)}:/run/secrets/{one}:ro")]
        elif key not in _ELSEWHERE:
            raise ValueError(f"the compose file's field {key} has no translation")
    return out


def _absolute(volume: str, folder: Path) -> str:
    source, colon, rest = volume.partition(":")
    return str((folder / source).resolve()) + colon + rest


@dataclass(frozen=True)
class Ended:
    """A command in a container: exit status and what it printed."""

    status: int
    output: str
    seconds: float

    def said(self, text: str) -> bool:
        """Whether the output holds a text."""
        return text in self.output

    @property
    def last(self) -> list[str]:
        """The last lines."""
        return [line for line in self.output.splitlines() if line.strip()][-4:]


class Podman:
    """The engine."""

    def __init__(self, configuration: Path) -> None:
        self._environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}

    def call(self, *given: str, limit_s: float = LIMIT_S, merged: bool = True) -> Ended:
        """One command; never raises for an exit status. Output is standard error after standard output, or the first alone."""
        began = time.monotonic()
        done = subprocess.run(  # noqa: S603
            ["podman", "--log-level=fatal", *given],  # noqa: S607
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        kept = [line for line in done.stderr.splitlines() if not line.startswith("time=")]
        return Ended(done.returncode, done.stdout + ("\n".join(kept) if merged else ""), time.monotonic() - began)

    def start(self, name: str, image: str, options: list[str], *command: str) -> Ended:
        """A container that goes on in the background; one of the same name goes first."""
        self.call("rm", "--force", "--time", "1", name)
        return self.call("run", "--detach", "--name", name, *options, image, *command)

    def once(self, image: str, options: list[str], *command: str) -> Ended:
        """A container for one command."""
        return self.call("run", "--rm", *options, image, *command)

    def inside(self, name: str, *command: str, limit_s: float = LIMIT_S) -> Ended:
        """A command in a running container."""
        return self.call("exec", name, *command, limit_s=limit_s)

    def state(self, name: str) -> dict[str, Any]:
        """Whether it runs, and how it ended."""
        found = self.call("inspect", name, "--format", "{{json .State}}", merged=False)
        return dict(json.loads(found.output)) if found.status == 0 else {}

    def healthy(self, name: str) -> bool:
        """Ask the image's own health check once."""
        return self.call("healthcheck", "run", name).status == 0


def until(what: Callable[[], bool], limit_s: float, every_s: float = 2.0) -> float | None:
    """Seconds until something holds; None where it did not in time."""
    began = time.monotonic()
    while time.monotonic() - began < limit_s:
        if what():
            return round(time.monotonic() - began, 1)
        time.sleep(every_s)
    return None
