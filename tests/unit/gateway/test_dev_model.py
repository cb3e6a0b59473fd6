import asyncio
import time

import msgspec
import pytest

from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import WITHOUT_MODEL, Operation
from keepstone.gateway.bodies import body_for
from keepstone.gateway.ports import UpstreamRequest
from keepstone.gateway.upstreams.dev import WHO, DevelopmentModel, count_tokens
from keepstone.policy.schema.upstreams import DevBehaviour

CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Hello there"}]}]}
BODIES = {
    "anthropic.claude-v2:1": {"max_tokens": 9, "messages": [{"role": "user", "content": "Hello there"}]},
    "amazon.titan-text-lite-v1": {"inputText": "Hello there"},
    "meta.llama3-8b-instruct-v1:0": {"prompt": "Hello there"},
    "mistral.mistral-7b-instruct-v0:2": {"prompt": "Hello there"},
    "cohere.command-r-v1:0": {"message": "Hello there"},
    "amazon.nova-lite-v1:0": {"messages": [{"role": "user", "content": [{"text": "Hello there"}]}]},
    "maker.model-v1:0": {"prompt": "Hello there"},
}
ECHO = f"[{WHO}] You said: Hello there"


def model(behaviour=DevBehaviour.ECHO, script=None, delay=0.0):
    return DevelopmentModel("dev", 1, behaviour, script or {}, delay)


def ask(operation, model_id="a", document=CONVERSE, of=None):
    """Return the reply, and the events of a stream."""
    request = UpstreamRequest(operation, model_id, msgspec.json.encode(document), document)

    async def run():
        reply = await (of or model()).send(request)
        return reply, [event async for event in reply.events] if reply.events else []

    return asyncio.run(run())


def test_it_says_what_it_is_and_what_it_heard():
    answer = msgspec.json.decode(ask(Operation.CONVERSE)[0].body)
    assert answer["output"]["message"]["content"] == [{"text": ECHO}]
    assert answer["usage"] == {
        "inputTokens": 2,
        "outputTokens": count_tokens(ECHO),
        "totalTokens": 2 + count_tokens(ECHO),
    }


def test_the_same_call_is_answered_the_same():
    for operation in (Operation.CONVERSE, Operation.CONVERSE_STREAM):
        assert ask(operation)[1] == ask(operation)[1]
        assert ask(operation)[0].body == ask(operation)[0].body


def test_a_stream_says_it_word_by_word():
    events = ask(Operation.CONVERSE_STREAM)[1]
    said = [msgspec.json.decode(each.payload) for each in events if each.type == "contentBlockDelta"]
    assert "".join(each["delta"]["text"] for each in said) == ECHO
    assert len(said) > 5
    assert [events[0].type, *[each.type for each in events[-3:]]] == [
        "messageStart",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]


@pytest.mark.parametrize("model_id", BODIES)
def test_every_family_is_answered_in_its_own_shape(model_id):
    reply, _ = ask(Operation.INVOKE_MODEL, model_id, BODIES[model_id])
    body = body_for(Operation.INVOKE_MODEL, model_id)
    said = [slot.value for slot in body.response_slots(msgspec.json.decode(reply.body)).slots]
    assert ECHO in said or not body.answers_in_text
    assert reply.headers["x-amzn-bedrock-input-token-count"] == "2"
    assert b"guardrailAction" not in reply.body
    events = ask(Operation.INVOKE_MODEL_STREAM, model_id, BODIES[model_id])[1]
    last, _ = body.read_event(events[-1])
    assert last["amazon-bedrock-invocationMetrics"]["inputTokenCount"] == 2


SAID = [{"role": "user", "content": "Hello there"}]


@pytest.mark.parametrize(
    ("model_id", "document", "told"),
    [
        ("maker.m", {"messages": SAID, "note": "an aside", "stop": ["a b"]}, "Hello there"),
        ("maker.m", {"messages": [*SAID, {"role": "assistant", "content": "I"}], "n n": 1}, "Hello there"),
        ("maker.m", {"prompt": "Hello there", "tools": [{"description": "does it"}]}, "Hello there"),
        ("amazon.titan-text-lite-v1", {"inputText": "Hello there", "x": "an aside"}, "Hello there"),
        ("maker.m", {"secret": "an aside"}, ""),
        ("maker.m", {"anthropic_version": "b", "messages": SAID, "metadata": {"user": "a b"}}, "Hello there"),
        ("anthropic.c", {"messages": SAID, "system": "be kind", "other": "an aside"}, "Hello there"),
        ("openai.g", {"messages": SAID, "tools": [{"function": {"description": "does it"}}]}, "Hello there"),
        ("amazon.nova-lite-v1:0", {"messages": CONVERSE["messages"], "other": "an aside"}, "Hello there"),
    ],
)
def test_it_repeats_what_the_user_said_and_nothing_else(model_id, document, told):
    reply, _ = ask(Operation.INVOKE_MODEL, model_id, document)
    heard = f"You said: {told}" if told else "You said nothing that it can read."
    assert f"[{WHO}] {heard}" in reply.body.decode()
    assert "aside" not in reply.body.decode()


@pytest.mark.parametrize("model_id", ["amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"])
def test_embeddings_depend_on_the_text_alone(model_id):
    def vector(text):
        document = {"inputText": text} if "titan" in model_id else {"texts": [text]}
        answer = msgspec.json.decode(ask(Operation.INVOKE_MODEL, model_id, document)[0].body)
        return answer["embedding"] if "titan" in model_id else answer["embeddings"][0]

    assert vector("a") == vector("a") != vector("b")
    assert len(vector("a")) == 256
    assert all(-1 <= each <= 1 for each in vector("a"))


def test_tokens_are_counted():
    document = {"input": {"converse": CONVERSE}}
    assert ask(Operation.COUNT_TOKENS, document=document)[0].body == b'{"inputTokens":2}'


def test_a_script_answers_by_what_it_finds_in_the_text():
    scripted = model(DevBehaviour.SCRIPTED, {"Bye": "Goodbye.", "Hello": "Hi."})
    assert b'"Hi."' in ask(Operation.CONVERSE, of=scripted)[0].body
    unknown = {"messages": [{"role": "user", "content": [{"text": "What?"}]}]}
    assert b"has no answer" in ask(Operation.CONVERSE, document=unknown, of=scripted)[0].body


def test_it_can_fail_and_be_slow():
    with pytest.raises(UpstreamError) as caught:
        ask(Operation.CONVERSE, of=model(DevBehaviour.FAILING))
    assert caught.value.retryable
    started = time.perf_counter()
    ask(Operation.CONVERSE, of=model(DevBehaviour.SLOW, delay=0.02))
    assert time.perf_counter() - started >= 0.02


def test_it_serves_all_that_goes_to_a_model():
    assert {each for each in Operation if not model().supports(each)} == WITHOUT_MODEL
