"""A network namespace for the trial office and one for each hospital, with the firewall a hospital's IT would set.

Every hospital has a line of its own to the office, which forwards nothing, so hospitals cannot see each other. In a
hospital's namespace only this may pass, and each rule counts its packets: out to the gateway's one address and port, and
back what belongs to such a connection. Everything else, in or out, is counted and dropped.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

GATEWAY: Final = "10.99.0.1"
PORT: Final = 9443
OFFICE: Final = "fh-office"
RULES: Final = f"""
table inet hospital {{
  chain out {{
    type filter hook output priority 0; policy drop;
    oif lo counter accept comment "itself"
    ip daddr {GATEWAY} tcp dport {PORT} ct state new counter comment "out: connections to the gateway"
    ip daddr {GATEWAY} tcp dport {PORT} counter accept comment "out: packets to the gateway"
    ct state established counter accept comment "out: answers to somebody who came in"
    counter drop comment "out: dropped"
  }}
  chain in {{
    type filter hook input priority 0; policy drop;
    iif lo counter accept comment "itself"
    ip saddr {GATEWAY} tcp sport {PORT} ct state established counter accept comment "in: answers of the gateway"
    ct state new counter drop comment "in: connections dropped"
    counter drop comment "in: dropped"
  }}
}}
"""


def sh(*words: str, given: str | None = None) -> str:
    """Run a command of the host; what it printed. Raises `CalledProcessError`."""
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout


@dataclass(frozen=True)
class Line:
    """A hospital's namespace and its number, which makes its addresses."""

    name: str
    number: int

    @property
    def namespace(self) -> str:
        """Name of the namespace; podman takes `ns:/run/netns/NAME`."""
        return f"fh-{self.name}"

    @property
    def address(self) -> str:
        """The hospital's own address."""
        return f"10.99.{self.number}.2"


def _join(line: Line) -> None:
    """A hospital's namespace, its line to the office, and its firewall."""
    inner, outer = f"fs{line.number}", f"fo{line.number}"
    sh("ip", "netns", "add", line.namespace)
    sh("ip", "netns", "exec", line.namespace, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")  # the kernel's own greetings
    sh("ip", "link", "add", inner, "netns", line.namespace, "type", "veth", "peer", "name", outer, "netns", OFFICE)
    sh("ip", "-n", OFFICE, "addr", "add", f"10.99.{line.number}.1/24", "dev", outer)
    sh("ip", "-n", OFFICE, "link", "set", outer, "up")
    sh("ip", "-n", line.namespace, "addr", "add", f"{line.address}/24", "dev", inner)
    for device in ("lo", inner):
        sh("ip", "-n", line.namespace, "link", "set", device, "up")
    sh("ip", "-n", line.namespace, "route", "add", "default", "via", f"10.99.{line.number}.1")
    sh("ip", "netns", "exec", line.namespace, "nft", "-f", "-", given=RULES)


@contextmanager
def network(names: list[str]) -> Iterator[dict[str, Line]]:
    """The office and a line for every hospital; taken down at the end."""
    lines = {name: Line(name, number) for number, name in enumerate(names, 1)}
    made = [OFFICE, *(line.namespace for line in lines.values())]
    remove(made)
    try:
        sh("ip", "netns", "add", OFFICE)
        sh("ip", "-n", OFFICE, "link", "set", "lo", "up")
        sh("ip", "-n", OFFICE, "addr", "add", f"{GATEWAY}/32", "dev", "lo")
        for line in lines.values():
            _join(line)
        yield lines
    finally:
        remove(made)


def remove(namespaces: list[str]) -> None:
    """Delete namespaces, those that exist."""
    for name in namespaces:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)  # noqa: S603, S607


def counters(line: Line) -> dict[str, int]:
    """Packets by the rule's comment."""
    return read_counters(sh("ip", "netns", "exec", line.namespace, "nft", "-j", "list", "table", "inet", "hospital"))


def read_counters(listing: str) -> dict[str, int]:
    """Packets by comment of nft's JSON listing; rules of one comment are added up."""
    found: dict[str, int] = {}
    for entry in json.loads(listing)["nftables"]:
        rule = entry.get("rule")
        if rule is None:
            continue
        packets = sum(part["counter"]["packets"] for part in rule["expr"] if "counter" in part)
        found[rule.get("comment", "")] = found.get(rule.get("comment", ""), 0) + packets
    return found


def reachable(namespace: str, address: str, port: int, seconds: float = 2.0) -> bool:
    """Whether a connection opens, tried from within a namespace."""
    probe = f"import socket; socket.create_connection(({address!r}, {port}), {seconds})"
    done = subprocess.run(["ip", "netns", "exec", namespace, "python3", "-c", probe], capture_output=True, check=False)  # noqa: S603, S607
    return done.returncode == 0
