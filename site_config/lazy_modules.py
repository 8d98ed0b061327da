"""Own modules that are loaded when they are first used, declared where imports are: for code that may never need torch.

A hospital's agent answers most questions without a network, and 52 of them on one machine would each pay 0.5 GB for torch.

    if TYPE_CHECKING:
        from shared_model.networks import rad
    else:
        rad = lazy("shared_model.networks.rad_networks")

The first branch is what type checkers, readers and the tests of layers and circles see.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def lazy(module: str) -> ModuleType:
    """A stand-in for a module: its first use imports the module, and every use reads the module itself."""
    return _Later(module)
