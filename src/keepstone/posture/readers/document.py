"""A Terraform document from a file: what it is, by whom it was made, and errors that say what to do."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from keepstone import __version__
from keepstone.core.errors import UsageError
from keepstone.posture.readers.source import SHOW, STANDARD_INPUT, contents, utf8
from keepstone.posture.snapshot import Provenance

_VERSION = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Document:
    """The JSON of a plan or a state, and where it comes from."""

    content: Mapping[str, Any]
    provenance: Provenance

    @property
    def is_plan(self) -> bool:
        """Say whether it is a plan."""
        return self.provenance.source == "plan"


def load(path: Path, now: datetime) -> Document:
    """Read a plan or a state; raise `UsageError` for a file that is neither, or not whole."""
    raw = contents(path)
    found = _decoded(path, raw)
    source = _source(path, found)
    made_by = str(found.get("terraform_version", "an unknown version"))
    return Document(
        found,
        Provenance(
            source=source,
            name="standard input" if path == STANDARD_INPUT else path.name,
            read_at=now.isoformat(timespec="seconds"),
            read_by=f"keepstone {__version__}",
            made_by=f"terraform {made_by}, format {found['format_version']}",
            digest=f"sha256:{hashlib.sha256(raw).hexdigest()}",
        ),
    )


def _decoded(path: Path, raw: bytes) -> dict[str, Any]:
    if raw[:2] == b"PK":
        raise UsageError(f"`{path}` is a plan in Terraform's own form, expected its JSON", hint=SHOW)
    try:
        found = msgspec.json.decode(utf8(path, raw))
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"`{path}` is no JSON, or it is cut off", hint=SHOW) from error
    if not isinstance(found, dict):
        raise UsageError(f"`{path}` is no plan and no state: expected a JSON object", hint=SHOW)
    return found


def _source(path: Path, content: dict[str, Any]) -> str:
    """Return `plan` or `state`; what is neither, or of a form that is not known, is refused."""
    if "lineage" in content or "serial" in content:
        raise UsageError(f"`{path}` is a state file itself, expected what `show` makes of it", hint=SHOW)
    version = content.get("format_version")
    if not isinstance(version, str) or _VERSION.fullmatch(version) is None:
        raise UsageError(f"`{path}` is no plan and no state: it has no `format_version`", hint=SHOW)
    if int(version.split(".")[0]) > 1:
        raise UsageError(f"`{path}` has format `{version}`, expected `1.x`", hint="update Keepstone")
    if isinstance(content.get("resource_changes"), list) or "planned_values" in content:
        if content.get("errored") is True:
            raise UsageError(f"`{path}` is a plan that failed", hint="mend what `terraform plan` says first")
        return "plan"
    values = content.get("values")
    if isinstance(values, dict) and isinstance(values.get("root_module"), dict):
        return "state"
    raise UsageError(f"`{path}` holds no resources: an empty state, or no plan", hint=SHOW)
