"""The JSON Schema (2020-12) of the policy document, for editors and other tools."""

import json
from typing import Any

import msgspec

from keepstone.policy.schema.document import Policy

SCHEMA_ID = "urn:keepstone:policy:1"


def schema_text() -> str:
    """Return the schema as indented JSON with a last newline, the same text each time."""
    (root,), definitions = msgspec.json.schema_components([Policy], ref_template="#/$defs/{name}")
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Keepstone policy",
        **root,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
