"""Evidence: what an exchange, a secure sum and a round with large weights cost over five loopback sites, and on stock Flower.

`python -m evidence.running.flower_speed` writes `docs/evidence/flower_speed.json`. The stock run has the same gateway and
SuperLink, Flower's own SuperNodes with a process per message, and an app that echoes. The round is that of
`evidence.running.flower_round`: 33 MB down to each of five sites and a masked update up, with where the time goes.
"""

from __future__ import annotations

import hashlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from client import keys_kit_and_decisions as at_site
from client.program.resident_worker import Worker
from client.program.site_runner import SiteProgram
from evidence.record import record
from evidence.running.flower_round import measure
from server import hospital_register as at_office
from server import office_setup
from server.link.child_process import environment
from server.link.flower_grid import FlowerTransport
from server.link.nginx_gateway import Gateway
from server.link.superlink import attach, link_of
from shared_model.secure_sum.federation_messages import Message
from simulations.engines.loopback_engine import ONE_THREAD, Loopback, SiteProcess, free_ports, loopback_address
from site_config.atomic_files import write_atomic
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import SiteIdentity
from site_config.study.flower_app_bundle import PYPROJECT

SITES = 5
EXCHANGES = 15
STOCK_EXCHANGES = 3
COVERS = [
    "client/release/door.py",
    "client/program/flower_node.py",
    "client/program/resident_worker.py",
    "client/program/site_runner.py",
    "server/link/flower_grid.py",
    "server/link/superlink.py",
    "server/link/superlink_front.py",
    "server/link/superlink_calls.py",
    "shared_model/flower/several_calls.py",
    "shared_model/flower/flower_connection.py",
    "shared_model/flower/parcels.py",
    "server/asking/ask_masked_sum.py",
    "server/link/nginx_gateway.py",
    "server/templates/nginx.conf.j2",
    "shared_model/secure_sum/pairwise_masks.py",
    "shared_model/secure_sum/message_bytes.py",
    "evidence/running/flower_round.py",
]
ECHO_APP = """from flwr.app import RecordDict, Message
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query("fedhcc")
def handle(message, context):
    return Message(message.content, reply_to=message)
"""


def offices(folder: Path) -> tuple[Path, dict[str, Path]]:
    """A coordinator's home and the homes of enrolled sites."""
    address, superlink = loopback_address()
    office_setup.init(folder / "office", "Speed", address, listen=address, superlink_port=superlink)
    homes = {}
    for number in range(SITES):
        name = f"site-{number + 1}"
        home = homes[name] = folder / name
        home.mkdir()
        write_atomic(home / "site.yaml", f"site: {name}\n".encode())
        identity = at_site.init(home / "state", name)
        at_site.join(
            home / "state", at_office.enrol(folder / "office", identity.request().model_dump_json().encode()).model_dump_json().encode()
        )
    return folder / "office", homes


def timed(transport: FlowerTransport, requests: dict[str, Message], limit_s: float = 300.0) -> float:
    """Seconds of one exchange in which every site replied."""
    began = time.perf_counter()
    done = transport.exchange(requests, limit_s)
    took = time.perf_counter() - began
    if done.failures:
        raise RuntimeError(f"exchange failed: {done.failures}")
    return took


def ours(folder: Path) -> dict[str, object]:
    """Exchanges of our own nodes."""
    office, homes = offices(folder)
    federation = Loopback(office, homes)
    for name, home in homes.items():
        federation.sites[name] = SiteProcess(name, home, [sys.executable, "-P", "-m", "evidence.running.flower_speed", "echo", str(home)])
    with federation:
        transport = federation.transport()
        small = {name: Message("status", {"echo": True}, {"v": np.zeros(50)}, room=400) for name in homes}
        timed(transport, small)
        exchanges = [timed(transport, small) for _ in range(EXCHANGES)]
    return {"exchange_s": spread(exchanges)}


def rounds(folder: Path) -> dict[str, object]:
    """A secure sum, and a round of the full-size network, in the rings a study may choose."""
    found = {f"ring_{ring}": measure(folder / f"ring-{ring}", SITES, ring) for ring in (32, 64)}
    small = [seconds for one in found.values() for seconds in one.pop("secure_sum_s")]
    return {"secure_sum_s": spread(small), "round": found}


def stock_bundle() -> bytes:
    """A bundle with an echoing app, as `flwr build` would make it."""
    project = PYPROJECT.format(version="0.0.1").replace("server.app:app", "echo_app:app").replace("client.app:app", "echo_app:app")
    files = {"pyproject.toml": project.encode(), "echo_app.py": ECHO_APP.encode()}
    listing = "".join(f"{name},{hashlib.sha256(data).hexdigest()},{len(data) * 8}\n" for name, data in files.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (files | {".info/CONTENT": listing.encode()}).items():
            archive.writestr(name, data)
    return buffer.getvalue()


def stock(folder: Path) -> dict[str, object]:
    """Exchanges of Flower's own SuperNodes."""
    office, homes = offices(folder)
    register = at_office.load(office)
    processes = []
    with Gateway(office):
        nodes = {site.name: site.node_id for site in register.active().values()}
        for (name, home), port in zip(homes.items(), free_ports(SITES), strict=True):
            command = [
                str(Path(sys.executable).with_name("flower-supernode")),
                f"--superlink={register.address}",
                f"--root-certificates={office / 'tls' / 'ca.pem'}",
                f"--auth-supernode-private-key={SiteIdentity.load(home / 'state', name).node_file}",
                f"--port={port}",
            ]
            extra = {**ONE_THREAD, "FLWR_HOME": str(home / "flwr"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            with (home / "node.log").open("wb") as out:
                processes.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment(extra)))  # noqa: S603
        transport = FlowerTransport(lambda: attach(link_of(office), stock_bundle()), nodes)
        try:
            end = time.monotonic() + 120
            while not all(transport.sites().values()) and time.monotonic() < end:
                time.sleep(0.5)
            small = {name: Message("status", {}, {"v": np.zeros(50)}, room=400) for name in homes}
            timed(transport, small)
            found = [timed(transport, small) for _ in range(STOCK_EXCHANGES)]
        finally:
            transport.close()
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)
    return {"stock_exchange_s": spread(found)}


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def echo_site(home: Path) -> None:
    """A site's real program whose resident process echoes or acknowledges."""
    import signal

    program = SiteProgram(load_site(home / "site.yaml"), Worker(home, make_echo))
    signal.signal(signal.SIGTERM, lambda *_: program.stop())
    program.run()


class make_echo:  # noqa: N801 - a factory that can be sent to another process
    """The echoing agent of a home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, message: Message) -> Message:
        """The same arrays where `echo` is asked, else none."""
        return Message("status", {}, dict(message.arrays) if message.body.get("echo", True) else {})


def main() -> None:
    """Measure all and record."""
    if sys.argv[1:2] == ["echo"]:
        echo_site(Path(sys.argv[2]))
        return
    figures: dict[str, Any] = {"sites": SITES, "load_before": [round(value, 1) for value in os.getloadavg()]}
    for piece in (ours, stock, rounds):
        with tempfile.TemporaryDirectory(prefix="fedhcc-speed-") as folder:
            figures |= piece(Path(folder))
        sys.stderr.write(f"{figures}\n")
    figures["load_after"] = [round(value, 1) for value in os.getloadavg()]
    figures["stock_over_ours"] = round(figures["stock_exchange_s"]["median"] / figures["exchange_s"]["median"], 1)
    figures["bars"] = {
        "an exchange takes at most 0.25 s (median)": figures["exchange_s"]["median"] <= 0.25,
        "a secure sum takes at most 0.75 s (median)": figures["secure_sum_s"]["median"] <= 0.75,
        "the SuperLink costs at most 1.5 CPU-s a round of 33 MB": figures["round"]["ring_32"]["cpu_s"]["SuperLink"] <= 1.5,
    }
    record("flower_speed", covers=COVERS, figures=figures, seeds=[7])


if __name__ == "__main__":
    main()
