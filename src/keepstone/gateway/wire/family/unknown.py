"""The bodies of models that nobody described: every string is inspected, and streams only as a whole."""

from keepstone.gateway.wire.deltas import Kind, whole
from keepstone.gateway.wire.family.shaped import BEDROCK, ShapedFamily

UNKNOWN = ShapedFamily(
    name="unknown",
    request={},
    response={},
    answer=lambda sentence: {"message": sentence},
    events=lambda sentence: [{"message": sentence}],
    meaning=lambda document: whole(Kind.OTHER, document, BEDROCK),
    limit=(("max_tokens",), ("maxTokens",)),
    answers_in_text=False,
    buffer_all=True,
)
"""The family of last resort."""
