"""Streams: what an event means, and that text can be taken out and put back."""

from base64 import b64encode
from copy import deepcopy
from functools import partial

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.laws import examples
from wire_documents import json_values, shape_of, shaped

from keepstone.core.errors import WireError
from keepstone.gateway.wire.deltas import (
    Delta,
    HeldDocument,
    Kind,
    classify_converse,
    decode_event,
    held_event,
    joined,
    unwrap_chunk,
    with_text,
    wrap_chunk,
)
from keepstone.gateway.wire.families import FAMILIES, family_for
from keepstone.gateway.wire.slots import KeySlot, is_identifier, path_of, places

ANTHROPIC = "anthropic.claude-3-haiku-20240307-v1:0"
DELTA = "contentBlockDelta"


def block(delta, **more):
    return {"delta": delta, "contentBlockIndex": 2, **more}


@pytest.mark.parametrize(
    ("event_type", "document", "kind", "channel", "text", "slots"),
    [
        ("messageStart", {"role": "assistant", "p": "abcdef"}, Kind.START, "", "", []),
        (DELTA, block({"text": "a"}), Kind.TEXT, "2:text", "a", []),
        (DELTA, block({"text": "a"}, p="abc"), Kind.TEXT, "2:text", "a", []),
        (DELTA, block({"text": "a"}, p="a b"), Kind.TEXT, "2:text", "a", ["a b"]),
        (DELTA, block({"reasoningContent": {"text": "r"}}), Kind.TEXT, "2:reasoning", "r", []),
        (DELTA, block({"reasoningContent": {"signature": "QQ=="}}), Kind.OTHER, "", "", []),
        (
            DELTA,
            block({"reasoningContent": {"signature": "a b"}}),
            Kind.TEXT,
            "2:delta.reasoningContent.signature",
            "a b",
            [],
        ),
        (DELTA, block({"toolUse": {"input": '{"a"'}}), Kind.HELD, "2:tool", '{"a"', []),
        (DELTA, block({"toolResult": [{"text": "t"}]}), Kind.TEXT, "2:toolResult", "t", []),
        (DELTA, block({"toolResult": [{"json": {"k": "v"}}]}), Kind.OTHER, "", "", ["k", "v"]),
        (
            DELTA,
            block({"citation": {"title": "T t", "sourceContent": [{"text": "q"}]}}),
            Kind.OTHER,
            "",
            "",
            ["T t", "q"],
        ),
        (DELTA, block({"unheard": "u"}), Kind.TEXT, "2:delta.unheard", "u", ["unheard"]),
        (DELTA, block({"text": "a", "unheard": ""}), Kind.TEXT, "2:text", "a", ["unheard", ""]),
        (DELTA, block({"text": ["odd"]}), Kind.TEXT, "2:delta.text[0]", "odd", []),
        ("contentBlockStop", {"contentBlockIndex": 2}, Kind.STOP, "", "", []),
        ("messageStop", {"stopReason": "end_turn"}, Kind.END, "", "", []),
        ("metadata", {"usage": {"inputTokens": 1}, "metrics": {"latencyMs": 1}}, Kind.METADATA, "", "", []),
        ("metadata", {"trace": {"match": "m m"}}, Kind.METADATA, "", "", ["match", "m m"]),
        ("unheard", {"x": "y"}, Kind.TEXT, ":x", "y", ["x"]),
    ],
)
def test_a_converse_event_means(event_type, document, kind, channel, text, slots) -> None:
    delta = classify_converse(event_type, document)
    assert (delta.kind, delta.channel, delta.text) == (kind, channel, text)
    assert [slot.value for slot in delta.slots] == slots


def test_an_image_is_listed() -> None:
    delta = classify_converse(DELTA, block({"image": {"source": {"bytes": "AA=="}}}))
    assert delta.uninspectable == ("delta.image",)


def chunk(delta):
    return {"type": "content_block_delta", "index": 1, "delta": delta}


LLAMA = "us.meta.llama3-1-8b-instruct-v1:0"
TITAN = "amazon.titan-text-express-v1"
MISTRAL = "mistral.mistral-7b-instruct-v0:2"
PIXTRAL = "mistral.pixtral-large-2502-v1:0"
COHERE = "cohere.command-r-v1:0"
NOVA = "eu.amazon.nova-lite-v1:0"


CALL = {"index": 1, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a'}}


def choice(delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}]}


@pytest.mark.parametrize(
    ("model", "document", "kind", "channel", "text", "final"),
    [
        (ANTHROPIC, chunk({"type": "text_delta", "text": "a"}), Kind.TEXT, "1:text", "a", False),
        (ANTHROPIC, chunk({"type": "thinking_delta", "thinking": "a"}), Kind.TEXT, "1:reasoning", "a", False),
        (
            ANTHROPIC,
            chunk({"type": "input_json_delta", "partial_json": "{"}),
            Kind.HELD,
            "1:tool",
            "{",
            False,
        ),
        (
            ANTHROPIC,
            {"type": "completion", "completion": "a", "stop_reason": None},
            Kind.TEXT,
            "0:text",
            "a",
            False,
        ),
        (ANTHROPIC, {"completion": "a", "stop_reason": "stop"}, Kind.TEXT, "0:text", "a", True),
        (ANTHROPIC, {"type": "content_block_stop", "index": 1}, Kind.STOP, "", "", False),
        (ANTHROPIC, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, Kind.END, "", "", False),
        (ANTHROPIC, {"type": ["odd"]}, Kind.OTHER, "", "", False),
        (NOVA, {DELTA: block({"text": "a"})}, Kind.TEXT, "2:text", "a", False),
        (NOVA, {DELTA: block({"toolUse": {"input": "{"}})}, Kind.HELD, "2:tool", "{", False),
        (NOVA, {"messageStop": {"stopReason": "end_turn"}}, Kind.END, "", "", False),
        (LLAMA, {"generation": "a", "stop_reason": None}, Kind.TEXT, "0:text", "a", False),
        (LLAMA, {"generation": "", "stop_reason": "stop"}, Kind.END, "", "", False),
        (LLAMA, {"generation": "", "other": "a"}, Kind.TEXT, "0:other", "a", False),
        (
            TITAN,
            {"outputText": "a", "index": 0, "completionReason": "FINISH"},
            Kind.TEXT,
            "0:text",
            "a",
            True,
        ),
        (MISTRAL, {"outputs": [{"text": "a", "stop_reason": None}]}, Kind.TEXT, "0:outputs", "a", False),
        (
            PIXTRAL,
            {"choices": [{"index": 0, "message": {"content": "a"}, "stop_reason": "stop"}]},
            Kind.TEXT,
            "0:message",
            "a",
            True,
        ),
        (PIXTRAL, choice({"content": "", "reasoning_content": "a"}), Kind.TEXT, "0:reasoning", "a", False),
        (PIXTRAL, choice({"refusal": "a"}), Kind.TEXT, "0:choices[0].delta.refusal", "a", False),
        (PIXTRAL, choice({"content": "", "tool_calls": [CALL]}), Kind.HELD, "0:tool1", '{"a', False),
        (PIXTRAL, choice({"content": ""}), Kind.TEXT, "0:text", "", False),
        (PIXTRAL, choice({"role": "assistant"}), Kind.METADATA, "", "", False),
        (
            COHERE,
            {"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "parameters": "{"}},
            Kind.TEXT,
            "0:tool_call_delta.parameters",
            "{",
            False,
        ),
        (COHERE, {"is_finished": True, "response": {"text": "a b"}}, Kind.END, "", "", False),
        (
            COHERE,
            {"event_type": "text-generation", "text": "a", "is_finished": False},
            Kind.TEXT,
            "0:text",
            "a",
            False,
        ),
        ("x.y", {"any": "a"}, Kind.OTHER, "", "", False),
    ],
)
def test_a_familys_chunk_means(model, document, kind, channel, text, final) -> None:
    before = deepcopy(document)
    delta = family_for(model).classify(document)
    assert (delta.kind, delta.channel, delta.text, delta.final) == (kind, channel, text, final)
    if delta.path:
        changed = with_text(document, delta, "new")
        assert document == before
        assert family_for(model).classify(changed).text == "new"
        assert with_text(changed, delta, text) == document


@pytest.mark.parametrize(
    ("model", "document"),
    [
        (None, block({"text": "a", "unheard": "u"})),
        (None, block({"text": "a", "reasoningContent": {"text": "r"}})),
        (None, block({"toolResult": [{"text": "a"}, {"text": "b"}]})),
        (None, block({"a b c": "u"})),
        (None, {**block({"text": "a"}), "unheard": "u"}),
        (ANTHROPIC, chunk({"type": "text_delta", "text": "a", "thinking": "b"})),
        (ANTHROPIC, chunk({"type": "text_delta", "text": "a", "partial_json": "b"})),
        (ANTHROPIC, {**chunk({"type": "text_delta", "text": "a"}), "completion": "b"}),
        (ANTHROPIC, {"type": "content_block_start", "index": 0, "content_block": {"text": "a"}}),
        (ANTHROPIC, {"type": "content_block_start", "index": 0, "content_block": {"thinking": "a"}}),
        (ANTHROPIC, {"type": "unheard", "a": "a", "b": "b"}),
        (NOVA, {DELTA: block({"text": "a"}), "contentBlockStop": {"contentBlockIndex": 2}}),
        (NOVA, {DELTA: block({"text": "a"}), "unheard": "u"}),
        (LLAMA, {"generation": "a", "unheard": "u"}),
        (TITAN, {"outputText": "a", "completionReason": "FINISH", "unheard": "u"}),
        (MISTRAL, {"outputs": [{"text": "a"}, {"text": "b"}]}),
        (PIXTRAL, choice({"content": "a", "reasoning_content": "b"})),
        (PIXTRAL, choice({"content": "a", "refusal": "b"})),
        (PIXTRAL, choice({"content": "a", "tool_calls": [CALL]})),
        (PIXTRAL, choice({"tool_calls": [CALL, CALL]})),
        (COHERE, {"text": "a", "tool_call_delta": {"parameters": "{"}}),
        ("cohere.command-text-v14", {"generations": [{"text": "a"}, {"text": "b"}]}),
    ],
)
def test_of_two_texts_in_one_event_neither_can_be_held_back(model, document) -> None:
    classify = partial(classify_converse, DELTA) if model is None else family_for(model).classify
    with pytest.raises(WireError):
        classify(document)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_an_answer_told_token_by_token_cannot_be_inspected(family) -> None:
    tokens = {"content": [{"token": "4111"}, {"token": "1111"}]}
    told = {
        "chat": {"choices": [{"index": 0, "message": {"content": "a"}, "logprobs": tokens}]},
        "llama": {"generation": "a", "logprobs": tokens},
        "cohere-command": {"generations": [{"text": "a", "token_likelihoods": [{"token": "4111"}]}]},
    }
    if family.name in told:
        assert family.response_slots(told[family.name]).uninspectable


def unreached(document, delta: Delta):
    known = {(id(slot.container), slot.key) for slot in delta.slots if not isinstance(slot, KeySlot)}
    missed = []
    for container, place in places(document):
        value, path = container[place[1]], path_of(place)
        if delta.uninspectable and path.startswith(delta.uninspectable):
            continue
        if isinstance(value, str) and not is_identifier(value) and (id(container), place[1]) not in known:
            missed.append(value)
    return missed


stream = shape_of("ConverseStream", "output").members["stream"]
event_types = st.sampled_from(
    ["messageStart", "contentBlockStart", DELTA, "contentBlockStop", "messageStop", "metadata"]
)


@settings(max_examples=examples(80))
@given(event_types, st.data())
def test_no_string_escapes_a_converse_stream(event_type, data) -> None:
    document = data.draw(shaped(stream.members[event_type]))
    try:
        delta = classify_converse(event_type, document)
    except WireError:  # a refused event ends the stream: nothing of it goes on
        event("refused")
        return
    assert [text for text in unreached(document, delta) if text != delta.text] == []


@settings(max_examples=examples(80))
@given(st.sampled_from(FAMILIES), st.data())
def test_no_string_escapes_a_familys_stream(family, data) -> None:
    names = st.sampled_from(
        [
            "type",
            "delta",
            "text",
            "message",
            "choices",
            "outputs",
            "response",
            "generation",
            "outputText",
            DELTA,
        ]
    )
    document = data.draw(st.dictionaries(names, json_values, max_size=4))
    try:
        delta = family.classify(document)
    except WireError:  # a refused event ends the stream: nothing of it goes on
        event(f"{family.name} refuses")
        return
    assert [text for text in unreached(document, delta) if text != delta.text] == []


def test_a_held_call_is_inspected_whole_and_sent_as_one_event() -> None:
    pieces = ['{"mail": "a@b.ex', 'ample", "n": 123456789012}']
    documents = [block({"toolUse": {"input": piece}}) for piece in pieces]
    delta = classify_converse(DELTA, documents[0])
    held = HeldDocument("".join(pieces))
    assert [slot.value for slot in held.slots] == ["mail", "a@b.example", "n", "123456789012"]
    held.slots[1].replace("{EMAIL}")
    sent = held_event(documents[0], delta, held.render())
    assert sent == block({"toolUse": {"input": '{"mail":"{EMAIL}","n":123456789012}'}})


@pytest.mark.parametrize(
    ("text", "values"), [("", []), ("  ", []), ('{"a', ['{"a']), ('"s"', ["s"]), ("{}", [])]
)
def test_held_text_that_is_no_object(text, values) -> None:
    held = HeldDocument(text)
    assert [slot.value for slot in held.slots if slot.value] == values
    assert held.render() == text.strip()


def test_held_nesting_is_a_typed_error() -> None:
    with pytest.raises(WireError):
        HeldDocument("[" * 100 + "]" * 100)


def test_pieces_of_an_unknown_family_are_read_as_one_text() -> None:
    family = family_for("vendor.unheard-v1")
    documents = [{"piece": {"t": part}} for part in ("a@b.", "exam", "ple")]
    slots = joined([(document, family.classify(document)) for document in documents])
    assert family.buffer_all
    assert "a@b.example" in [slot.value for slot in slots]
    for slot in slots:
        if slot.value == "a@b.example":
            slot.replace("{EMAIL}")
    assert [document["piece"]["t"] for document in documents] == ["{EMAIL}", "", ""]


def test_chunks() -> None:
    assert unwrap_chunk(wrap_chunk({"a": "b"}))[1] == {"a": "b"}
    nothing = b64encode(b"[]").decode()
    for bad in (
        b"",
        b"{}",
        b"[]",
        b'{"bytes":1}',
        b'{"bytes":"?"}',
        b'{"bytes":"e30"}',
        msgspec.json.encode({"bytes": nothing}),
    ):
        with pytest.raises(WireError):
            unwrap_chunk(bad)


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b"[" * 50_000])
def test_event_payloads_that_are_no_object(payload) -> None:
    with pytest.raises(WireError):
        decode_event(payload)
