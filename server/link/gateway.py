"""The coordinator's two processes: Flower's SuperLink on loopback and the nginx in front of it.

The SuperLink keeps its state in a database file, asks nodes for their keys, installs nothing and starts nothing: the server
task is taken by our own process. Both are children of whoever started them and end with it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.enrolment import Register, load
from site_config.files import write_atomic
from site_config.identity import private_folder
from site_config.problems import federation

QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
START_S = 60.0
REQUESTS_PER_SECOND = 400
CONNECTIONS = 512


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every Flower process: no telemetry, no update check."""
    return {**os.environ, **QUIET, **(extra or {})}


def nginx_program() -> str:
    """The nginx of this machine; FH-708 names the package where there is none."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        raise federation.GATEWAY_MISSING.problem("No program `nginx` on this machine")
    return found


def nginx_configuration(home: Path, register: Register) -> str:
    """The gateway's configuration for a coordinator's home."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    template = Environment(loader=PackageLoader("server"), undefined=StrictUndefined, autoescape=False).get_template("nginx.conf.j2")  # noqa: S701 - no HTML
    return template.render(
        folder=(home / "gateway").resolve(),
        tls=(home / "tls").resolve(),
        listen=register.listen,
        superlink_port=register.superlink_port,
        requests_per_second=REQUESTS_PER_SECOND,
        connections=CONNECTIONS,
    )


def superlink_command(home: Path, register: Register) -> list[str]:
    """How the SuperLink is started."""
    tls = (home / "tls").resolve()
    program = Path(sys.executable).with_name("flower-superlink")
    return [
        str(program),
        "--host=127.0.0.1",
        f"--port={register.superlink_port}",
        f"--ssl-ca-certfile={tls / 'ca.pem'}",
        f"--ssl-certfile={tls / 'superlink.pem'}",
        f"--ssl-keyfile={tls / 'superlink.key'}",
        f"--database={(home / 'superlink.db').resolve()}",
        "--enable-supernode-auth",
        "--isolation=process",
        f"--superexec-auth-secret-file={(home / 'identity' / 'runtime.secret').resolve()}",
        "--disable-runtime-dependency-installation",
    ]


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


@dataclass
class Child:
    """A process of ours with its name, log and port."""

    name: str
    command: list[str]
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Start and wait until the port accepts connections; FH-707 when it does not."""
        if listening(self.port):
            raise federation.LINK_NOT_STARTED.problem(f"Port {self.port} for the {self.name} is in use")
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=subprocess.STDOUT, env=environment(), stdin=subprocess.DEVNULL)  # noqa: S603
        for _ in range(int(START_S / 0.1)):
            if listening(self.port):
                return
            if self.process.poll() is not None:
                break
            wait(0.1)
        self.stop()
        raise federation.LINK_NOT_STARTED.problem(f"The {self.name} did not start", where=f"logs/{self.log.name}")

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, grace_s: float = 10.0) -> None:
        """Ask to end, then end."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self) -> None:
        """End at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Gateway:
    """The SuperLink and the gateway of one coordinator's home, as a context manager."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.register = load(home)
        logs = private_folder(home / "logs")
        folder = private_folder(home / "gateway")
        for name in ("body", "proxy", "unused"):
            private_folder(folder / name)
        self.superlink = Child("SuperLink", superlink_command(home, self.register), logs / "superlink.log", self.register.superlink_port)
        configuration = folder / "nginx.conf"
        command = [
            nginx_program(),
            "-p",
            str(folder.resolve()),
            "-e",
            str((folder / "gateway.log").resolve()),
            "-c",
            str(configuration.resolve()),
        ]
        self.nginx = Child("gateway", command, logs / "gateway.log", int(self.register.listen.rpartition(":")[2]))

    def start(self) -> None:
        """Start both."""
        write_atomic(self.home / "gateway" / "nginx.conf", nginx_configuration(self.home, self.register).encode(), 0o600)
        self.superlink.start()
        try:
            self.nginx.start()
        except BaseException:
            self.superlink.stop()
            raise

    def stop(self) -> None:
        """Stop both."""
        self.nginx.stop()
        self.superlink.stop()

    def check(self) -> None:
        """FH-719 when one of them ended by itself."""
        for child in (self.superlink, self.nginx):
            if not child.alive():
                raise federation.ENGINE_FAILED.problem(f"The {child.name} ended", where=f"logs/{child.log.name}")

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
