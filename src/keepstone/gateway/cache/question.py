"""Which calls may be answered by an earlier answer, and what makes two of them the same.

A question lies in a context: caller or organisation, tenant, roles, class of data, purpose, permitted
upstreams, model, guardrails, changes, policy, and all of the request but the last user message. Contexts
never meet, so no answer crosses a tenant, a class of data, a border or a changed policy. The text is the one
that would reach the model, after masks.
"""

import hashlib
import re
import unicodedata
from typing import Any

import msgspec
from msgspec import Struct

from keepstone.core.exchange import DataClass, Operation
from keepstone.gateway.call import Call
from keepstone.policy.schema.cache import Cache, CacheMatch

_NO_STORE = re.compile(rb"no-(?:store|cache)", re.IGNORECASE)
_AT_ENDS = ".,;:!?\"'()"
_TELLING = re.compile(r"\w*\d\w*")
_DENIALS = """
no not never none nothing without except cannot nein nicht nie kein keine ohne non ne pas sans jamais
ikke aldri ingen uten nunca sin
"""
_NEGATIONS = frozenset(_DENIALS.split())
_QUESTION = "\x00question"


class Question(Struct, frozen=True):
    """Where a call's question lies, and what it asks."""

    context: bytes
    text: str

    @property
    def words(self) -> str:
        """Return the text as words in their order, without letter case, punctuation and spaces."""
        return " ".join(_words(self.text))

    @property
    def telling(self) -> tuple[str, ...]:
        """Return what two questions of one meaning must share: numbers, and whether they deny."""
        words = _words(self.text)
        denials = sum(word in _NEGATIONS or word.endswith("n't") for word in words) % 2
        return (*_TELLING.findall(" ".join(words)), "not" * denials)


def question_of(call: Call, config: Cache) -> Question | None:
    """Return the question of a call that may be answered from memory, `None` for all others."""
    route = call.route
    if route is None or route.operation is not Operation.CONVERSE or call.counted is not None or call.trace:
        return None
    if call.data_class > DataClass.parse(config.max_data_class) or "toolConfig" in call.document:
        return None
    if _NO_STORE.search(call.headers.get(b"cache-control", b"")):
        return None
    text, around = _apart(call.document, whole=config.match is CacheMatch.EXACT)
    if around is None:
        return None
    parts = (_rules_of(call), _holder(call, config), route.model_id, around)
    encoded = msgspec.json.encode(parts, order="sorted")
    return Question(hashlib.blake2b(encoded, digest_size=32).digest(), text)


def _rules_of(call: Call) -> tuple[object, ...]:
    """Return all by which the answer was let through, changed or computed somewhere: no other rule's fits."""
    return (
        call.active.policy.hash,
        call.principal.roles,
        call.data_class,
        call.purpose,
        call.candidates,
        [each.name for each in call.guardrails],
        call.changes,
    )


def _holder(call: Call, config: Cache) -> tuple[str, ...]:
    """Return whose answers these are; a tenant's stay with it, however widely they are shared."""
    principal = call.principal
    if config.per == "organisation":
        return (principal.tenant,)
    return (principal.tenant, principal.kind, principal.id, principal.key_id)


def may_be_kept(document: dict[str, Any]) -> bool:
    """Say whether an answer is one that another caller of the same question would get: finished text."""
    try:
        content = document["output"]["message"]["content"]
        return document["stopReason"] == "end_turn" and all(block.keys() == {"text"} for block in content)
    except (KeyError, TypeError, AttributeError):
        return False


def _apart(document: dict[str, Any], *, whole: bool) -> tuple[str, dict[str, Any] | None]:
    """Return the last message's text, and the document without it; `None` where that is no plain text."""
    if whole:
        return "", document
    messages = document.get("messages")
    if type(messages) is not list or not messages:
        return "", None
    last = messages[-1]
    content = last.get("content") if type(last) is dict else None
    blocks = content if type(content) is list else [None]
    if any(type(each) is not dict or each.keys() != {"text"} for each in blocks):
        return "", None
    text = "\n".join(str(each["text"]) for each in blocks if each)
    return text, {**document, "messages": [*messages[:-1], {**last, "content": _QUESTION}]}


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFC", text).replace("\u2019", "'").casefold()
    return [word.strip(_AT_ENDS) for word in plain.split()]
