"""Converse to chat completions and back, whole and streamed."""

from base64 import b64encode

import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws import examples
from wire_documents import converse_requests, json_values, shape_of

from keepstone.core.errors import RequestError, WireError
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire.openai import StreamTranslator, from_openai, stop_reason, usage
from keepstone.gateway.wire.openai_request import to_openai
from keepstone.gateway.wire.sse import MAX_EVENT, SseParser


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def user(*content):
    return {"messages": [{"role": "user", "content": list(content)}]}


SPEC = {"name": "f", "description": "does", "inputSchema": {"json": {"type": "object"}}}
USE = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"json": {"b": 2}}, {"text": "ok"}]}}
CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    ("document", "member", "expected"),
    [
        (user({"text": "a"}, {"text": "b"}), "messages", [{"role": "user", "content": "a\nb"}]),
        (
            {"system": [{"text": "s"}, {"cachePoint": {}}, {"text": "t"}], "messages": []},
            "messages",
            [{"role": "system", "content": "s\n\nt"}],
        ),
        (
            user({"text": "a"}, {"image": {"format": "png", "source": {"bytes": "AA=="}}}),
            "messages",
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                    ],
                }
            ],
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"reasoningContent": {}}, {"text": "x"}, USE]}]},
            "messages",
            [{"role": "assistant", "content": "x", "tool_calls": [CALL]}],
        ),
        (
            user(RESULT, {"text": "go on"}),
            "messages",
            [
                {"role": "tool", "tool_call_id": "t1", "content": '{"b":2}\nok'},
                {"role": "user", "content": "go on"},
            ],
        ),
        (
            user({"document": {"format": "txt", "name": "n", "source": {"bytes": b64("file")}}}),
            "messages",
            [{"role": "user", "content": "[n]\nfile"}],
        ),
        ({"inferenceConfig": {"maxTokens": 3, "stopSequences": ["x"]}}, "stop", ["x"]),
        ({"inferenceConfig": {"maxTokens": 3}}, "max_tokens", 3),
        ({"additionalModelRequestFields": {"seed": 1, "top_k": 5}}, "seed", 1),
        (
            {"toolConfig": {"tools": [{"toolSpec": SPEC}]}},
            "tools",
            [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "does", "parameters": {"type": "object"}},
                }
            ],
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": SPEC}], "toolChoice": {"any": {}}}},
            "tool_choice",
            "required",
        ),
        ({"toolConfig": {"tools": [{"toolSpec": SPEC}], "toolChoice": {"auto": {}}}}, "tool_choice", "auto"),
        (
            {"toolConfig": {"tools": [{"toolSpec": SPEC}], "toolChoice": {"tool": {"name": "f"}}}},
            "tool_choice",
            {"type": "function", "function": {"name": "f"}},
        ),
    ],
)
def test_a_request_becomes(document, member, expected) -> None:
    assert to_openai(document, "m")[member] == expected


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({"requestMetadata": {"team": "blue"}}, {"metadata": {"team": "blue"}}),
        ({"requestMetadata": {}}, {}),
        ({"serviceTier": {"type": "flex"}}, {"service_tier": "flex"}),
        ({"performanceConfig": {"latency": "standard"}}, {}),
        ({"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}}, {}),
        ({"promptVariables": {}, "additionalModelResponseFieldPaths": []}, {}),
        (
            {"additionalModelRequestFields": {"response_format": {"type": "json_object"}, "top_k": 1}},
            {"response_format": {"type": "json_object"}, "top_k": 1},
        ),
    ],
)
def test_what_is_said_to_the_server_is_carried(member, expected) -> None:
    plain = to_openai(user({"text": "a"}), "m")
    assert to_openai({**user({"text": "a"}), **member}, "m") == plain | expected


@pytest.mark.parametrize(
    ("member", "named"),
    [
        ({"serviceTier": {"type": "reserved"}}, "`serviceTier`"),
        ({"serviceTier": "flex"}, "`serviceTier`"),
        ({"performanceConfig": {"latency": "optimized"}}, "`performanceConfig`"),
        ({"promptVariables": {"a": {"text": "b"}}}, "`promptVariables`"),
        ({"additionalModelResponseFieldPaths": ["/a"]}, "`additionalModelResponseFieldPaths`"),
        ({"inferenceConfig": {"topK": 3}}, "`inferenceConfig`"),
        ({"toolConfig": {"tools": [{"systemTool": {"name": "s"}}]}}, "`systemTool`"),
        ({"requestMetadata": "odd"}, "valid"),
        ({"jane@example.com": 1}, "in no form"),
        ({"additionalModelRequestFields": {"response_format": {"type": "json_schema"}}}, "response_format"),
    ],
)
def test_what_the_server_has_no_word_for_is_refused(member, named) -> None:
    with pytest.raises(RequestError, match=named) as refused:
        to_openai({**user({"text": "a"}), **member}, "m")
    assert "jane" not in refused.value.message


def test_a_strict_tool_stays_strict() -> None:
    tools = {"toolConfig": {"tools": [{"toolSpec": {**SPEC, "strict": True}}, {"cachePoint": {}}]}}
    (tool,) = to_openai({**user({"text": "a"}), **tools}, "m")["tools"]
    assert tool["function"]["strict"] is True


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "messages",
        "n",
        "max_completion_tokens",
        "stream",
        "tools",
        "temperature",
        "functions",
        "stop",
    ],
)
def test_what_was_decided_elsewhere_cannot_be_set_as_a_model_s_own_field(name) -> None:
    with pytest.raises(RequestError, match=f"`{name}` cannot be set"):
        to_openai({**user({"text": "a"}), "additionalModelRequestFields": {name: 1}}, "m")


def test_a_streamed_request_asks_for_usage() -> None:
    request = to_openai(user({"text": "a"}), "m", stream=True)
    assert (request["stream"], request["stream_options"]) == (True, {"include_usage": True})
    assert to_openai(user({"text": "a"}), "m")["stream"] is False


@pytest.mark.parametrize(
    "block",
    [
        {"document": {"format": "pdf", "name": "n", "source": {"bytes": "AA=="}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}},
        {"video": {}},
        {"guardContent": {"image": {}}},
        {"unheard": {}},
        "odd",
        {"toolUse": {}},
        {"toolResult": {"toolUseId": "t", "content": "text"}},
    ],
)
def test_what_cannot_be_carried_is_refused_not_dropped(block) -> None:
    with pytest.raises(RequestError):
        to_openai(user(block), "m")


@settings(max_examples=examples(60))
@given(converse_requests())
def test_a_random_request_is_translated_or_refused(document) -> None:
    try:
        assert to_openai(document, "m")["model"] == "m"
    except RequestError:
        return


def completion(message, reason="stop", **more):
    return {"choices": [{"message": message, "finish_reason": reason}], **more}


@pytest.mark.parametrize(
    ("message", "reason", "content", "stop"),
    [
        ({"content": "a"}, "stop", [{"text": "a"}], "end_turn"),
        ({"content": "a"}, "length", [{"text": "a"}], "max_tokens"),
        ({"content": "a"}, "content_filter", [{"text": "a"}], "content_filtered"),
        ({"content": None, "tool_calls": [CALL]}, "tool_calls", [USE], "tool_use"),
        ({"content": "x", "tool_calls": [CALL]}, "stop", [{"text": "x"}, USE], "tool_use"),
        ({"content": None}, None, [{"text": ""}], "end_turn"),
        (
            {"content": "a", "reasoning_content": "r"},
            "stop",
            [{"reasoningContent": {"reasoningText": {"text": "r"}}}, {"text": "a"}],
            "end_turn",
        ),
    ],
)
def test_an_answer_becomes(message, reason, content, stop) -> None:
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}
    answer = from_openai(completion(message, reason, usage=counts), latency_ms=4)
    assert answer["output"]["message"]["content"] == content
    assert answer["stopReason"] == stop
    assert answer["usage"]["cacheReadInputTokens"] == 3
    assert not ParamValidator().validate(answer, shape_of("Converse", "output")).has_errors()


@given(st.one_of(json_values, json_values.map(completion)))
def test_any_answer_is_translated_or_a_typed_error(document) -> None:
    try:
        answer = from_openai(document if isinstance(document, dict) else {"choices": document})
    except WireError:
        return
    assert not ParamValidator().validate(answer, shape_of("Converse", "output")).has_errors()


def test_usage_names_cached_input_apart() -> None:
    assert usage({"usage": {"prompt_tokens": 5, "completion_tokens": 2}}) == TokenUsage(5, 2)
    assert usage({}) is None
    assert stop_reason(["odd"], has_calls=False) == "end_turn"


def piece(reason=None, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def call(index, arguments, **more):
    return {"index": index, "function": {"arguments": arguments, **more}}


def translated(*chunks):
    machine = StreamTranslator()
    return [event for chunk in chunks for event in machine.feed(chunk)] + machine.finish()


def test_a_stream_becomes_events_that_botocore_knows() -> None:
    named = {"id": "t1"} | call(0, "", name="f")
    events = translated(
        piece(role="assistant", content=""),
        piece(reasoning_content="r"),
        piece(content="a"),
        piece(content="b"),
        piece(tool_calls=[named]),
        piece(tool_calls=[call(0, '{"a"')]),
        piece(tool_calls=[call(0, ":1}")]),
        piece(tool_calls=[call(1, "{}", name="g")]),
        piece("tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
    )
    stream = shape_of("ConverseStream", "output").members["stream"]
    for name, document in events:
        assert not ParamValidator().validate(document, stream.members[name]).has_errors()
    names = " ".join(name.removeprefix("contentBlock") for name, _ in events)
    reasoning, text, first = "Delta Stop", "Delta Delta Stop", "Start Delta Delta Stop"
    assert names == f"messageStart {reasoning} {text} {first} Start Delta Stop messageStop metadata"
    assert events[-2] == ("messageStop", {"stopReason": "tool_use"})
    assert events[-1][1]["usage"] == {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    inputs = [d["delta"]["toolUse"]["input"] for n, d in events if "toolUse" in d.get("delta", {})]
    assert inputs == ['{"a"', ":1}", "{}"]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [piece(content="a")],
        [piece(tool_calls=[call(0, "{}")])],
        [piece(tool_calls=[call("x", "{}", name="f")])],
        [piece(tool_calls=[call(0, "", name="f"), call(1, "", name="g"), call(0, "{}")])],
        [{"choices": "odd"}],
        [piece(content="a", reasoning_content="r"), piece(content="b", reasoning_content="s")],
    ],
)
def test_a_broken_stream_is_a_typed_error(chunks) -> None:
    with pytest.raises(WireError):
        translated(*chunks)


texts = st.lists(st.sampled_from(["a", "b c", "{", "é"]), min_size=1, max_size=2).map("\n".join)


@given(st.lists(texts, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]), st.data())
def test_any_chunking_of_server_sent_events_gives_the_same_data(items, end, data) -> None:
    events = ["".join(f"data: {line}{end}" for line in item.split("\n")) for item in items]
    raw = end.join(["\ufeff: hello", "event: x", *events, ""]).encode()
    parser, got = SseParser(), []
    size = data.draw(st.integers(1, len(raw)))
    for start in range(0, len(raw), size):
        got += parser.feed(raw[start : start + size])
    assert got + parser.close() == [item.encode() for item in items]


def test_an_event_without_its_blank_line_is_given_at_the_end() -> None:
    parser = SseParser()
    assert parser.feed(b"data: [DONE]") == []
    assert parser.close() == [b"[DONE]"]


@pytest.mark.parametrize("raw", [b"data: " + b"x" * MAX_EVENT, b"data: xxxxxxxxxx\n" * (MAX_EVENT // 10)])
def test_an_endless_event_is_refused(raw) -> None:
    with pytest.raises(WireError):
        SseParser().feed(raw)
