"""A model family as a table: the shapes of its bodies and the few functions in which families differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire import usage as counts
from keepstone.gateway.wire.deltas import Delta, Kind, Path, at, continued, is_text, whole
from keepstone.gateway.wire.rules import DocumentText, Rule, Shape, plain, read, tree
from keepstone.gateway.wire.slots import Origin

Document = dict[str, Any]

INTERVENED = {"amazon-bedrock-guardrailAction": "INTERVENED"}
"""What Bedrock adds to a body in which a guardrail spoke instead of the model."""

BEDROCK: Shape = {
    "amazon-bedrock-guardrailAction": plain,
    "amazon-bedrock-trace": tree,
    counts.METRICS: plain,
}
"""Members that Bedrock adds to the answers of every family."""


@dataclass(frozen=True, slots=True)
class ShapedFamily:
    """The bodies of one model family.

    `limit` is the path of the caller's output limit. `answers_in_text` says that a refusal can be put in the
    family's own shape; `buffer_all` that the pieces of its streams mean nothing until all are there.
    """

    name: str
    request: Shape
    response: Shape
    answer: Callable[[str], Document]
    events: Callable[[str], list[Document]]
    meaning: Callable[[Document], Delta]
    counted: Callable[[Mapping[str, Any]], TokenUsage | None] = lambda _document: None
    limit: tuple[Path, ...] = (("max_tokens",),)
    answers_in_text: bool = True
    buffer_all: bool = False

    def request_slots(self, document: Document) -> DocumentText:
        """Return the text of a request body."""
        return read(document, self.request)

    def response_slots(self, document: Document) -> DocumentText:
        """Return the text of an answer body; what the model said has the origin assistant."""
        return read(document, {**self.response, **BEDROCK}, Origin.ASSISTANT)

    def usage(self, document: Mapping[str, Any], headers: Mapping[str, str]) -> TokenUsage | None:
        """Return the counts of an answer or a stream's chunk: Bedrock's own first, then the model's."""
        return counts.from_headers(headers) or counts.from_metrics(document) or self.counted(document)

    def max_tokens(self, document: Document) -> int | None:
        """Return how many tokens of output the caller asked for at most, if it said."""
        for path in self.limit:
            value: Any = document
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if counts.count(value):
                return counts.count(value)
        return None

    def classify(self, document: Document) -> Delta:
        """Return the meaning of one chunk's document."""
        return self.meaning(document)

    def blocked_response(self, message: str) -> Document:
        """Return the answer of an intervening guardrail in the family's own shape."""
        return {**self.answer(message), **INTERVENED}

    def blocked_stream(self, message: str) -> list[Document]:
        """Return the chunks of an intervening guardrail, for a stream of which nothing was released."""
        *events, last = self.events(message)
        return [*events, {**last, **INTERVENED}]


def counted_at(
    holder: str, names: tuple[str, str, str, str]
) -> Callable[[Mapping[str, Any]], TokenUsage | None]:
    """Read counts from the member `holder` of an answer, or from the answer itself when it is empty."""
    return lambda document: counts.from_members(document.get(holder) if holder else document, names)


def text_chunks(
    shape: Shape, paths: Mapping[str, Path], is_last: Callable[[Document], bool]
) -> Callable[[Document], Delta]:
    """Return the meaning of chunks that each hold a piece of text at one of `paths` (channel -> path)."""
    known = {**shape, **BEDROCK}
    flows = {channel: (Kind.TEXT, path) for channel, path in paths.items()}

    def meaning(document: Document) -> Delta:
        final = is_last(document)
        if final and not any(is_text(document, path) and at(document, path) for path in paths.values()):
            return whole(Kind.END, document, known)  # without text, such as Cohere's `stream-end`
        otherwise = Kind.METADATA if counts.METRICS in document else Kind.OTHER
        return continued(document, flows, known, block="0", final=final, otherwise=otherwise)

    return meaning


def settings(*names: str) -> dict[str, Rule]:
    """Return the shape of members that hold only names, numbers and constants."""
    return dict.fromkeys(names, plain)
