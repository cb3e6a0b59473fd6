"""The one door for Terraform's documents: a file in, a snapshot out."""

from datetime import datetime
from pathlib import Path

from keepstone.core.errors import UsageError
from keepstone.posture.readers.document import load
from keepstone.posture.readers.plan import read_plan
from keepstone.posture.readers.state import read_state
from keepstone.posture.snapshot import Snapshot


def read(path: Path, now: datetime) -> Snapshot:
    """Return the snapshot of a plan's or a state's JSON; raise `UsageError` for what is neither."""
    document = load(path, now)
    reader = read_plan if document.is_plan else read_state
    try:
        return reader(document.content, document.provenance)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"`{path}` does not have the shape of a {document.provenance.source}",
            hint="make it with `terraform show -json`, and do not edit it",
        ) from error
