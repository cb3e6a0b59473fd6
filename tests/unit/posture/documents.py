"""Plans and states as Terraform tells them, no larger than a test needs."""

import json
import re
from pathlib import Path
from typing import Any

_STEPS = re.compile(r"\[[^\]]*\]")


def change(address: str, after: dict[str, Any] | None, unknown: Any = None, **more: Any) -> dict[str, Any]:
    plain = _STEPS.sub("", address).split(".")
    return {
        "address": address,
        "mode": "data" if "data" in plain else "managed",
        "type": plain[-2],
        "name": plain[-1],
        "change": {
            "actions": more.get("actions", ["create"]),
            "after": after,
            "after_unknown": unknown or {},
            "after_sensitive": more.get("sensitive", {}),
        },
    }


def written(address: str, **expressions: Any) -> dict[str, Any]:
    return {
        "address": address,
        "expressions": {
            name: {"references": list(each)} if isinstance(each, tuple) else {"constant_value": each}
            for name, each in expressions.items()
        },
    }


def plan(*changes: dict[str, Any], root: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "resource_changes": list(changes),
        "configuration": {"root_module": root or {}},
        **more,
    }


def state(*resources: dict[str, Any], children: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "format_version": "1.0",
        "terraform_version": "1.11.4",
        "values": {"root_module": {"resources": list(resources), "child_modules": list(children)}},
    }


def resource(address: str, values: dict[str, Any], sensitive: Any = None) -> dict[str, Any]:
    plain = _STEPS.sub("", address).split(".")
    return {"address": address, "type": plain[-2], "values": values, "sensitive_values": sensitive or {}}


def saved(folder: Path, document: Any) -> Path:
    path = folder / "document.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path
