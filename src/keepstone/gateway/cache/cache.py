"""The cache in a call's way: asked after every check, filled after every inspection.

A call that is answered from memory was identified, admitted, counted, inspected and routed like any other,
and is recorded; only the model is not asked. What cannot be compared is forwarded.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from keepstone.core.errors import KeepstoneError
from keepstone.core.exchange import DataClass, Operation
from keepstone.gateway.admit import facts_of
from keepstone.gateway.cache.answers import Answers, Kept
from keepstone.gateway.cache.question import Question, may_be_kept, question_of
from keepstone.gateway.call import Call
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.ports import UpstreamRequest
from keepstone.gateway.wire.slots import decode_document, encode_document
from keepstone.policy.duration import parse_duration
from keepstone.policy.model_ids import Glob, names_of
from keepstone.policy.schema.cache import Cache, CacheMatch, Embedding

MOST_ASKED = 8000
"""Characters of a question that an embedding model is asked about; longer ones are forwarded."""

_NO_TOKENS = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


class Asked(msgspec.Struct):
    """A question that was not answered from memory, on its way to be."""

    question: Question
    data_class: DataClass
    vector: tuple[float, ...] = ()


class _Embedded(msgspec.Struct):
    embedding: tuple[float, ...]


class ResponseCache:
    """The answers of one policy; a policy with another `cache` section starts with none."""

    def __init__(self, config: Cache, metrics: Metrics, now: Callable[[], int]) -> None:
        self.config = config
        self._metrics = metrics
        self._globs = tuple(Glob(each) for each in config.models)
        self._now = now
        self._answers = Answers(config.entries, parse_duration(config.ttl), now)

    async def find(self, call: Call) -> Kept | Asked | None:
        """Return an earlier answer, or the question to keep the coming one under; `None`: not for memory."""
        names = names_of(call.route.model_id) if call.route else ()
        if not any(each.matches_any(names) for each in self._globs):
            return None
        question = question_of(call, self.config)
        if question is None:
            self._metrics.cached("unfit").inc()
            return None
        asked = Asked(question, call.data_class)
        found = self._answers.get(question)
        if found is None and self.config.match is CacheMatch.SEMANTIC and self.config.embedding:
            vector = await self._vector(call, question, self.config.embedding)
            if vector is None:
                self._metrics.cached("unfit").inc()
                return None
            asked.vector = vector
            found = self._answers.alike(question, vector, self.config.embedding.threshold)
        self._metrics.cached("hit" if found else "miss").inc()
        return found or asked

    def keep(self, call: Call, asked: Asked, document: dict[str, Any]) -> None:
        """Keep an inspected answer, if it is one that is worth giving again.

        One of a higher class than its question is not kept: who asks the same may not be allowed to see it.
        """
        if call.data_class <= asked.data_class and may_be_kept(document):
            body = encode_document(document)
            self._answers.keep(Kept(body, call.id, self._now(), asked.question, asked.vector))

    def age_s(self, kept: Kept) -> int:
        """Return how old an answer is."""
        return (self._now() - kept.at_ns) // 1_000_000_000

    async def _vector(self, call: Call, question: Question, config: Embedding) -> tuple[float, ...] | None:
        """Ask the embedding model, if this call's text may go there."""
        if len(question.text) > MOST_ASKED or not _may_embed(call, config):
            return None
        document = {"inputText": question.text}
        body = encode_document(document)
        request = UpstreamRequest(Operation.INVOKE_MODEL, config.model, body, document)
        try:
            reply = await call.active.upstreams[config.upstream].send(request)
            vector = msgspec.json.decode(reply.body, type=_Embedded).embedding
        except (KeepstoneError, ValueError):  # the question is then forwarded, as without a cache
            self._metrics.cached("failed").inc()
            return None
        return vector


def _may_embed(call: Call, config: Embedding) -> bool:
    """Say whether a call's text may go to the embedding model: cleared, permitted, denied by no rule."""
    policy = call.active.policy
    embedder = policy.model(config.model)
    if call.model is None or embedder is None or call.data_class > embedder.max_data_class:
        return False
    facts = facts_of(call, call.data_class)
    permitted = policy.admission.permits_trial(facts, call.model, config.model)
    return config.upstream in permitted and config.upstream in call.candidates


def recalled(kept: Kept) -> dict[str, Any]:
    """Return an earlier answer as that of a call that used no tokens."""
    document = decode_document(kept.body)
    document["usage"] = dict(_NO_TOKENS)
    return document
