"""The places outside that a policy names for its ledger, opened."""

from pathlib import Path
from typing import assert_never

from keepstone.aws.s3_objects import S3Objects
from keepstone.ledger.outside.anchor import Anchor, NoteAnchor
from keepstone.ledger.outside.objects import FolderObjects
from keepstone.ledger.outside.witness import WitnessAnchor, witness_at
from keepstone.policy.schema import record as schema


def open_bucket(place: schema.S3Store | schema.S3Anchor) -> S3Objects:
    """Return a bucket of the policy; it is reached when it is first used."""
    return S3Objects(
        place.bucket,
        place.prefix,
        region=place.region,
        endpoint=place.endpoint_url,
        lock_days=place.lock_days or 0,
    )


def open_anchor(anchor: schema.Anchor) -> Anchor:
    """Return an anchor of the policy; raise `LedgerError` for a witness's key that is none."""
    match anchor:
        case schema.S3Anchor():
            return NoteAnchor(open_bucket(anchor))
        case schema.FolderAnchor():
            return NoteAnchor(FolderObjects(Path(anchor.path)))
        case schema.WitnessAnchor():
            return WitnessAnchor(witness_at(anchor.url, anchor.key))
        case _:
            assert_never(anchor)
