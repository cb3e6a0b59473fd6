"""Which family's bodies a model id speaks in InvokeModel and InvokeModelWithResponseStream."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire.deltas import Delta
from keepstone.gateway.wire.family.anthropic import MESSAGES
from keepstone.gateway.wire.family.chat import CHAT
from keepstone.gateway.wire.family.cohere import COMMAND, COMMAND_R, EMBED
from keepstone.gateway.wire.family.llama import LLAMA
from keepstone.gateway.wire.family.mistral import CHAT as MISTRAL_CHAT
from keepstone.gateway.wire.family.mistral import PROMPT as MISTRAL
from keepstone.gateway.wire.family.nova import NOVA
from keepstone.gateway.wire.family.titan import EMBEDDINGS, TEXT
from keepstone.gateway.wire.family.unknown import UNKNOWN
from keepstone.gateway.wire.rules import DocumentText


class Family(Protocol):
    """How one family's bodies are read and how a refusal looks in them."""

    @property
    def name(self) -> str:
        """The family's name in records and metrics."""
        ...

    @property
    def buffer_all(self) -> bool:
        """Whether a stream has to be collected whole before it can be inspected."""
        ...

    @property
    def answers_in_text(self) -> bool:
        """Whether a refusal can stand in the family's own answer; if not, it is an error."""
        ...

    def request_slots(self, document: dict[str, Any]) -> DocumentText:
        """Return the text of a request body."""
        ...

    def response_slots(self, document: dict[str, Any]) -> DocumentText:
        """Return the text of an answer body."""
        ...

    def usage(self, document: Mapping[str, Any], headers: Mapping[str, str]) -> TokenUsage | None:
        """Return the counts of an answer or a chunk, `None` when it has none; header names in lower case."""
        ...

    def max_tokens(self, document: dict[str, Any]) -> int | None:
        """Return the caller's own limit of output tokens."""
        ...

    def classify(self, document: dict[str, Any]) -> Delta:
        """Return the meaning of one chunk's document."""
        ...

    def blocked_response(self, message: str) -> dict[str, Any]:
        """Return the answer of an intervening guardrail."""
        ...

    def blocked_stream(self, message: str) -> list[dict[str, Any]]:
        """Return the chunk documents of an intervening guardrail."""
        ...


# The first prefix that fits counts, so the narrower ones stand first.
_PREFIXES: tuple[tuple[str, Family], ...] = (
    ("anthropic.", MESSAGES),
    ("amazon.nova-canvas", UNKNOWN),
    ("amazon.nova-reel", UNKNOWN),
    ("amazon.nova-sonic", UNKNOWN),
    ("amazon.nova-2-multimodal-embeddings", UNKNOWN),
    ("amazon.nova-", NOVA),
    ("amazon.titan-embed-", EMBEDDINGS),
    ("amazon.titan-text-", TEXT),
    ("amazon.titan-tg1-", TEXT),
    ("meta.llama", LLAMA),
    ("mistral.pixtral-", MISTRAL_CHAT),
    ("mistral.mistral-large-2407", MISTRAL_CHAT),
    ("mistral.", MISTRAL),
    ("cohere.command-r-", COMMAND_R),
    ("cohere.command-", COMMAND),
    ("cohere.embed-v4", UNKNOWN),
    ("cohere.embed-", EMBED),
    ("openai.", CHAT),
    ("qwen.", CHAT),
    ("ai21.jamba-", CHAT),
    ("deepseek.", CHAT),
)

FAMILIES: tuple[Family, ...] = tuple({family.name: family for _, family in _PREFIXES}.values())
"""Every family, once."""

_ARN = re.compile(r"arn:[a-z0-9-]+:bedrock:[a-z0-9-]*:[0-9]*:(?:foundation-model|inference-profile)/(.+)")
_GEOGRAPHY = re.compile(r"(?:us|us-gov|eu|apac|global|jp|au|ca|sa|me|af)\.")


@lru_cache(maxsize=512)
def family_for(model_id: str) -> Family:
    """Return the family of a model id, an inference profile (`us.`, `global.`, ...) or their ARN.

    An ARN that hides its model, such as an application inference profile's, gives the unknown family.
    """
    found = _ARN.fullmatch(model_id)
    name = found[1] if found else model_id
    geography = _GEOGRAPHY.match(name)
    if geography:
        name = name[geography.end() :]
    for prefix, family in _PREFIXES:
        if name.startswith(prefix):
            return family
    return UNKNOWN
