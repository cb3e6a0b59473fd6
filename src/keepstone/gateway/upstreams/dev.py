"""`keepstone.dev`: a model inside the gateway for development. It is no intelligence, and says so.

It answers deterministically: the same request gets the same answer, in the shape of whatever family the
model id names. It can echo, follow a script, be slow, or fail, so that an application's handling of all that
can be tried without a cloud.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import WITHOUT_MODEL, Operation, TokenUsage
from keepstone.gateway.ports import UpstreamReply, UpstreamRequest
from keepstone.gateway.wire import converse
from keepstone.gateway.wire.count_tokens import unwrap
from keepstone.gateway.wire.deltas import wrap_chunk
from keepstone.gateway.wire.eventstream import WireEvent
from keepstone.gateway.wire.families import Family, family_for
from keepstone.gateway.wire.family.anthropic import MESSAGES
from keepstone.gateway.wire.family.chat import CHAT
from keepstone.gateway.wire.family.cohere import COMMAND_R, EMBED
from keepstone.gateway.wire.family.llama import LLAMA
from keepstone.gateway.wire.family.titan import TEXT
from keepstone.gateway.wire.family.unknown import UNKNOWN
from keepstone.gateway.wire.slots import Origin, Slot, encode_document
from keepstone.policy.schema.upstreams import DevBehaviour

WHO = "keepstone.dev, a development model without intelligence"
_WORD = re.compile(r"\S+\s*|\s+")
_BY_MEMBER: Mapping[str, Family] = {
    "messages": CHAT,
    "prompt": LLAMA,
    "inputText": TEXT,
    "message": COMMAND_R,
    "texts": EMBED,
}
"""Where a body of no known family may say what a user said."""
_COUNTS = ("x-amzn-bedrock-input-token-count", "x-amzn-bedrock-output-token-count")


class DevelopmentModel:
    """Answers calls from inside the process."""

    def __init__(
        self, name: str, attempts: int, behaviour: DevBehaviour, script: Mapping[str, str], delay: float
    ) -> None:
        self.name = name
        self.attempts = attempts
        self._behaviour = behaviour
        self._script = script
        self._delay = delay if behaviour is DevBehaviour.SLOW else 0.0

    def supports(self, operation: Operation) -> bool:
        """Serve every operation that goes to a model."""
        return operation not in WITHOUT_MODEL

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Answer one call, or fail if that is the behaviour."""
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._behaviour is DevBehaviour.FAILING:
            raise UpstreamError(
                "the development model fails, as configured", code="upstream.dev", retryable=True
            )
        said = last_words(request)
        if request.operation is Operation.COUNT_TOKENS:
            return _json({"inputTokens": count_tokens(said)})
        text = self._answer(said)
        used = TokenUsage(count_tokens(said), count_tokens(text))
        match request.operation:
            case Operation.CONVERSE:
                return _json(_converse_answer(text, used))
            case Operation.CONVERSE_STREAM:
                return UpstreamReply(200, {}, events=self._paced(_converse_events(text, used)))
            case Operation.INVOKE_MODEL:
                reply = _json(_family_answer(_family(request), text, request.document))
                reply.headers = dict(zip(_COUNTS, (str(used.input), str(used.output)), strict=True))
                return reply
            case _:
                return UpstreamReply(
                    200, {}, events=self._paced(_family_events(_family(request), text, used))
                )

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _answer(self, said: str) -> str:
        if self._behaviour is DevBehaviour.SCRIPTED:
            for needle, answer in self._script.items():
                if needle in said:
                    return answer
            return f"[{WHO}] The script has no answer to this."
        return f"[{WHO}] You said: {said}" if said else f"[{WHO}] You said nothing that it can read."

    async def _paced(self, events: list[WireEvent]) -> AsyncIterator[WireEvent]:
        for event in events:
            if self._delay:
                await asyncio.sleep(self._delay)
            yield event


def last_words(request: UpstreamRequest) -> str:
    """Return the text that the user said last, in a body of any family."""
    document, operation = dict(request.document), request.operation
    if operation is Operation.COUNT_TOKENS:
        counted = unwrap(document)
        document, operation = counted.document, counted.operation
    if operation in (Operation.CONVERSE, Operation.CONVERSE_STREAM):
        return converse.last_user_text(document)
    family = _family(request)
    if family is UNKNOWN:
        family = next((each for member, each in _BY_MEMBER.items() if member in document), UNKNOWN)
    slots = family.request_slots(document).slots
    said = [slot.value for slot in slots if slot.origin is Origin.USER and type(slot) is Slot]
    return said[-1] if said else ""


def count_tokens(text: str) -> int:
    """Return the number of words and marks: an honest count of something, not any model's tokens."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def _json(document: Mapping[str, Any]) -> UpstreamReply:
    return UpstreamReply(200, {"content-type": "application/json"}, encode_document(document))


def _converse_answer(text: str, used: TokenUsage) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": converse.usage_members(used),
        "metrics": {"latencyMs": 0},
    }


def _converse_events(text: str, used: TokenUsage) -> list[WireEvent]:
    documents: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    documents += [
        ("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0})
        for word in _WORD.findall(text)
    ]
    documents += [
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": converse.usage_members(used), "metrics": {"latencyMs": 0}}),
    ]
    return [WireEvent("event", name, encode_document(document)) for name, document in documents]


def _family(request: UpstreamRequest) -> Family:
    """Return the family of the model id, or of the body where the id names none."""
    return MESSAGES if "anthropic_version" in request.document else family_for(request.model_id)


def _family_answer(family: Family, text: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    if family is UNKNOWN and not ("inputText" in asked or "texts" in asked):
        return {"message": text}
    if family.name.endswith("embeddings") or not family.answers_in_text:
        return _embedding(family.name, text)
    document = family.blocked_response(text)
    return _spoken(document)


def _family_events(family: Family, text: str, used: TokenUsage) -> list[WireEvent]:
    documents = family.blocked_stream(text)
    documents[-1] = _spoken(documents[-1])
    documents[-1]["amazon-bedrock-invocationMetrics"] = {
        "inputTokenCount": used.input,
        "outputTokenCount": used.output,
        "invocationLatency": 0,
        "firstByteLatency": 0,
    }
    return [WireEvent("event", "chunk", wrap_chunk(document)) for document in documents]


def _spoken(document: dict[str, Any]) -> dict[str, Any]:
    """Return a guardrail's answer as a model's own: not intervened, not filtered."""
    document.pop("amazon-bedrock-guardrailAction", None)
    for result in (document, *document.get("results", ())):
        if result.get("completionReason") == "CONTENT_FILTERED":
            result["completionReason"] = "FINISH"
    return document


def _embedding(family: str, text: str) -> dict[str, Any]:
    """Return a vector made of the text's digest: stable, and close to nothing."""

    digest = hashlib.shake_256(text.encode()).digest(512)
    vector = [(digest[2 * i] * 256 + digest[2 * i + 1]) / 32767.5 - 1 for i in range(256)]
    if family.startswith("cohere"):
        return {"embeddings": [vector], "id": WHO, "response_type": "embeddings_floats", "texts": [text]}
    return {"embedding": vector, "inputTextTokenCount": count_tokens(text)}
