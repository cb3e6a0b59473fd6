"""Upstreams that die, dawdle, lie and break off: an exception, the next upstream, the record."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.e2e.conversation import events_of, said, streamed, user
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import CHAT
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, internal_error, model_stream_error, unavailable
from tests.simulators.openai import OpenAISimulator
from tests.simulators.server import Simulator

pytestmark = pytest.mark.xdist_group("e2e-faults")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
UNAVAILABLE = ("ServiceUnavailableException", "upstream_unavailable")
MALFORMED = ("ModelErrorException", "upstream_malformed")
LATE = ("ModelTimeoutException", "upstream_timed_out")

WHOLE = {
    "dead": (Behaviour(dead=True), UNAVAILABLE),
    "cut in the body": (Behaviour(cut_after=20), UNAVAILABLE),
    "malformed": (Behaviour(malformed_json=True), MALFORMED),
    "longer than said": (Behaviour(content_length_off_by=-9), MALFORMED),
    "shorter than said": (Behaviour(content_length_off_by=9), UNAVAILABLE),
    "broken": (Behaviour(failure=internal_error()), UNAVAILABLE),
    "down": (Behaviour(failure=unavailable()), UNAVAILABLE),
    "slow": (Behaviour(delay=4), LATE),
}
BEFORE_A_STREAM = {
    "dead": Behaviour(dead=True),
    "cut at once": Behaviour(cut_after=0),
    "cut in the first event": Behaviour(cut_after=30),
    "broken": Behaviour(failure=internal_error()),
}
WITHIN_A_STREAM = {
    "cut between events": Behaviour(cut_after_events=4, text="word " * 90),
    "cut in an event": Behaviour(cut_after=700, text="word " * 90),
    "bad checksum": Behaviour(corrupt_event=3, text="word " * 90),
    "an exception": Behaviour(stream_failure=model_stream_error(), stream_failure_after=4, text="word " * 90),
    "falls silent": Behaviour(event_delay=4, text="word " * 90),
}


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Any:
    return gateway.client()


@pytest.fixture(params=["bedrock", "openai"])
def remote(request: Any, bedrock: BedrockSimulator, openai: OpenAISimulator) -> tuple[str, Simulator]:
    """A model id, and the simulator that answers for it."""
    return (CLAUDE, bedrock) if request.param == "bedrock" else (CHAT, openai)


def is_well(client: Any, model: str) -> None:
    """The next call is answered, streamed too: no pooled connection was left in a bad state."""
    assert said(client.converse(modelId=model, messages=user("hello"))) == "A simulated answer."
    answer = client.converse_stream(modelId=model, messages=user("hello"))
    assert streamed(answer) == "A simulated answer."


class TestWhole:
    @pytest.mark.parametrize("fault", WHOLE)
    def test_is_an_exception(
        self, client: Any, gateway: GatewayProcess, remote: tuple[str, Simulator], fault: str
    ) -> None:
        model, upstream = remote
        behaviour, (name, reason) = WHOLE[fault]
        upstream.usually(behaviour)
        with pytest.raises(ClientError) as caught:
            client.converse(modelId=model, messages=user("hello"))
        answer: Any = caught.value.response
        meta = answer["ResponseMetadata"]
        assert (answer["Error"]["Code"], meta["HTTPHeaders"]["x-keepstone-reason"]) == (name, reason)
        record = gateway.record(meta["RequestId"])
        assert (record["outcome"], record["reasons"][0]["code"]) == ("refuse", reason)
        upstream.usually(Behaviour())
        is_well(client, model)

    def test_a_refused_connection(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        with upstream.refusing(), pytest.raises(client.exceptions.ServiceUnavailableException):
            client.converse(modelId=model, messages=user("hello"))
        upstream.usually(Behaviour())
        is_well(client, model)

    def test_a_connection_that_died_in_the_pool(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        is_well(client, model)
        upstream.drop_connections()
        is_well(client, model)

    @pytest.mark.parametrize("fault", [each for each in WHOLE if each != "slow"])
    def test_fails_over(self, client: Any, bedrock: BedrockSimulator, fault: str) -> None:
        bedrock.usually(WHOLE[fault][0])
        answer = client.converse(modelId="ca." + CLAUDE, messages=user("hello"))
        assert said(answer).endswith("You said: hello")


class TestBeforeAStream:
    @pytest.mark.parametrize("fault", BEFORE_A_STREAM)
    def test_is_an_exception_of_the_call(
        self, client: Any, remote: tuple[str, Simulator], fault: str
    ) -> None:
        model, upstream = remote
        upstream.usually(BEFORE_A_STREAM[fault])
        with pytest.raises(ClientError) as caught:
            client.converse_stream(modelId=model, messages=user("hello"))
        meta: Any = caught.value.response["ResponseMetadata"]
        assert meta["HTTPStatusCode"] in (424, 503)
        upstream.usually(Behaviour())
        is_well(client, model)

    @pytest.mark.parametrize("fault", BEFORE_A_STREAM)
    def test_fails_over(self, client: Any, bedrock: BedrockSimulator, fault: str) -> None:
        bedrock.usually(BEFORE_A_STREAM[fault])
        answer = client.converse_stream(modelId="ca." + CLAUDE, messages=user("hello"))
        assert streamed(answer).endswith("You said: hello")

    def test_the_first_event_has_a_bad_checksum(self, client: Any, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(corrupt_event=0))
        answer = client.converse_stream(modelId="ca." + CLAUDE, messages=user("hello"))
        assert streamed(answer).endswith("You said: hello")


class TestWithinAStream:
    @pytest.mark.parametrize("fault", WITHIN_A_STREAM)
    def test_is_an_event_of_the_stream(
        self, client: Any, gateway: GatewayProcess, remote: tuple[str, Simulator], fault: str
    ) -> None:
        model, upstream = remote
        upstream.behave(WITHIN_A_STREAM[fault])
        answer = client.converse_stream(modelId=model, messages=user("hello"))
        with pytest.raises(EventStreamError):
            events_of(answer)
        record = gateway.record(answer["ResponseMetadata"]["RequestId"])
        assert (record["kind"], record["outcome"]) == ("closed", "refuse")
        assert record["reasons"][0]["code"] in ("upstream_malformed", "upstream_timed_out")
        upstream.usually(Behaviour())
        is_well(client, model)

    def test_small_writes_are_no_fault(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        upstream.behave(Behaviour(text="word " * 20, write_size=7))
        answer = client.converse_stream(modelId=model, messages=user("hello"))
        assert streamed(answer) == "word " * 20

    def test_a_caller_that_leaves_is_recorded_and_forgotten(
        self, client: Any, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        bedrock.behave(Behaviour(text="word " * 200, event_delay=0.02, pieces=(40,)))
        answer = client.converse_stream(modelId=CLAUDE, messages=user("hello"))
        next(iter(answer["stream"]))
        answer["stream"].close()
        number = answer["ResponseMetadata"]["RequestId"]
        deadline = time.monotonic() + 5
        while [each["kind"] for each in gateway.records() if each["id"] == number] != ["opened", "closed"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "keepstone_calls_in_flight 0.0" in gateway.get("/metrics")[1]
        is_well(client, CLAUDE)
