"""A field that nothing reads does nothing: an attribute of its name is read somewhere in our code (by name, so a namesake hides one)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from server.hospital_register import Register
from shared_model.bundle.manifest_values import Manifest
from shared_model.secure_sum import statements  # noqa: F401  # its messages are counted too
from shared_model.secure_sum.federation_messages import Body
from shared_model.shares.messages import share_messages  # noqa: F401
from shared_model.statistics import statistic_parameters  # noqa: F401
from shared_model.statistics.statistic_declaration import Parameters
from site_config.keys_and_signatures import Kit, SiteRequest
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import SignedLock, Study, StudyLock

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("site_config", "shared_model", "client", "server", "simulations")


def models_below(model: type[BaseModel], found: dict[str, type[BaseModel]] | None = None) -> dict[str, type[BaseModel]]:
    """A model and all models its fields hold, by name."""
    found = {} if found is None else found
    if model.__name__ not in found:
        found[model.__name__] = model
        for field in model.model_fields.values():
            waiting = [field.annotation]
            while waiting:
                one = waiting.pop()
                if isinstance(one, type) and issubclass(one, BaseModel):
                    models_below(one, found)
                waiting += get_args(one)
    return found


def attributes_read() -> set[str]:
    """Every attribute that our code reads anywhere; a validator of the model itself counts, since it refuses something."""
    found: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            found |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    return found


READ = attributes_read()
ROOTS = (
    *(Study, SiteConfig, StudyLock, SignedLock, Kit, SiteRequest, Register, Manifest),
    *(kind for family in (Body, Parameters) for kind in family.__subclasses__()),
)
"""What people write or sign, what an office keeps, what a bundle says of itself, every message, and what a hospital may be asked."""


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.__name__)
def test_no_field_does_nothing(root: type[BaseModel]) -> None:
    unread = [f"{name}.{field}" for name, model in models_below(root).items() for field in model.model_fields if field not in READ]
    assert not unread
