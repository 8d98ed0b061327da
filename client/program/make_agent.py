"""The agent that answers in a hospital's resident process; a module of its own, since it brings networks and segmentation with it."""

from __future__ import annotations

from pathlib import Path

from client.program.hospital_log import log_to_file
from client.program.message_agent import Agent
from client.program.resident_worker import Handle
from site_config.documents.read_yaml_documents import load_site


def make_agent(home: Path) -> Handle:
    """The site's agent, from its `site.yaml`."""
    site = load_site(home / "site.yaml")
    log_to_file(site.state, site.logging.level, site.logging.keep_megabytes)
    return Agent(site).handle
