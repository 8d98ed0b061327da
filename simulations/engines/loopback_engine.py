"""The `loopback` engine: the real gateway, SuperLink and site programs over TLS, as processes of this machine.

Sites are started as hospitals start them (`fedhcc-site run`), the coordinator's two processes as the trial office does.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from client.keys_kit_and_decisions import join
from client.program.control_service import ControlClient
from server import hospital_register as enrol
from server import office_setup
from server.link.child_process import environment, listening
from server.link.flower_grid import FlowerTransport
from server.link.nginx_gateway import Gateway
from server.link.superlink import attach, link_of
from simulations.interrupts import at_end, no_longer, wait_until
from site_config.atomic_files import read_limited
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import MAX_DOCUMENT, private_folder
from site_config.problems import federation
from site_config.problems.base import Problem

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
READY_S = 120.0


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def loopback_address() -> tuple[str, int]:
    """`host:port` for a gateway on this machine and a port for its SuperLink."""
    gateway, superlink = free_ports(2)
    return f"127.0.0.1:{gateway}", superlink


def site_command(home: Path) -> list[str]:
    """How a site is started."""
    return [sys.executable, "-P", "-m", "client.cli", "run", "--home", str(home)]


class SiteProcess:
    """One site's program; its output goes to `state/logs/process.log`."""

    def __init__(self, name: str, home: Path, command: Sequence[str] | None = None, extra: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.home = home
        self._command = list(command or site_command(home))
        self.state = load_site(home / "site.yaml").state
        self._extra = {**ONE_THREAD, **(extra or {})}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Where the process writes."""
        return private_folder(private_folder(self.state) / "logs") / "process.log"

    def start(self) -> None:
        """Start the program."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603
                self._command,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment(self._extra),
                start_new_session=True,
            )

    def registered(self) -> bool:
        """Whether the program says that it is registered with the coordinator."""
        client = ControlClient(self.state)
        try:
            return client.call("Status").connection == "registered"
        except Problem:
            return False
        finally:
            client.close()

    def stop(self, grace_s: float = 20.0) -> int:
        """Ask to end, then end; the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode if self.process is not None else -signal.SIGKILL

    def kill(self) -> None:
        """End the program and its working process at once, as a power cut would."""
        if self.process is not None:
            import os

            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Loopback:
    """Coordinator and sites as processes; a context manager. Sites must be enrolled, approved and joined."""

    def __init__(self, coordinator: Path, sites: Mapping[str, Path], wait: Callable[[float], None] = time.sleep) -> None:
        self.coordinator = coordinator
        self.gateway = Gateway(coordinator)
        self.sites = {name: SiteProcess(name, home) for name, home in sites.items()}
        self.nodes: dict[str, int] = {}
        self._wait = wait
        self._transports: list[FlowerTransport] = []

    def start(self) -> None:
        """Start everything and wait until every site is registered. Where its ports are taken, the federation moves to free ones."""
        if listening(self.gateway.superlink.port) or listening(self.gateway.nginx.port):
            self.move()
        at_end(self.end_now)
        self.gateway.start()
        with ExitStack() as undone:
            undone.callback(self.stop)  # whatever goes wrong, nothing stays behind
            self.register()
            for site in self.sites.values():
                site.start()
            self.wait_registered(self.sites)
            undone.pop_all()

    def move(self) -> None:
        """Another address for the gateway and a new kit for every site, as `fedhcc-coordinator renew` does it."""
        address, superlink = loopback_address()
        office_setup.readdress(self.coordinator, address, listen=address, superlink_port=superlink)
        for name, site in self.sites.items():
            join(site.state, read_limited(self.coordinator / "kits" / f"{name}.kit.json", MAX_DOCUMENT))
        self.gateway = Gateway(self.coordinator)

    def register(self) -> None:
        """Read which sites are enrolled, under Flower's numbers of their nodes; the SuperLink reads the same."""
        self.nodes = {site.name: site.node_id for site in enrol.load(self.coordinator).active().values()}

    def wait_registered(self, names: Mapping[str, object] | Sequence[str], limit_s: float = READY_S) -> None:
        """Wait until the named sites are registered; FH-719 when one ends or takes too long."""
        end = time.monotonic() + limit_s
        waiting = set(names)
        while waiting:
            for name in list(waiting):
                process = self.sites[name].process
                if process is not None and process.poll() is not None:
                    raise federation.ENGINE_FAILED.problem(
                        f"Site {name} ended with status {process.returncode}", where="state/logs/process.log"
                    )
                if self.sites[name].registered():
                    waiting.discard(name)
            if waiting and time.monotonic() > end:
                raise federation.ENGINE_FAILED.problem(f"Sites not registered in time: {', '.join(sorted(waiting))}")
            if waiting:
                self._wait(0.3)

    def transport(self, bundle: bytes | None = None) -> FlowerTransport:
        """A transport to the running sites, ended with the engine."""
        link = link_of(self.coordinator)
        found = FlowerTransport(lambda: attach(link, bundle), self.nodes)
        self._transports.append(found)
        return found

    def end_now(self, limit_s: float) -> None:
        """End every process at once, as Ctrl-C asks: half of the time to end by themselves, then without asking."""
        children = [self.gateway.nginx.process, self.gateway.superlink.process, *(site.process for site in self.sites.values())]
        running = [child for child in children if child is not None and child.poll() is None]
        for child in running:
            child.send_signal(signal.SIGTERM)
        wait_until(lambda: all(child.poll() is not None for child in running), limit_s / 2)
        for site in self.sites.values():
            if site.process is not None and site.process.poll() is None:
                site.kill()
        for ours in (self.gateway.nginx, self.gateway.superlink):
            ours.kill()

    def stop(self) -> None:
        """Stop everything."""
        no_longer(self.end_now)
        for transport in self._transports:
            transport.close()
        for site in self.sites.values():
            if site.process is not None and site.process.poll() is None:
                site.process.send_signal(signal.SIGTERM)
        for site in self.sites.values():
            site.stop()
        self.gateway.stop()

    def __enter__(self) -> Loopback:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
