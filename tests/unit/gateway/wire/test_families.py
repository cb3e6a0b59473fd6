"""InvokeModel's families: where their text lies, what they cost, how they refuse."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws import examples
from wire_documents import json_values

from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire.deltas import Kind
from keepstone.gateway.wire.families import FAMILIES, family_for
from keepstone.gateway.wire.slots import KeySlot, is_identifier, path_of, places

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us."


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "anthropic"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic"),
        ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
        (PROFILE + "meta.llama3-1-8b-instruct-v1:0", "llama"),
        ("arn:aws:bedrock:eu-west-1::foundation-model/amazon.titan-embed-text-v2:0", "titan-embeddings"),
        ("arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc", "unknown"),
        ("apac.amazon.nova-pro-v1:0", "nova"),
        ("amazon.nova-canvas-v1:0", "unknown"),
        ("amazon.titan-text-lite-v1", "titan-text"),
        ("mistral.mixtral-8x7b-instruct-v0:1", "mistral"),
        ("mistral.mistral-large-2407-v1:0", "mistral-chat"),
        ("cohere.command-text-v14", "cohere-command"),
        ("cohere.command-r-plus-v1:0", "cohere-chat"),
        ("cohere.embed-english-v3", "cohere-embed"),
        ("openai.gpt-oss-20b-1:0", "chat"),
        ("keepstone.dev", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_model_speaks(model, name) -> None:
    assert family_for(model).name == name


def turn(role, *content):
    return {"role": role, "content": list(content)}


CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"to":"a\\u0040b"}'}}]
TEXT_SOURCE = {"type": "text", "media_type": "text/plain", "data": "file"}


@pytest.mark.parametrize(
    ("name", "document", "slots", "opaque"),
    [
        ("anthropic", {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5}, [], ()),
        ("anthropic", {"system": "s", "prompt": "p"}, [("system", "s"), ("user", "p")], ()),
        (
            "anthropic",
            {
                "messages": [
                    {"role": "user", "content": "u"},
                    turn("assistant", {"type": "text", "text": "a"}),
                ]
            },
            [("user", "u"), ("assistant", "a")],
            (),
        ),
        (
            "anthropic",
            {"messages": [turn("user", {"type": "image", "source": {"type": "base64", "data": "AA=="}})]},
            [],
            ("messages[0].content[0].source.data",),
        ),
        (
            "anthropic",
            {"messages": [turn("user", {"type": "document", "title": "T t", "source": TEXT_SOURCE})]},
            [("document", "T t"), ("document", "file")],
            (),
        ),
        (
            "anthropic",
            {
                "messages": [
                    turn(
                        "user",
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "text", "text": "r"}],
                        },
                    )
                ]
            },
            [("tool", "r")],
            (),
        ),
        ("anthropic", {"tools": [{"name": "f", "description": "d"}]}, [("system", "d")], ()),
        (
            "nova",
            {"schemaVersion": "messages-v1", "messages": [turn("user", {"text": "u"})]},
            [("user", "u")],
            (),
        ),
        ("titan-text", {"inputText": "u", "textGenerationConfig": {"topP": 1}}, [("user", "u")], ()),
        ("titan-embeddings", {"inputText": "u", "inputImage": "AA=="}, [("user", "u")], ("inputImage",)),
        ("llama", {"prompt": "u", "max_gen_len": 5, "images": ["AA=="]}, [("user", "u")], ("images",)),
        ("mistral", {"prompt": "u", "stop": ["a b"]}, [("user", "u"), ("unknown", "a b")], ()),
        ("mistral", {"messages": [{"role": "tool", "content": "t"}]}, [("tool", "t")], ()),
        (
            "chat",
            {"messages": [{"role": "assistant", "content": None, "tool_calls": CALLS}]},
            [("assistant", "to"), ("assistant", "a@b")],
            (),
        ),
        (
            "chat",
            {"messages": [turn("user", {"type": "image_url", "image_url": {"url": "data:"}})]},
            [],
            ("messages[0].content[0].image_url",),
        ),
        ("cohere-command", {"prompt": "u", "p": 0.5}, [("user", "u")], ()),
        (
            "cohere-chat",
            {"message": "u", "preamble": "s", "chat_history": [{"role": "CHATBOT", "message": "a"}]},
            [("user", "u"), ("system", "s"), ("assistant", "a")],
            (),
        ),
        (
            "cohere-embed",
            {"texts": ["a", "b"], "input_type": "search_query", "images": ["data:"]},
            [("user", "a"), ("user", "b")],
            ("images",),
        ),
        ("unknown", {"deep": [{"x": "y"}]}, [("unknown", "deep"), ("unknown", "x"), ("unknown", "y")], ()),
    ],
)
def test_a_request_says(name, document, slots, opaque) -> None:
    family = next(family for family in FAMILIES if family.name == name)
    text = family.request_slots(document)
    assert [(slot.origin.value, slot.value) for slot in text.slots] == slots
    assert text.uninspectable == opaque


def test_arguments_inside_a_string_are_masked_as_json() -> None:
    document = {"messages": [{"role": "assistant", "tool_calls": deepcopy(CALLS)}]}
    for slot in family_for("openai.x").request_slots(document).slots:
        if slot.value == "a@b":
            slot.replace('"quoted"')
    function = document["messages"][0]["tool_calls"][0]["function"]
    assert function["arguments"] == '{"to":"\\"quoted\\""}'


@pytest.mark.parametrize(
    ("model", "document", "headers", "used"),
    [
        ("anthropic.x", {"usage": {"input_tokens": 1, "output_tokens": 2}}, {}, TokenUsage(1, 2)),
        (
            "anthropic.x",
            {"type": "message_start", "message": {"usage": {"input_tokens": 1}}},
            {},
            TokenUsage(1),
        ),
        ("amazon.nova-x", {"usage": {"inputTokens": 1, "outputTokens": 2}}, {}, TokenUsage(1, 2)),
        ("amazon.nova-x", {"metadata": {"usage": {"inputTokens": 1}}}, {}, TokenUsage(1)),
        ("meta.llama3", {"prompt_token_count": 1, "generation_token_count": 2}, {}, TokenUsage(1, 2)),
        ("amazon.titan-embed-x", {"inputTextTokenCount": 1}, {}, TokenUsage(1)),
        ("openai.x", {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}, {}, TokenUsage(1, 2)),
        (
            "anthropic.x",
            {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 4}},
            {},
            TokenUsage(3, 4),
        ),
        (
            "cohere.command-r-v1",
            {},
            {"x-amzn-bedrock-input-token-count": "5", "x-amzn-bedrock-output-token-count": "6"},
            TokenUsage(5, 6),
        ),
        ("cohere.command-r-v1", {}, {"x-amzn-bedrock-input-token-count": "x"}, TokenUsage()),
        ("x.y", {}, {}, None),
    ],
)
def test_a_call_cost(model, document, headers, used) -> None:
    assert family_for(model).usage(document, headers) == used


@pytest.mark.parametrize(
    ("model", "document", "limit"),
    [
        ("anthropic.x", {"max_tokens": 7}, 7),
        ("anthropic.x", {"max_tokens_to_sample": 8}, 8),
        ("amazon.nova-x", {"inferenceConfig": {"maxTokens": 7}}, 7),
        ("amazon.titan-text-x", {"textGenerationConfig": {"maxTokenCount": 7}}, 7),
        ("meta.llama3", {"max_gen_len": 7}, 7),
        ("cohere.embed-x", {"max_tokens": 7}, None),
        ("meta.llama3", {"max_gen_len": -7}, None),
        ("amazon.nova-x", {"inferenceConfig": []}, None),
    ],
)
def test_the_callers_limit(model, document, limit) -> None:
    assert family_for(model).max_tokens(document) == limit


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_refusal_is_in_the_familys_own_shape(family) -> None:
    sentence = "I cannot help with that."
    answer = family.blocked_response(sentence)
    assert answer["amazon-bedrock-guardrailAction"] == "INTERVENED"
    assert sentence in [slot.value for slot in family.response_slots(answer).slots]
    chunks = family.blocked_stream(sentence)
    assert chunks[-1]["amazon-bedrock-guardrailAction"] == "INTERVENED"
    if family.answers_in_text:
        flows = [family.classify(chunk) for chunk in chunks]
        assert "".join(delta.text for delta in flows if delta.kind is Kind.TEXT) == sentence


NAMES = """messages content role system prompt tools inputText texts source data type text choices outputs
generations embedding usage input function arguments delta"""
words = st.sampled_from(NAMES.split())
bodies = st.recursive(
    json_values,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=examples(100))
@given(st.sampled_from(FAMILIES), st.dictionaries(words, bodies, max_size=4), st.booleans())
def test_no_string_escapes_and_replacing_nothing_changes_nothing(family, document, is_request) -> None:
    before = deepcopy(document)
    text = (family.request_slots if is_request else family.response_slots)(document)
    known = {(id(slot.container), slot.key) for slot in text.slots if not isinstance(slot, KeySlot)}
    for container, place in places(document):
        value, path = container[place[1]], path_of(place)
        if not isinstance(value, str) or is_identifier(value):
            continue
        assert (id(container), place[1]) in known or path.startswith(text.uninspectable or ("?",))
    for slot in text.slots:
        slot.replace(slot.value)
    assert document == before
