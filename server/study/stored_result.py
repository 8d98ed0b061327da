"""What every stored part of a result has in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

SetName = Literal["train", "validation", "test"]


class StoredResult(BaseModel):
    """Base of stored results."""

    model_config = ConfigDict(extra="forbid")
