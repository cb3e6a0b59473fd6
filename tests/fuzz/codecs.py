"""The codecs as functions of bytes; each may raise our own errors and no others."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from keepstone.core.errors import KeepstoneError
from keepstone.core.exchange import Operation
from keepstone.gateway.bodies import body_for
from keepstone.gateway.dialects import PATHS, body_in_dialect
from keepstone.gateway.wire import converse, listings, routes
from keepstone.gateway.wire.count_tokens import unwrap
from keepstone.gateway.wire.dialect.dialect import Asked, Dialect
from keepstone.gateway.wire.eventstream import EventDecoder
from keepstone.gateway.wire.openai import StreamTranslator, from_openai
from keepstone.gateway.wire.openai_request import to_openai
from keepstone.gateway.wire.slots import decode_document
from keepstone.gateway.wire.sse import SseParser
from keepstone.gateway.wire.unserved import unserved

ASKED = Asked("00000000-0000-4000-a000-000000000000", "anthropic.claude-v2", 1_700_000_000)
FAMILIES = (
    "anthropic.x",
    "amazon.nova",
    "amazon.titan-text",
    "amazon.titan-embed",
    "meta.x",
    "mistral.x",
    "cohere.x",
    "?",
)
HEAD: Mapping[str, bytes] = {
    "/v1/chat/completions": b'{"model":"m","messages":[]}',
    "/v1/responses": b'{"model":"m","input":[]}',
    "/v1/embeddings": b'{"model":"amazon.titan-embed-text-v2:0","input":"a"}',
    "/v1/messages": b'{"model":"m","max_tokens":1,"messages":[]}',
    "/v1/messages/count_tokens": b'{"model":"m","messages":[]}',
}
"""The least body that each dialect takes."""


def _request(dialect: Dialect, path: str) -> Callable[[bytes], None]:
    """A request, what is inspected of it, and an answer made of the same bytes."""

    def run(data: bytes) -> None:
        taken = dialect.take(data, {b"anthropic-beta": data[:64]})
        body_for(taken.operation, taken.model_id).request_slots(taken.document)
        if taken.operation in (Operation.CONVERSE, Operation.CONVERSE_STREAM):
            to_openai(taken.document, taken.model_id)

    return run


def _answer(dialect: Dialect, path: str) -> Callable[[bytes], None]:
    """An answer and a stream's events, which an upstream may have written anyhow."""

    def run(data: bytes) -> None:
        document = decode_document(data)
        taken = dialect.take(HEAD[path], {})
        body_in_dialect(taken.operation, taken.model_id, taken.writer(ASKED)).write(document)

    return run


def _events(dialect: Dialect, path: str) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        taken = dialect.take(HEAD[path], {})
        body = body_in_dialect(taken.operation, taken.model_id, taken.writer(ASKED))
        for line in data.split(b"\n"):
            name, _, rest = line.partition(b" ")
            body.write_event(name.decode("latin-1"), decode_document(rest))
        body.last()

    return run


def _converse(data: bytes) -> None:
    document = decode_document(data)
    to_openai(document, "m")
    converse.request_slots(document)
    converse.response_slots(document)


def _count_tokens(data: bytes) -> None:
    unwrap(decode_document(data))


def _families(data: bytes) -> None:
    document = decode_document(data)
    for model in FAMILIES:
        body = body_for(Operation.INVOKE_MODEL, model)
        body.request_slots(document)
        body.response_slots(document)
        body.usage(document, {})
        body.max_tokens(document)


def _paths(data: bytes) -> None:
    for method in ("GET", "POST"):
        routes.parse(method, data)
        unserved(method, data)
    path, _, query = data.partition(b"?")
    asked = listings.parse(path, query, {})
    if asked is not None:
        listings.answer(asked, [listings.Shown("m", {"modelId": "m", "modelArn": "a"})])


def _event_stream(data: bytes) -> None:
    decoder = EventDecoder()
    for event in decoder.feed(data):
        body_for(Operation.CONVERSE_STREAM, "m").read_event(event)
        body_for(Operation.INVOKE_MODEL_STREAM, "anthropic.x").read_event(event)
    decoder.close()


def _chat_stream(data: bytes) -> None:
    parser, translator = SseParser(), StreamTranslator()
    for event in (*parser.feed(data), *parser.close()):
        translator.feed(_json(event))
    translator.finish()


def _chat_answer(data: bytes) -> None:
    from_openai(decode_document(data))


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise KeepstoneError("no JSON") from error


CODECS: Mapping[str, Callable[[bytes], None]] = {
    **{f"request of {each.name}": _request(each, path.decode()) for path, each in PATHS.items()},
    **{f"answer of {each.name}": _answer(each, path.decode()) for path, each in PATHS.items()},
    **{f"events of {each.name}": _events(each, path.decode()) for path, each in PATHS.items()},
    "converse": _converse,
    "count tokens": _count_tokens,
    "families": _families,
    "paths": _paths,
    "event stream": _event_stream,
    "chat stream": _chat_stream,
    "chat answer": _chat_answer,
}
"""Every codec by its name."""


def holds(codec: Callable[[bytes], None], data: bytes) -> None:
    """Run a codec; anything but our own errors escapes."""
    try:
        codec(data)
    except KeepstoneError:
        return
