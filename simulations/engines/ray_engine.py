"""The `ray` engine: Flower's own simulation runtime carries the messages, for one large machine.

All sites' agents live in one actor, which takes all of `cpus` and `gpus`: a site's ephemeral keys are in the memory of the
process that made them, so the three messages of a secure sum must reach the same one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from queue import Empty, Queue

from flwr.app import Context
from flwr.serverapp import ServerApp
from flwr.serverapp.grid import Grid
from flwr.simulation import run_simulation

from client.app import HOME_VARIABLE, app
from server.app import sites_of
from server.link.child_process import QUIET
from server.link.flower_grid import FlowerTransport
from site_config.problems import federation

START_S = 240.0


@contextmanager
def ray_transport(sites: Mapping[str, Path], cpus: int = 2, gpus: float = 0.0) -> Iterator[FlowerTransport]:
    """A transport to sites in Flower's simulation; `sites` gives each site's home folder by name.

    Raises FH-719 when the runtime does not start.
    """
    handed: Queue[Grid] = Queue()
    over = threading.Event()
    server = ServerApp()

    @server.main()  # type: ignore[untyped-decorator]
    def hold(grid: Grid, _context: Context) -> None:
        handed.put(grid)
        over.wait()

    before = {name: os.environ.get(name) for name in (HOME_VARIABLE, *QUIET)}
    # The trailing separator marks a list even where there is one site only.
    os.environ.update({HOME_VARIABLE: os.pathsep.join(str(home.resolve()) for home in sites.values()) + os.pathsep, **QUIET})
    resources = {"init_args": {"num_cpus": cpus, "num_gpus": int(gpus)}, "client_resources": {"num_cpus": cpus, "num_gpus": gpus}}
    runtime = threading.Thread(target=run_simulation, args=(server, app, len(sites)), kwargs={"backend_config": resources}, daemon=True)
    try:
        # Ray's workers import from the folder they were started in first, and a Flower user's holds a client.py.
        with chdir(next(iter(sites.values()))):
            runtime.start()
            try:
                grid = handed.get(timeout=START_S)
            except Empty:
                raise federation.ENGINE_FAILED.problem("Flower's simulation runtime did not start") from None
            nodes = sites_of(grid, len(sites), START_S)
        yield FlowerTransport(lambda: grid, nodes)
    finally:
        over.set()
        runtime.join(timeout=60)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
