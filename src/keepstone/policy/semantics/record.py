"""What a well-formed `retention` gets wrong: whose content is, how long it lasts, what wraps its keys."""

from collections.abc import Iterator

from keepstone.policy.bedrock_endpoint import aws_url_faults
from keepstone.policy.duration import parse_duration
from keepstone.policy.problems import Fault, Path
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.record import Content, KmsEnvelope

_LEAST_CACHE, _MOST_CACHE = "1s", "1h"
_ENVELOPE = ("retention", "envelope")


def _content_has_subjects(policy: Policy) -> Iterator[Fault]:
    retention, subject = policy.retention, policy.retention.subject
    path = ("retention", "subject", "name")
    if subject.source in ("principal", "tenant"):
        if subject.name:
            yield Fault(path, f"`name` has no meaning with source `{subject.source}`")
    elif not subject.name:
        yield Fault(path, f"expected the name of the {subject.source} that says whose the content is")
    elif subject.name.lower() in ("authorization", "cookie", "x-amz-security-token"):
        yield Fault(path, f"`{subject.name}` holds a secret, not a subject")
    if retention.content is Content.ENCRYPTED and retention.content_days > retention.ledger_days:
        yield Fault(
            ("retention", "content_days"), "content would outlive its records: expected at most `ledger_days`"
        )


def _envelope_can_be_asked(policy: Policy) -> Iterator[Fault]:
    envelope = policy.retention.envelope
    if envelope is None:
        return
    if not envelope.place:
        yield Fault(_ENVELOPE, "expected `region`, or the ARN of the key", "KMS keys are of one region")
    yield from _keys_are_of(envelope, (*_ENVELOPE, "kms_key_id"))
    yield from aws_url_faults(envelope.endpoint_url, envelope.place, (*_ENVELOPE, "endpoint_url"))
    least, most = parse_duration(_LEAST_CACHE), parse_duration(_MOST_CACHE)
    if not least <= parse_duration(envelope.cache) <= most:
        message = f"expected `{_LEAST_CACHE}` to `{_MOST_CACHE}`, got `{envelope.cache}`"
        yield Fault((*_ENVELOPE, "cache"), message)


def _keys_are_of(envelope: KmsEnvelope, path: Path) -> Iterator[Fault]:
    for key in (envelope.kms_key_id, *envelope.former_key_ids):
        parts = key.split(":")
        if parts[0] == "arn" and (len(parts) != 6 or parts[2] != "kms"):
            yield Fault(path, f"`{key}` is not the ARN of a KMS key or alias")
        elif parts[0] == "arn" and parts[3] != envelope.place:
            yield Fault(path, f"the key is in `{parts[3]}`, the `region` is `{envelope.place}`")


RECORD_CHECKS = (_content_has_subjects, _envelope_can_be_asked)
