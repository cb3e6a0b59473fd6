"""Answers that are kept for questions that come again."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from keepstone.policy.schema.words import Closed, DataClassName, Duration, ModelGlob, Name


class CacheMatch(StrEnum):
    """When two questions are one: the same bytes, the same words, or the same meaning."""

    EXACT = "exact"
    WORDS = "words"
    SEMANTIC = "semantic"


class Embedding(Closed, frozen=True, kw_only=True):
    """The model that turns a question into a vector; it sees the question, masked as the model would."""

    model: Annotated[str, Meta(min_length=1, max_length=2048, description="a Titan text embedding model")] = (
        "amazon.titan-embed-text-v2:0"
    )
    upstream: Annotated[Name, Meta(description="where it is asked; only for calls that may go there")]
    threshold: Annotated[
        float, Meta(ge=0.8, le=1.0, description="least cosine of two questions that are the same")
    ] = 0.97


class Cache(Closed, frozen=True, kw_only=True):
    """Whole answers of Converse, kept in this process's memory; off unless this section is there."""

    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1, description="whose answers are kept")] = (
        "*",
    )
    match: Annotated[
        CacheMatch,
        Meta(
            description="`words` ignores letter case, punctuation and spaces in the last message; `semantic` "
            "compares its meaning by `embedding`; all that stands around it must be the same in any case"
        ),
    ] = CacheMatch.EXACT
    per: Annotated[
        Literal["principal", "organisation"], Meta(description="who may be given another's answer")
    ] = "principal"
    max_data_class: Annotated[
        DataClassName, Meta(description="calls above are neither kept nor answered")
    ] = "Internal"
    ttl: Annotated[Duration, Meta(description="how long an answer is kept")] = "10m"
    entries: Annotated[int, Meta(ge=1, le=1_000_000, description="at most so many answers")] = 1000
    embedding: Annotated[Embedding | None, Meta(description="for `match: semantic`, and only for it")] = None
