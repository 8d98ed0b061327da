"""JSON Schemas of study.yaml and site.yaml, for editors; docs/schemas holds them and a test keeps them current."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from site_config.documents.field_notes import NOTES
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study

DOCUMENTS: dict[str, type[BaseModel]] = {"study": Study, "site": SiteConfig}


def schema(which: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one document; a fault of the program for another name."""
    found = DOCUMENTS[which].model_json_schema(mode="validation")
    found["properties"].pop("home", None)
    for name, part in [(DOCUMENTS[which].__name__, found), *found.get("$defs", {}).items()]:
        for field, value in part.get("properties", {}).items():
            value["description"] = NOTES.get(f"{name}.{field}", value.get("description", ""))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{which}.yaml of fedhcc", **found}


def schema_text(which: str) -> str:
    """The schema as text, two spaces, final newline."""
    return json.dumps(schema(which), indent=2, ensure_ascii=False) + "\n"
