"""Paths that list models, Bedrock's own and `/v1/models` of OpenAI and Anthropic, and what they answer.

Pure: which models there are, and which of them the caller may see, is decided in `gateway/listing.py`.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
from msgspec import Struct

from keepstone.core.errors import RequestError
from keepstone.core.exchange import Operation

Document = dict[str, Any]

_ROOTS: Mapping[bytes, tuple[Operation, Operation, str]] = {
    b"/foundation-models": (Operation.LIST_FOUNDATION_MODELS, Operation.GET_FOUNDATION_MODEL, ""),
    b"/inference-profiles": (Operation.LIST_INFERENCE_PROFILES, Operation.GET_INFERENCE_PROFILE, ""),
    b"/v1/models": (Operation.LIST_FOUNDATION_MODELS, Operation.GET_FOUNDATION_MODEL, "openai.models"),
}
MAX_QUERY = 4096


class Asked(Struct, frozen=True):
    """What is asked: an operation, one id or all, the filters, and the protocol (empty for AWS's own)."""

    operation: Operation
    identifier: str
    query: Mapping[str, str]
    protocol: str


class Shown(Struct, frozen=True):
    """One model or profile that the caller may use, with its summary in Bedrock's shape."""

    id: str
    summary: Document
    is_profile: bool = False


def parse(raw_path: bytes, query: bytes, headers: Mapping[bytes, bytes]) -> Asked | None:
    """Return what a GET asks for, or `None` when it is no listing."""
    for root, (many, one, named) in _ROOTS.items():
        if raw_path == root or raw_path == root + b"/":
            identifier, operation = "", many
        elif raw_path.startswith(root + b"/"):
            identifier, operation = unquote(raw_path[len(root) + 1 :].decode("latin-1")), one
        else:
            continue
        protocol = "anthropic.models" if named and b"anthropic-version" in headers else named
        found = parse_qs(query[:MAX_QUERY].decode("latin-1")) if query else {}
        return Asked(operation, identifier, {name: values[-1] for name, values in found.items()}, protocol)
    return None


def answer(asked: Asked, shown: list[Shown]) -> bytes | None:
    """Return the body for what the caller may see, or `None` when the one that was asked for is not there."""
    if asked.protocol:
        return _of_protocol(asked, shown)
    profiles = asked.operation in (Operation.LIST_INFERENCE_PROFILES, Operation.GET_INFERENCE_PROFILE)
    shown = [each for each in shown if each.is_profile == profiles]
    if asked.identifier:
        return _one(asked, shown)
    if profiles:
        kinds = [each.summary for each in shown if _fits(each.summary, asked.query, _PROFILE_FILTERS)]
        return msgspec.json.encode(_page(kinds, asked.query))
    summaries = [each.summary for each in shown if _fits(each.summary, asked.query, _MODEL_FILTERS)]
    return msgspec.json.encode({"modelSummaries": summaries})


_MODEL_FILTERS = {
    "byProvider": "providerName",
    "byOutputModality": "outputModalities",
    "byInferenceType": "inferenceTypesSupported",
    "byCustomizationType": "customizationsSupported",
}
_PROFILE_FILTERS = {"type": "type"}


def _fits(summary: Document, query: Mapping[str, str], filters: Mapping[str, str]) -> bool:
    for name, member in filters.items():
        wanted = query.get(name)
        if wanted is None:
            continue
        found = summary.get(member) or ()
        values = [found] if isinstance(found, str) else found
        if wanted.lower() not in [str(value).lower() for value in values]:
            return False
    return True


def _page(summaries: list[Document], query: Mapping[str, str]) -> Document:
    most, start = query.get("maxResults", "1000"), query.get("nextToken", "0")
    if not (most.isdecimal() and start.isdecimal() and 1 <= int(most[:9]) <= 1000):
        raise RequestError("`maxResults` and `nextToken` must be what this gateway gave, or 1 to 1000")
    end = int(start[:9]) + int(most)
    page: Document = {"inferenceProfileSummaries": summaries[int(start[:9]) : end]}
    if end < len(summaries):
        page["nextToken"] = str(end)
    return page


def _one(asked: Asked, shown: list[Shown]) -> bytes | None:
    for each in shown:
        arn = each.summary.get("inferenceProfileArn" if each.is_profile else "modelArn")
        if asked.identifier in (each.id, arn):
            return msgspec.json.encode(each.summary if each.is_profile else {"modelDetails": each.summary})
    return None


def _of_protocol(asked: Asked, shown: list[Shown]) -> bytes | None:
    write = _anthropic if asked.protocol == "anthropic.models" else _openai
    if asked.identifier:
        found = next((each for each in shown if each.id == asked.identifier), None)
        return msgspec.json.encode(write(found)) if found else None
    models = [write(each) for each in shown]
    if asked.protocol == "anthropic.models":
        ends = {"first_id": shown[0].id, "last_id": shown[-1].id} if shown else {}
        return msgspec.json.encode(
            {"data": models, "has_more": False, "first_id": None, "last_id": None} | ends
        )
    return msgspec.json.encode({"object": "list", "data": models})


def _openai(each: Shown) -> Document:
    owner = str(each.summary.get("providerName") or "Amazon Bedrock")
    return {"id": each.id, "object": "model", "created": 0, "owned_by": owner}


def _anthropic(each: Shown) -> Document:
    name = str(each.summary.get("modelName") or each.summary.get("inferenceProfileName") or each.id)
    # Bedrock does not tell the day of a model's birth, and the protocol has no word for "not known".
    return {"type": "model", "id": each.id, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
