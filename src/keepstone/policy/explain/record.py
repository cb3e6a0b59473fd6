"""What is written down and kept, in plain sentences, with what can be lost."""

from collections.abc import Iterator
from typing import assert_never

from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.record import (
    Anchor,
    Content,
    Durability,
    FolderAnchor,
    S3Anchor,
    S3Store,
    WitnessAnchor,
)
from keepstone.policy.schema.store import Store


def explain_record(policy: Policy) -> Iterator[str]:
    """Yield when an answer may leave, what is written down and how long it is kept."""
    if policy.record.durability is Durability.STRICT:
        yield "An answer leaves only after its record is on disk."
    if not policy.record.client:
        yield "Records do not say from which address a call came."
    if policy.record.store is not None:
        yield from _store(policy.record.store, policy.retention.ledger_days)
    if policy.record.anchors:
        names = ", ".join(f"`{_anchor_name(each)}`" for each in policy.record.anchors)
        yield f"Every {policy.record.anchor_every} signed checkpoints go to {names}."
    retention = policy.retention
    if retention.content is Content.NONE:
        yield f"Records are kept {retention.ledger_days} days; texts of calls are not stored."
        return
    yield f"Records are kept {retention.ledger_days} days."
    subject = retention.subject
    whose = {
        "principal": "the caller",
        "tenant": "the caller's tenant",
        "header": f"who the header `{subject.name}` names",
        "metadata": f"who `requestMetadata` names under `{subject.name}`",
    }[subject.source]
    yield (
        f"What is sent to models and what they answer is kept {retention.content_days} days, encrypted "
        f"under a key of its subject: {whose}."
    )
    if retention.envelope is not None:
        yield (
            f"These keys are wrapped by the KMS key `{retention.envelope.kms_key_id}`; an opened one is used "
            f"for {retention.envelope.cache} at most."
        )
    if subject.source != "principal":
        verb = "is refused" if subject.missing == "refuse" else "counts as the caller's own"
        yield f"A call that names no subject {verb}."
    if retention.content_failure == "refuse":
        yield "A call whose content cannot be kept is refused."


def _store(store: S3Store, days: int) -> Iterator[str]:
    yield (
        f"Every {store.interval} what was published is copied to `s3://{store.bucket}/{store.prefix}` and "
        f"locked there for {store.lock_days or days} days."
    )
    if store.when_behind == "refuse":
        yield f"Calls are refused while more than {store.most_behind} records of a log are not copied."


def _anchor_name(anchor: Anchor) -> str:
    match anchor:
        case S3Anchor():
            return f"s3://{anchor.bucket}/{anchor.prefix}"
        case FolderAnchor():
            return anchor.path
        case WitnessAnchor():
            return anchor.url
        case _:
            assert_never(anchor)


def record_gaps(policy: Policy) -> Iterator[str]:
    """Yield what may be missing from the record, or be changed in it."""
    if policy.record.durability is Durability.BOUNDED:
        yield f"A crash can lose the record of the last {policy.record.window}."
    if not policy.record.anchors and policy.record.store is None:
        yield "Whoever has the gateway's disk and the ledger's key can cut or rewrite the record unnoticed."
    if policy.record.store is not None and policy.record.store.when_behind == "go-on":
        yield "The copy of the record may fall behind without limit; a metric says how far."
    if policy.store.stale_for != Store().stale_for:
        yield f"A revoked key may work for {policy.store.stale_for} while a shared database does not answer."
    if policy.retention.content is Content.ENCRYPTED and policy.retention.content_failure == "proceed":
        yield "Content that cannot be kept is missing; its record says so."
