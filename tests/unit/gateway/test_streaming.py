"""A stream on its way out: the laws that hold whatever the model says, and however it cuts it."""

from base64 import b64decode
from functools import lru_cache
from itertools import pairwise

import msgspec
import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.core.decision import Outcome, ReasonCode
from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway import streaming
from keepstone.gateway.bodies import body_for
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.streaming import GovernedStream
from keepstone.gateway.wire.deltas import wrap_chunk
from keepstone.gateway.wire.eventstream import WireEvent
from keepstone.guard.guardrail import Direction, Text
from keepstone.guard.guardrail import Outcome as Judgement
from keepstone.policy.schema import guardrails as schema
from keepstone.policy.schema.guardrails import Action, PiiType
from keepstone.policy.schema.transforms import AppendText, DropReasoning
from tests.laws import examples
from tests.unit.gateway.calls import active, admitted

CLAUDE, TITAN, UNKNOWN = "anthropic.claude-v2:1", "amazon.titan-text-lite-v1", "maker.model-v1:0"
MAIL, WORD = "jane.doe@example.com", "blue harbor"
SORRY = "Sorry, no."
GUARD = schema.Guardrail(
    pii={PiiType.EMAIL: Action.ANONYMIZE, PiiType.PHONE: Action.NONE},
    words=(WORD,),
    messages=schema.Messages(output=SORRY),
)
METRICS = Metrics()
PROSE = "We will look at the numbers again next week and tell you then. " * 4


@lru_cache(maxsize=8)
def in_force(*names):
    second = schema.Guardrail(words=("green door",), messages=schema.Messages(output="The second says no."))
    configs = {"default": GUARD, "second": second, "open": schema.Guardrail(uninspectable="allow")}
    return active({name: configs[name] for name in names or ("default",)})


def governed(operation=Operation.CONVERSE_STREAM, model=CLAUDE, guardrails=(), trace=""):
    call = admitted(operation, model, in_force(*guardrails))
    call.trace = trace
    return GovernedStream(call, body_for(operation, model), METRICS), call


def frames_of(data):
    """Read frames as botocore does."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    for event in buffer:
        yield event.headers[":event-type"], msgspec.json.decode(event.payload)


def play(stream, events):
    """Return the frames that left before the end, and those of the end."""
    before = b""
    for event in events:
        before += stream.feed(event)
        if stream.over:
            break
    return before, stream.finish()


# --- Converse ---------------------------------------------------------------------------------------------


def event(name, document):
    return WireEvent("event", name, msgspec.json.encode(document))


def delta(text, block=0):
    return event("contentBlockDelta", {"delta": {"text": text}, "contentBlockIndex": block})


START = event("messageStart", {"role": "assistant"})
STOP = event("messageStop", {"stopReason": "end_turn"})
METADATA = event("metadata", {"usage": {"inputTokens": 7, "outputTokens": 5}, "metrics": {"latencyMs": 1}})


def stopped(block=0):
    return event("contentBlockStop", {"contentBlockIndex": block})


def conversation(*texts):
    return [START, *map(delta, texts), stopped(), STOP, METADATA]


def types(data):
    return [name for name, _ in frames_of(data)]


def texts(data):
    return [document["delta"]["text"] for name, document in frames_of(data) if name == "contentBlockDelta"]


def test_events_keep_their_order_and_the_end_waits_for_the_record():
    stream, call = governed()
    before, last = play(stream, conversation("Hello ", "there."))
    assert types(before) == ["messageStart", "contentBlockDelta", "contentBlockStop"]
    assert texts(before) == ["Hello there."]
    assert types(last) == ["messageStop", "metadata"]
    assert call.decision.outcome is Outcome.ALLOW
    assert (call.usage.input, call.usage.output) == (7, 5)
    assert stream.released_chars == len("Hello there.")


def test_masked_text_is_noted_once():
    stream, call = governed()
    before, _ = play(stream, conversation(f"Write to {MAIL[:7]}", f"{MAIL[7:]} or {MAIL}", " today."))
    assert "".join(texts(before)) == "Write to {EMAIL} or {EMAIL} today."
    assert [(each.where, each.type, each.count) for each in call.findings] == [("output", "EMAIL", 2)]
    assert call.decision.outcome is Outcome.TRANSFORM
    assert [each.code for each in call.decision.reasons].count(ReasonCode.OUTPUT_MASKED) == 1
    assert call.decision.reason.code is ReasonCode.OUTPUT_MASKED


_pieces = st.lists(
    st.sampled_from(
        ["the report ", "is ready, ", MAIL, " ", "+49 30 901820 ", WORD, "blue ", "harbor ", "\n"]
    ),
    max_size=30,
).map("".join)
_cuts = st.lists(st.integers(0, 600), max_size=12)


def cut(text, places):
    edges = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


def judged(text):
    """Return what the guardrail makes of the text as a whole."""
    return in_force().guardrails["default"].inspect([Text(text, "assistant")], Direction.OUTPUT)


def said(operation, model, events, told=texts):
    """Return the released text, the answer's outcome, and its findings."""
    stream, call = governed(operation, model)
    before, last = play(stream, events)
    notes = sorted((each.type, each.action, each.count) for each in call.findings)
    return "".join(told(before)), "".join(told(last)), call.decision.reason.code, notes


@settings(deadline=None, max_examples=examples(60))
@given(_pieces, _cuts)
def test_any_cutting_of_a_converse_stream_says_the_same(text, places):
    whole = said(Operation.CONVERSE_STREAM, CLAUDE, conversation(text))
    assert said(Operation.CONVERSE_STREAM, CLAUDE, conversation(*cut(text, places))) == whole
    before, last, code, _ = whole
    inspected = judged(text)
    if inspected.action is Judgement.BLOCKED:
        assert (code, last) == (ReasonCode.OUTPUT_BLOCKED, SORRY)
        assert judged(before).action is Judgement.NONE
    else:
        masked = inspected.action is Judgement.ANONYMIZED
        expected = ReasonCode.OUTPUT_MASKED if masked else ReasonCode.ALLOWED
        assert (code, last, before) == (expected, "", inspected.texts[0])


@pytest.mark.parametrize("lead", ["", PROSE], ids=["at once", "after some text"])
@pytest.mark.parametrize("trace", ["", "enabled"])
def test_a_blocked_stream_ends_as_bedrock_ends_it(lead, trace):
    stream, call = governed(trace=trace)
    before, last = play(
        stream, conversation(lead, f"We meet at the {WORD} tonight, the usual place. ", PROSE)
    )
    sent = types(before)
    assert sent == ["messageStart", *["contentBlockDelta"] * (len(sent) - 1)]
    assert (len(sent) > 1) == bool(lead)
    assert lead.startswith("".join(texts(before)))
    end = [] if not lead else ["contentBlockStop"]
    assert types(last) == [*end, "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    documents = dict(frames_of(last))
    assert documents["contentBlockDelta"] == {"delta": {"text": SORRY}, "contentBlockIndex": len(end)}
    assert documents["messageStop"] == {"stopReason": "guardrail_intervened"}
    assert call.decision.reason.code is ReasonCode.OUTPUT_BLOCKED
    assert [(each.action, each.count) for each in call.findings] == [("BLOCKED", 1)]
    assert stream.feed(delta("more")) == b""


def test_the_guardrail_that_blocks_is_the_one_that_speaks():
    stream, call = governed(guardrails=("default", "second"))
    _, last = play(stream, conversation("behind the green door"))
    assert texts(last) == ["The second says no."]
    assert call.decision.reason.path == "guardrails.second"
    assert call.blocker.name == "second"


def test_guardrails_work_in_a_row():
    stream, call = governed(guardrails=("second", "default"))
    before, _ = play(stream, conversation(f"Write to {MAIL}."))
    assert texts(before) == ["Write to {EMAIL}."]
    assert len(call.findings) == 1


def test_channels_are_scanned_apart():
    def thought(text):
        document = {"delta": {"reasoningContent": {"text": text}}, "contentBlockIndex": 0}
        return event("contentBlockDelta", document)

    events = [
        START,
        thought("jane.doe@"),
        delta("example.com", 1),
        thought("x"),
        stopped(0),
        stopped(1),
        STOP,
    ]
    stream, call = governed()
    before, _ = play(stream, events)
    released = [document for name, document in frames_of(before) if name == "contentBlockDelta"]
    assert [each["contentBlockIndex"] for each in released] == [0, 1]
    assert released[0]["delta"]["reasoningContent"]["text"] == "jane.doe@x"
    assert call.findings == []


# --- tool calls -------------------------------------------------------------------------------------------


def tool(*pieces, block=0):
    start = {"start": {"toolUse": {"toolUseId": "t1", "name": "send"}}, "contentBlockIndex": block}
    deltas = [
        event("contentBlockDelta", {"delta": {"toolUse": {"input": each}}, "contentBlockIndex": block})
        for each in pieces
    ]
    return [event("contentBlockStart", start), *deltas, stopped(block)]


@given(_cuts)
@settings(deadline=None, max_examples=examples(20))
def test_a_tool_call_is_held_and_masked_whole(places):
    text = '{"to":"jane.doe\\u0040example.com","note":"at \\u0062lue sky"}'
    stream, call = governed()
    before, _ = play(stream, [START, *tool(*cut(text, places)), STOP, METADATA])
    names = [name for name, _ in frames_of(before)]
    assert names == ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop"]
    sent = [document for name, document in frames_of(before) if name == "contentBlockDelta"]
    assert msgspec.json.decode(sent[0]["delta"]["toolUse"]["input"]) == {
        "to": "{EMAIL}",
        "note": "at blue sky",
    }
    assert [each.count for each in call.findings] == [1]


def test_a_tool_call_that_is_blocked_never_leaves():
    stream, _ = governed()
    before, last = play(stream, [START, *tool('{"to":"\\u0062lue ', 'harbor"}'), STOP])
    assert types(before) == ["messageStart", "contentBlockStart"]
    assert types(last)[:2] == ["contentBlockStop", "contentBlockDelta"]
    assert [document["contentBlockIndex"] for _, document in list(frames_of(last))[:3]] == [0, 1, 1]
    assert texts(last) == [SORRY]


@pytest.mark.parametrize("trace", ["", "disabled", "enabled", "enabled_full"])
def test_a_trace_is_given_only_when_it_was_asked_for(trace):
    stream, _ = governed(trace=trace)
    _, last = play(stream, [START, *tool(f'{{"to":"{MAIL}"}}'), STOP, METADATA])
    metadata = dict(frames_of(last))["metadata"]
    assert ("trace" in metadata) == trace.startswith("enabled")
    if trace.startswith("enabled"):
        assert list(metadata["trace"]["guardrail"]["outputAssessments"]) == ["default"]


def test_what_must_be_held_is_bounded(monkeypatch):
    monkeypatch.setattr(streaming, "MAX_HELD_CHARS", 100)
    stream, _ = governed()
    with pytest.raises(UpstreamError) as caught:
        play(stream, [START, *tool('{"a":"', "b" * 100, '"}')])
    assert caught.value.code == "upstream.malformed"


# --- what goes wrong --------------------------------------------------------------------------------------


def test_a_stream_without_its_end_is_an_error():
    for events in ([START], [START, delta("Hello")], [START, delta("Hello"), stopped()]):
        stream, _ = governed()
        with pytest.raises(UpstreamError, match="before its message did"):
            play(stream, events)


@pytest.mark.parametrize(
    "broken",
    [
        WireEvent("exception", "throttlingException", b"{}"),
        WireEvent("event", "contentBlockDelta", b"not json"),
        WireEvent("event", "contentBlockDelta", b"[]"),
    ],
)
def test_a_broken_event_is_an_error_and_what_was_found_is_kept(broken):
    stream, call = governed()
    stream.feed(START)
    released = stream.feed(delta(f"Write to {MAIL} today. {PROSE}"))
    with pytest.raises(UpstreamError):
        stream.feed(broken)
    stream.settle()
    stream.settle()
    assert "{EMAIL}" in texts(released)[0]
    assert [each.type for each in call.findings] == ["EMAIL"]


def test_content_that_cannot_be_read_is_stopped_unless_the_policy_lets_it_through():
    image = {"delta": {"image": {"source": {"bytes": "AAAA"}}}, "contentBlockIndex": 0}
    events = [START, event("contentBlockDelta", image), stopped(), STOP, METADATA]
    stream, call = governed()
    before, _ = play(stream, events)
    assert types(before) == ["messageStart"]
    assert call.decision.reason.code is ReasonCode.CONTENT_NOT_INSPECTABLE
    stream, call = governed(guardrails=("open",))
    before, _ = play(stream, events)
    assert types(before) == ["messageStart", "contentBlockDelta", "contentBlockStop"]


# --- InvokeModel ------------------------------------------------------------------------------------------


def chunk(document):
    return WireEvent("event", "chunk", wrap_chunk(document))


def documents(data):
    """Return the family's own documents inside the chunks."""
    return [msgspec.json.decode(b64decode(document["bytes"])) for _, document in frames_of(data)]


def claude(*texts):
    blocks = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": each}}
        for each in texts
    ]
    counted = {"inputTokenCount": 7, "outputTokenCount": 5}
    return [
        chunk(each)
        for each in (
            {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            *blocks,
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop", "amazon-bedrock-invocationMetrics": counted},
        )
    ]


def titan(*texts):
    *first, last = texts
    found = [{"outputText": each, "index": 0, "completionReason": None} for each in first]
    return [chunk(each) for each in [*found, {"outputText": last, "index": 0, "completionReason": "FINISH"}]]


def unknown(*texts):
    return [chunk({"token": {"t": each}, "n": number}) for number, each in enumerate(texts)]


def chat(*deltas, reason="tool_calls"):
    choices = [{"index": 0, "delta": each, "finish_reason": None} for each in deltas]
    choices[-1]["finish_reason"] = reason
    return [chunk({"choices": [each]}) for each in choices]


@pytest.mark.parametrize("last", [{}, None], ids=["an end of its own", "the end in the last piece"])
def test_a_chat_tool_call_keeps_its_name_and_end(last):
    """The first chunk names the tool, the last one says why the model stopped."""
    stream, _ = governed(Operation.INVOKE_MODEL_STREAM, "mistral.pixtral-large-2502-v1:0")
    function = {"name": "send", "arguments": ""}
    deltas = [{"content": "", "tool_calls": [{"index": 0, "id": "c1", "function": function}]}]
    deltas += [
        {"content": "", "tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        for piece in ('{"to": "a@b.ex', 'ample"}')
    ]
    deltas += [] if last is None else [last]
    played = documents(b"".join(play(stream, chat(*deltas))))
    found = [each["choices"][0] for each in played]
    calls = [each["delta"]["tool_calls"][0] for each in found if each["delta"].get("tool_calls")]
    assert calls[0] == {
        "index": 0,
        "id": "c1",
        "function": {"name": "send", "arguments": '{"to":"{EMAIL}"}'},
    }
    assert "".join(each["function"]["arguments"] for each in calls[1:]) == ""
    assert found[-1]["finish_reason"] == "tool_calls"


def words(data):
    """Return the text in chunks of any of these families."""
    for each in documents(data):
        if "delta" in each:
            yield each["delta"].get("text", "")
        elif "token" in each:
            yield each["token"]["t"]
        else:
            yield each.get("outputText") or each.get("message", "") if "type" not in each else ""


FAMILIES = {"anthropic": (CLAUDE, claude), "titan": (TITAN, titan), "unknown": (UNKNOWN, unknown)}


@pytest.mark.parametrize(("model", "events"), FAMILIES.values(), ids=FAMILIES)
@settings(deadline=None, max_examples=examples(20))
@given(_pieces, _cuts)
def test_any_cutting_of_a_family_s_stream_says_the_same(model, events, text, places):
    streams = [
        said(Operation.INVOKE_MODEL_STREAM, model, events(*each), words)
        for each in ([text], cut(text, places))
    ]
    (first, first_end, code, notes), (second, second_end, *rest) = streams
    assert [code, notes] == rest
    inspected = judged(text)
    if inspected.action is Judgement.BLOCKED:
        assert code is ReasonCode.OUTPUT_BLOCKED
        assert judged(first).action is judged(second).action is Judgement.NONE
        assert first_end.endswith(SORRY) or model == UNKNOWN
        assert judged(second_end).action is Judgement.NONE
    else:
        assert first + first_end == second + second_end == inspected.texts[0]
        found = [(each.type, each.action.value, each.count) for each in inspected.findings]
        assert notes == sorted(found)


@pytest.mark.parametrize(("model", "events"), FAMILIES.values(), ids=FAMILIES)
def test_a_family_s_mask_is_noted(model, events):
    stream, call = governed(Operation.INVOKE_MODEL_STREAM, model)
    play(stream, events("Write to ", MAIL))
    assert call.decision.outcome is Outcome.TRANSFORM
    assert [(each.type, each.count) for each in call.findings] == [("EMAIL", 1)]
    assert [each.code for each in call.decision.reasons].count(ReasonCode.OUTPUT_MASKED) == 1
    assert call.decision.reason.code is ReasonCode.OUTPUT_MASKED


def test_claude_s_events_keep_their_order_and_the_end_waits():
    stream, call = governed(Operation.INVOKE_MODEL_STREAM)
    before, last = play(stream, claude("Hello ", "there."))
    assert [each["type"] for each in documents(before)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    ]
    assert [each["type"] for each in documents(last)] == ["message_delta", "message_stop"]
    assert (call.usage.input, call.usage.output) == (7, 5)


@pytest.mark.parametrize("trace", ["", "enabled"])
def test_a_blocked_claude_stream_is_one_that_its_client_can_read(trace):
    stream, _ = governed(Operation.INVOKE_MODEL_STREAM, trace=trace)
    before, last = play(stream, claude(PROSE, f"We meet at the {WORD} tonight. ", PROSE))
    sent = [(each["type"], each.get("index")) for each in documents(before + last)]
    deltas = [each for each in sent if each == ("content_block_delta", 0)]
    assert deltas
    assert sent == [
        ("message_start", None),
        ("content_block_start", 0),
        *deltas,
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert "".join(words(last)) == SORRY


def test_a_blocked_titan_stream_is_one_chunk():
    stream, _ = governed(Operation.INVOKE_MODEL_STREAM, TITAN)
    before, last = play(stream, titan("at the ", WORD))
    assert before == b""
    assert [each["outputText"] for each in documents(last)] == [SORRY]
    assert documents(last)[0]["index"] == 0


def test_a_stream_of_an_unknown_family_is_held_whole():
    stream, _ = governed(Operation.INVOKE_MODEL_STREAM, UNKNOWN)
    assert all(stream.feed(each) == b"" for each in unknown("jane.doe@exa", "mple.com", " and more"))
    assert "".join(words(stream.finish())) == "{EMAIL} and more"


# --- changes of the policy's --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hidden",
    [
        {"data": "QUJD" * 300},
        {"logprobs": {"content": [{"token": "4111"}, {"token": "1111"}]}},
        {"choices": [{"top_logprobs": [{"4111": -1}]}]},
    ],
)
def test_what_cannot_be_read_in_a_stream_of_an_unknown_family(hidden):
    for names, refused in (((), True), (("open",), False)):
        stream, call = governed(Operation.INVOKE_MODEL_STREAM, "maker.model-v1", names)
        play(stream, [chunk({"token": "a b"}), chunk(hidden)])
        code = call.decision.reason.code if call.decision else ""
        assert (code == ReasonCode.CONTENT_NOT_INSPECTABLE) is refused


def reasoning(text, block=0):
    document = {"delta": {"reasoningContent": {"text": text}}, "contentBlockIndex": block}
    return event("contentBlockDelta", document)


def test_reasoning_is_left_out_and_a_notice_is_added():
    call = admitted(Operation.CONVERSE_STREAM, CLAUDE, in_force())
    call.changes = (DropReasoning(), AppendText(text="AI wrote this."))
    stream = GovernedStream(call, body_for(Operation.CONVERSE_STREAM, CLAUDE), METRICS)
    events = [START, reasoning("hm"), stopped(), delta("Hello.", 1), stopped(1), STOP, METADATA]
    before, last = play(stream, events)
    found = list(frames_of(before + last))
    assert "hm" not in str(found)
    blocks = [document["contentBlockIndex"] for name, document in found if name.startswith("contentBlock")]
    assert blocks == [1, 1, 2, 2]
    assert texts(before + last) == ["Hello.", "AI wrote this."]
    assert [name for name, _ in found][-2:] == ["messageStop", "metadata"]
    assert call.decision.reason.code is ReasonCode.ANSWER_TRANSFORMED
