"""The SuperLink's process: `python -m server.link.superlink_program HOME`.

Flower's SuperLink without a database: its state is in this process's memory, because nothing of a study is in it. Which
hospitals may connect is the enrolment register's; a run of Flower that was lost with an earlier process is begun anew by the
coordinator's program, and sites go on where they were.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import uvicorn
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan, _parse_superlink_lifespan_config
from flwr.superlink.main import create_app

from server.hospital_register import Register, load
from server.link.node_registration import Registration
from server.link.superlink_calls import Desk
from server.link.superlink_front import Front
from shared_model.flower.flower_version import check_version
from site_config.atomic_files import read_limited
from site_config.heap_memory import keep_heap

IDLE_S = 75


def words(home: Path, register: Register) -> list[str]:
    """What Flower's own command line is given: private, with keys asked for, installing and starting nothing."""
    tls = (home / "tls").resolve()
    return [
        "--host=127.0.0.1",
        f"--port={register.superlink_port}",
        f"--ssl-ca-certfile={tls / 'ca.pem'}",
        f"--ssl-certfile={tls / 'superlink.pem'}",
        f"--ssl-keyfile={tls / 'superlink.key'}",
        f"--database={FLWR_IN_MEMORY_DB_NAME}",
        "--enable-supernode-auth",
        "--isolation=process",
        f"--superexec-auth-secret-file={(home / 'identity' / 'runtime.secret').resolve()}",
        "--disable-runtime-dependency-installation",
    ]


def tell(line: str) -> None:
    """A line of the SuperLink's log."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
    sys.stderr.flush()


def main() -> None:
    """Serve until ended."""
    check_version()
    keep_heap()
    home = Path(sys.argv[1])
    register = load(home)
    sys.argv[1:] = words(home, register)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    config = _parse_superlink_lifespan_config()
    flower = create_app(config, SuperLinkLifespan)
    desk = Desk(flower.state.linkstate_factory.state(), tell)
    registration = Registration(home, desk)
    registration.look()
    secret = read_limited(home / "identity" / "runtime.secret", 4096)
    front = Front(flower, desk, secret, registration.look, tell)
    uvicorn.run(
        front,
        host=config.host,
        port=config.port,
        ssl_certfile=config.ssl_certfile,
        ssl_keyfile=config.ssl_keyfile,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=1,
        server_header=False,
    )


if __name__ == "__main__":
    main()
