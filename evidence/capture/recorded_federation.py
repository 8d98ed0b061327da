"""A loopback federation with a recorder in front of every site, and a study run over it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from client.keys_kit_and_decisions import join
from evidence.capture.recorder import Recorder
from server import hospital_register as enrol
from server import office_setup
from simulations.engines.loopback_engine import Loopback, SiteProcess, loopback_address
from simulations.study.site_folders import Homes
from site_config.keys_and_signatures import CoordinatorIdentity, sign_kit


def odd_site(name: str, home: Path, what: str) -> SiteProcess:
    """A site's program with a failing or a leaking agent."""
    return SiteProcess(name, home, [sys.executable, "-P", "-m", "evidence.capture.site_with_other_agent", what, "run", "--home", str(home)])


@contextmanager
def recorded(homes: Homes, places: Mapping[str, Path], odd: Mapping[str, str]) -> Iterator[tuple[Loopback, dict[str, Recorder]]]:
    """The federation of a prepared study, started; every site reaches the gateway through its own recorder.

    `places` gives sites that live elsewhere than `homes` says, `odd` what is wrong with a site's agent.
    """
    address, superlink = loopback_address()
    office_setup.readdress(homes.coordinator, address, listen=address, superlink_port=superlink)
    identity = CoordinatorIdentity.load(homes.coordinator)
    at = {name: places.get(name, home) for name, home in homes.sites().items()}
    recorders: dict[str, Recorder] = {}
    federation = Loopback(homes.coordinator, at)
    try:
        for name, home in at.items():
            recorders[name] = Recorder(int(address.rpartition(":")[2]), homes.coordinator / "tls")
            kit = enrol.kit(homes.coordinator, name)
            moved = sign_kit(kit.model_copy(update={"address": f"127.0.0.1:{recorders[name].port}"}), identity)
            join(home / "state", moved.model_dump_json().encode())
            if name in odd:
                federation.sites[name] = odd_site(name, home, odd[name])
        with federation:
            yield federation, recorders
    finally:
        for recorder in recorders.values():
            recorder.close()
