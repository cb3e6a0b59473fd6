"""Amazon Nova's bodies: Converse's shapes, with each stream event as the one member of its chunk."""

from collections.abc import Mapping
from typing import Any

import msgspec

from keepstone.core.errors import WireError
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire import converse
from keepstone.gateway.wire import usage as counts
from keepstone.gateway.wire.deltas import Delta, Kind, classify_converse, continued
from keepstone.gateway.wire.family.shaped import BEDROCK, Document, ShapedFamily
from keepstone.gateway.wire.rules import plain, skipped

_EVENTS = (
    "contentBlockDelta",
    "messageStart",
    "contentBlockStart",
    "contentBlockStop",
    "messageStop",
    "metadata",
)


def _classify(document: Document) -> Delta:
    names = [name for name in _EVENTS if type(document.get(name)) is dict]
    if len(names) > 1:
        raise WireError("a chunk carries several events at once")
    if not names:
        return continued(document, {}, BEDROCK)
    (name,) = names
    inner = classify_converse(name, document[name])
    beside = continued(document, {}, {**BEDROCK, name: skipped})
    if beside.kind is not Kind.OTHER:
        raise WireError("a chunk carries a text beside its event")
    return msgspec.structs.replace(
        inner,
        path=(name, *inner.path) if inner.path else (),
        slots=inner.slots + beside.slots,
        uninspectable=tuple(f"{name}.{path}" for path in inner.uninspectable) + beside.uninspectable,
    )


def _counted(document: Mapping[str, Any]) -> TokenUsage | None:
    holder = document.get("metadata", document)
    return counts.from_members(holder.get("usage"), counts.NOVA) if isinstance(holder, dict) else None


def _answer(sentence: str) -> Document:
    answer = converse.blocked_response(sentence, TokenUsage())
    return {name: answer[name] for name in ("output", "stopReason", "usage")}


def _events(sentence: str) -> list[Document]:
    return [{name: event} for name, event in converse.blocked_stream_events(sentence, TokenUsage())]


NOVA = ShapedFamily(
    name="nova",
    request={**converse.REQUEST, "schemaVersion": plain},
    response=converse.RESPONSE,
    answer=_answer,
    events=_events,
    meaning=_classify,
    counted=_counted,
    limit=(("inferenceConfig", "maxTokens"), ("inferenceConfig", "max_new_tokens")),
)
"""Nova Micro, Lite, Pro and Premier."""
