"""Converse: which text is found where, and the laws of finding it."""

import json
from base64 import b64encode
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws import examples
from wire_documents import converse_requests, shape_of, shaped

from keepstone.core.errors import KeepstoneError, RequestError
from keepstone.core.exchange import Operation, TokenUsage
from keepstone.gateway.wire import converse, count_tokens
from keepstone.gateway.wire.slots import (
    MAX_DEPTH,
    Base64Slot,
    EmbeddedSlot,
    KeySlot,
    NumberSlot,
    decode_document,
    encode_document,
    is_identifier,
    path_of,
    places,
)


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def user(*content):
    return {"messages": [{"role": "user", "content": list(content)}]}


def found(document):
    return [(slot.origin.value, slot.value) for slot in converse.request_slots(document).slots]


def doc_block(kind: str, raw: str):
    return {"document": {"format": kind, "name": "d", "source": {"bytes": raw}}}


def guard(text: str):
    return {"guardContent": {"text": {"text": text, "qualifiers": ["query"]}}}


CALL = {"toolUse": {"toolUseId": "t_1", "name": "f", "input": {"who": ["a b"], "card": 4111111111111111}}}
RESULT = {
    "toolResult": {
        "toolUseId": "t_1",
        "status": "success",
        "content": [{"text": "r"}, {"json": {"k k": "v"}}, doc_block("txt", b64("file"))],
    }
}
REASONING = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "QUJD/+=="}}}
SPEC = {"name": "f", "description": "does", "inputSchema": {"json": {"type": "object", "title": "T t"}}}


@pytest.mark.parametrize(
    ("document", "slots"),
    [
        (user({"text": "hi"}), [("user", "hi")]),
        ({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, [("assistant", "a")]),
        ({"messages": [{"role": "system", "content": [{"text": "a"}]}]}, [("system", "a")]),
        ({"messages": [{"role": "b o", "content": [{"text": "a"}]}]}, [("unknown", "b o"), ("unknown", "a")]),
        ({"system": [{"text": "s"}, {"cachePoint": {"type": "default"}}]}, [("system", "s")]),
        ({"system": [guard("s")]}, [("system", "s")]),
        (user(guard("g")), [("user", "g")]),
        (
            user(CALL),
            [
                ("assistant", "who"),
                ("assistant", "a b"),
                ("assistant", "card"),
                ("assistant", "4111111111111111"),
            ],
        ),
        (
            user(RESULT),
            [("tool", "r"), ("tool", "k k"), ("tool", "v"), ("tool", "d"), ("tool", "file")],
        ),
        (user(doc_block("md", b64("# t"))), [("document", "d"), ("document", "# t")]),
        (
            user({"document": {"name": "d", "source": {"content": [{"text": "c"}]}, "context": "x"}}),
            [("document", "d"), ("document", "c"), ("document", "x")],
        ),
        (user(REASONING), [("user", "hm")]),
        (
            {"toolConfig": {"tools": [{"toolSpec": SPEC}]}},
            [("system", "does"), ("system", "T t")],
        ),
        (
            {"promptVariables": {"who": {"text": "v"}, "odd": "o"}},
            [("user", "who"), ("user", "v"), ("user", "odd"), ("user", "o")],
        ),
        ({"additionalModelRequestFields": {"k": "v"}}, [("unknown", "k"), ("unknown", "v")]),
        ({"requestMetadata": {"team": "x"}}, [("unknown", "team"), ("unknown", "x")]),
        (
            user({"hologram": {"caption": "c"}}),
            [("unknown", "hologram"), ("unknown", "caption"), ("unknown", "c")],
        ),
        ({"inferenceConfig": {"maxTokens": 5, "stopSequences": ["\n\nHuman:"]}}, [("unknown", "\n\nHuman:")]),
        (
            {
                "guardrailConfig": {
                    "guardrailIdentifier": "arn:aws:bedrock:eu-west-1:123456789012:guardrail/g"
                }
            },
            [],
        ),
        ({"system": [{"text": {"nested": "n"}}]}, [("system", "nested"), ("system", "n")]),
        (user({"toolUse": {"toolUseId": "123-45-6789", "input": {}}}), [("unknown", "123-45-6789")]),
    ],
)
def test_text_is_found(document, slots) -> None:
    assert found(document) == slots
    assert converse.request_slots(document).uninspectable == ()


@pytest.mark.parametrize(
    ("block", "paths"),
    [
        ({"image": {"format": "png", "source": {"bytes": "AAEC"}}}, ("messages[0].content[0].image",)),
        ({"video": {"source": {"s3Location": {"uri": "s3://b/k"}}}}, ("messages[0].content[0].video",)),
        ({"audio": {"source": {"bytes": "AA=="}}}, ("messages[0].content[0].audio",)),
        (doc_block("pdf", b64("%PDF")), ("messages[0].content[0].document.source.bytes",)),
        (doc_block("txt", "not base64"), ("messages[0].content[0].document.source.bytes",)),
        (doc_block("txt", "/////w=="), ("messages[0].content[0].document.source.bytes",)),
        (doc_block("txt", b64("a\0b\0")), ("messages[0].content[0].document.source.bytes",)),
        (
            {"reasoningContent": {"redactedContent": "AAEC"}},
            ("messages[0].content[0].reasoningContent.redactedContent",),
        ),
        (guard("g") | {"image": {}}, ("messages[0].content[0].image",)),
        (
            {"toolResult": {"toolUseId": "t", "content": [{"image": {"source": {}}}]}},
            ("messages[0].content[0].toolResult.content[0].image",),
        ),
        ({"unheard": {"blob": "QUJD" * 300}}, ("messages[0].content[0].unheard.blob",)),
    ],
)
def test_what_cannot_be_read_is_listed(block, paths) -> None:
    assert converse.request_slots(user(block)).uninspectable == paths


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"messages": "x"}, "'messages'"),
        ({"messages": ["x"]}, "'messages.1.member'"),
        ({"messages": [{"content": []}]}, "'messages.1.member.role'"),
        ({"messages": [{"role": "user", "content": []}, {"role": "user"}]}, "'messages.2.member.content'"),
    ],
)
def test_a_shape_that_cannot_be_inspected_is_refused_in_aws_words(document, message) -> None:
    with pytest.raises(RequestError, match="1 validation error detected: Value at") as caught:
        converse.request_slots(document)
    assert message in caught.value.message


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_hostile_nesting_is_a_clear_error(opening) -> None:
    closing = "]" if opening == "[" else "}"
    inner = opening * (MAX_DEPTH + 1) + "1" + closing * (MAX_DEPTH + 1)
    with pytest.raises(RequestError, match="deep"):
        converse.request_slots(decode_document(b'{"additionalModelRequestFields":%s}' % inner.encode()))
    with pytest.raises(RequestError, match="deep"):
        decode_document(opening.encode() * 100_000)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b'{"a":1e999}', b'{"a":"\xff"}', b'{"a":"\\ud800"}', b"{}x"]
)
def test_bodies_that_are_no_object_are_refused(body) -> None:
    with pytest.raises(RequestError):
        decode_document(body)


def test_of_duplicate_keys_only_the_one_inspected_is_sent() -> None:
    document = decode_document(b'{"system":[{"text":"a"}],"system":[{"text":"b"}]}')
    assert found(document) == [("system", "b")]
    assert encode_document(document) == b'{"system":[{"text":"b"}]}'


def test_masks_reach_keys_numbers_and_files() -> None:
    fields = {"a@b.example": "a@b.example", "c@d.example": 5, "n": 4111111111111111.0}
    document = user({"toolUse": {"input": fields}}, doc_block("txt", b64("mail a@b.example")))
    for slot in converse.request_slots(document).slots:
        if "@" in slot.value or slot.value.startswith("4111"):
            slot.replace("{X}")
    content = document["messages"][0]["content"]
    assert content[0]["toolUse"]["input"] == {"n": "{X}", "{X}": "{X}", "{X}_3": 5}
    assert content[1]["document"]["source"]["bytes"] == b64("{X}")


def strings_of(value) -> set[str]:
    """Return every string within a JSON value that a rule could match, keys too."""
    if isinstance(value, dict):
        return set().union(*map(strings_of, value), *map(strings_of, value.values()))
    if isinstance(value, list):
        return set().union(*map(strings_of, value))
    return {value} if isinstance(value, str) and not is_identifier(value) else set()


def reached(document, text):
    """Return the paths of strings and keys that neither a slot nor an uninspectable path covers."""
    values = {(id(slot.container), slot.key) for slot in text.slots if not isinstance(slot, KeySlot)}
    names = {(id(slot.container), slot.key) for slot in text.slots if isinstance(slot, KeySlot)}
    embedded = {slot.value for slot in text.slots if isinstance(slot, EmbeddedSlot)}
    missed = []
    for container, place in places(document):
        path, key = path_of(place), place[1]
        if path.startswith(text.uninspectable) and text.uninspectable:
            continue
        if isinstance(key, str) and not is_identifier(key) and (id(container), key) not in names:
            missed.append(f"key {path}")
        value = container[key]
        if path.endswith("jsonSchema.schema"):
            missed += [f"{path}: {found}" for found in strings_of(json.loads(value)) - embedded]
        elif isinstance(value, str) and not is_identifier(value) and (id(container), key) not in values:
            missed.append(path)
    return missed


@settings(max_examples=examples(100))
@given(converse_requests())
def test_no_string_escapes_a_request(document) -> None:
    before = deepcopy(document)
    text = converse.request_slots(document)
    assert reached(document, text) == []
    for slot in text.slots:
        slot.replace(slot.value)
    assert document == before


SCHEMA = '{"description":"card \\u0034111 1111 1111 1111\\nproject nightjar","title":"fine"}'


def with_schema(schema):
    structure = {"jsonSchema": {"schema": schema, "name": "answer"}}
    output = {"textFormat": {"type": "json_schema", "structure": structure}}
    return {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "outputConfig": output}


def test_what_a_schema_says_is_read_as_its_reader_does() -> None:
    document = with_schema(SCHEMA)
    (hidden,) = [slot for slot in converse.request_slots(document).slots if "card" in slot.value]
    assert hidden.value == "card 4111 1111 1111 1111\nproject nightjar"
    hidden.replace("{MASKED}")
    schema = document["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
    assert json.loads(schema) == {"description": "{MASKED}", "title": "fine"}


@pytest.mark.parametrize("schema", ["no json", "[1]", '{"a":NaN}', "", '{"a":"' + "x" * 70_000 + '"}', 5])
def test_a_schema_that_cannot_be_looked_into_is_refused(schema) -> None:
    with pytest.raises(RequestError, match="JSON schema"):
        converse.request_slots(with_schema(schema))


def test_what_cannot_be_read_within_a_schema_is_listed() -> None:
    document = with_schema(json.dumps({"example": "QUJD" * 300}))
    where = "outputConfig.textFormat.structure.jsonSchema.schema"
    assert converse.request_slots(document).uninspectable == (where,)


@settings(max_examples=examples(60))
@given(shaped(shape_of("Converse", "output")))
def test_no_string_escapes_a_response(document) -> None:
    if not isinstance(document, dict):
        return
    assert reached(document, converse.response_slots(document)) == []


@settings(max_examples=examples(100))
@given(converse_requests())
def test_after_masking_everything_nothing_of_the_text_is_left(document) -> None:
    text = converse.request_slots(document)
    for slot in text.slots:
        slot.replace("{M}")
    again = [
        slot
        for slot in converse.request_slots(document).slots
        if not isinstance(slot, NumberSlot | Base64Slot)
    ]
    assert all(slot.value.startswith("{M}") or is_identifier(slot.value) for slot in again)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=120) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bodies_raise_only_our_errors(body) -> None:
    try:
        text = converse.request_slots(decode_document(body))
    except KeepstoneError:
        return
    assert isinstance(json.loads(body), dict)
    assert all(isinstance(slot.value, str) for slot in text.slots)


def test_the_last_user_text() -> None:
    turns = [
        {"role": "user", "content": [{"text": "one"}]},
        {"role": "user", "content": [{"text": "two"}, {"image": {}}, {"text": "three"}]},
        {"role": "assistant", "content": [{"text": "no"}]},
    ]
    assert converse.last_user_text({"messages": turns}) == "two\nthree"
    assert converse.last_user_text({}) == ""


@pytest.mark.parametrize(
    ("members", "used"),
    [
        ({"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, TokenUsage(3, 4)),
        ({"inputTokens": 3, "outputTokens": 4, "cacheReadInputTokens": 5}, TokenUsage(3, 4, 5)),
        ({"inputTokens": -3, "outputTokens": "x"}, TokenUsage()),
        ({}, None),
        ("x", None),
    ],
)
def test_usage(members, used) -> None:
    assert converse.usage({"usage": members}) == used


def test_max_tokens() -> None:
    assert converse.max_tokens({"inferenceConfig": {"maxTokens": 9}}) == 9
    assert converse.max_tokens({"inferenceConfig": {"maxTokens": "9"}}) is None
    assert converse.max_tokens({}) is None


def test_count_tokens_holds_a_request_of_either_kind() -> None:
    inner = user({"text": "hi"})
    counted = count_tokens.unwrap({"input": {"converse": inner}})
    assert (counted.operation, counted.wrapped()) == (Operation.CONVERSE, {"input": {"converse": inner}})
    raw = {"input": {"invokeModel": {"body": b64('{"prompt":"p"}')}}}
    counted = count_tokens.unwrap(raw)
    assert (counted.operation, counted.document) == (Operation.INVOKE_MODEL, {"prompt": "p"})
    assert counted.wrapped() == raw
    for bad in (
        {},
        {"input": {}},
        {"input": {"invokeModel": {"body": "?"}}},
        {"input": {"converse": {}, "x": 1}},
    ):
        with pytest.raises(RequestError):
            count_tokens.unwrap(bad)


@pytest.mark.parametrize("odd", [[], {}, None, 7, ["txt"]], ids=repr)
def test_a_document_whose_format_is_no_word_is_listed_not_a_fault(odd) -> None:
    block = {"document": {"format": odd, "name": "n", "source": {"bytes": "aGVsbG8="}}}
    found = converse.request_slots({"messages": [{"role": "user", "content": [block]}]})
    assert found.uninspectable == ("messages[0].content[0].document.source.bytes",)


@pytest.mark.parametrize("name", ["logprobs", "top_logprobs", "token_likelihoods"])
def test_an_answer_told_token_by_token_cannot_be_inspected(name) -> None:
    told = {"additionalModelResponseFields": {"choices": [{name: [{"token": "4111"}, {"token": "1111"}]}]}}
    assert converse.response_slots(told).uninspectable
    for asked in (True, 5, None):
        assert not converse.response_slots({"additionalModelResponseFields": {name: asked}}).uninspectable
