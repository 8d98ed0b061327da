"""The Flower this program was written against, and what of its inside it touches.

`INTERNALS` holds the first 16 digits of the SHA-256 of those modules in the release of the locks, and `EARLIER` those that are
different in a release that is accepted too. A test fails where the installed Flower differs, and `docs/explanation/flower.md`
says what whoever takes up another release must look at.
"""

from __future__ import annotations

from importlib.metadata import version

from site_config.problems import federation

FLOWER = "1.42.0"
INTERNALS = {
    "flwr.app.message.message": "1d223bba91a32f83",
    "flwr.common.constant": "bf7e70193aee9ca2",
    "flwr.server.superlink.linkstate.in_memory_linkstate": "b97b47b961351701",
    "flwr.server.superlink.linkstate.utils": "5514a9e58c22e0b7",
    "flwr.serverapp.grid.grid": "4e86ee39e682552a",
    "flwr.supercore.control.control_http_client": "e5111a5314d49b15",
    "flwr.supercore.error.catalog": "7e0b1c52a26e0193",
    "flwr.supercore.error.http": "9f6babdb38974e35",
    "flwr.supercore.inflatable.inflatable_protobuf_utils": "aeac102e54a87609",
    "flwr.supercore.inflatable.inflatable_utils": "077b26d921aa8638",
    "flwr.supercore.interceptors.http.superexec_auth": "8d929df267d13271",
    "flwr.supercore.object_store.in_memory_object_store": "6bc131d53142ab0c",
    "flwr.supercore.protobuf.client": "0bb91b4a9336b8cc",
    "flwr.supercore.retry.retry_invoker": "d386007aca8d4e36",
    "flwr.supercore.runtime.runtime_http_client": "efdac833ff305507",
    "flwr.supercore.task_identity": "5c6b5ac44068f7ca",
    "flwr.superlink.cli.flower_superlink": "53a0528b289cbb7b",
    "flwr.superlink.grid.http_grid": "0c33918af5016310",
    "flwr.superlink.main": "500f01979e167243",
    "flwr.superlink.routers.fleet.node_auth": "8646e6bfd8e5b47d",
    "flwr.superlink.servicer.fleet.fleet_handlers": "117665fa865c30dc",
    "flwr.superlink.servicer.runtime.runtime_handlers": "3facf815e9360dd6",
    "flwr.supernode.fleet_http_client": "9b09bd3e5237f2a9",
    "flwr.supernode.node_auth_http_interceptor": "a4f3f51424039a14",
}
# An office and a hospital do not change their images on the same day.
EARLIER = {"1.41.0": {"flwr.superlink.main": "3e94714b6f1433fd"}}


def internals(release: str) -> dict[str, str]:
    """Module → digits in that release of Flower."""
    return INTERNALS | EARLIER.get(release, {})


def check_version() -> None:
    """FH-717 where another Flower is installed than those this program was written against."""
    found = version("flwr")
    if found != FLOWER and found not in EARLIER:
        raise federation.FLOWER_DIFFERS.problem(f"flwr {found} is installed, {FLOWER} is needed")
