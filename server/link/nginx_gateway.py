"""The coordinator's two processes: Flower's SuperLink on loopback and the nginx in front of it.

The SuperLink keeps its state in memory, asks nodes for their keys, installs nothing and starts nothing: the server task is
taken by our own process. Both are children of whoever started them and end with it (`server.link.process_supervisor`).
"""

from __future__ import annotations

import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from server.hospital_register import Register, load
from server.link.child_process import Child
from server.link.owner_lock import held
from site_config.atomic_files import write_atomic
from site_config.file_lock import Lock
from site_config.keys_and_signatures import private_folder
from site_config.problems import federation

OFFICE_LOCK = "office.lock"
REQUESTS_PER_SECOND = 400
CONNECTIONS = 512


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


def superlink_command(home: Path) -> list[str]:
    """How the SuperLink is started."""
    return [sys.executable, "-P", "-m", "server.link.superlink_program", str(home.resolve())]


class Gateway:
    """The SuperLink and the gateway of one coordinator's home, as a context manager. Holds the office's lock while they run."""

    def __init__(self, home: Path, lock: Lock | None = None) -> None:
        self.home = home
        self._lock = lock or Lock(home / OFFICE_LOCK)
        self.register = load(home)
        logs = private_folder(home / "logs")
        folder = private_folder(home / "gateway")
        for name in ("body", "proxy", "unused"):
            private_folder(folder / name)
        self.superlink = Child("SuperLink", superlink_command(home), logs / "superlink.log", self.register.superlink_port, folder)
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
        port = int(self.register.listen.rpartition(":")[2])
        self.nginx = Child("gateway", command, logs / "gateway.log", port, folder, signal.SIGTERM)

    def start(self) -> None:
        """Start both; FH-758 where another program owns this office."""
        if not (self._lock.taken or self._lock.take()):
            raise held(self._lock.path, "this office's SuperLink and gateway")
        for child in (self.nginx, self.superlink):
            child.end_orphan()
        write_atomic(self.home / "gateway" / "nginx.conf", nginx_configuration(self.home, self.register).encode(), 0o600)
        with ExitStack() as undone:
            undone.callback(self.stop)  # whatever goes wrong, nothing stays behind
            self.superlink.start()
            self.nginx.start()
            undone.pop_all()

    def stop(self) -> None:
        """Stop both."""
        self.nginx.stop()
        self.superlink.stop()
        self._lock.release()

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
