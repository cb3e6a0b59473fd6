"""Planted canaries: what callers and models say stands in no log, metric, file or error, whatever goes wrong.

A canary may be seen in two places only: in what is sent to the upstream, and in the answer to the caller who
said it (or whose model did).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.e2e.conversation import TOOLS, events_of, stop_reason, user
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import CHAT, document
from tests.simulators.bedrock import BEARER, KEYS, BedrockSimulator
from tests.simulators.behaviour import Behaviour, Failure, ToolCall, model_stream_error
from tests.simulators.openai import API_KEY, OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-leaks")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
CANARIES = {
    "e-mail": "zq.canary.7731@example.org",
    "card": "5555 5555 5555 4444",
    "aws secret": "aws_secret_access_key = " + "CanaryFAKE0" * 3 + "Zq7/x+9",
    "api key": "ghp_" + "CanaryFAKE00" * 3,
    "words": "the zebra quartz xylophone sings at midnight",
    "header": "canary-header-value-5521",
    "key of an object": "zq.object.key.8812@example.org",
}
REACHES_AS = {
    "e-mail": "I say {EMAIL} to you",
    "key of an object": "I say {EMAIL} to you",
    "card": None,
    "aws secret": None,
    "api key": None,
}
"""How the upstream gets a canary that it does not get as it is; None: the call is blocked."""
NEEDLES = [each.split(" = ")[-1] for each in CANARIES.values()] + ["zebra quartz", "canary.7731"]
ALL = " / ".join(CANARIES.values())


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, _bedrock: BedrockSimulator, _openai: OpenAISimulator
) -> Iterator[GatewayProcess]:
    """A gateway that logs as much as it can, through which the whole module sends its canaries."""
    policy = document(_bedrock.url, _openai.base_url)
    process = GatewayProcess(tmp_path_factory.mktemp("leaks"), policy, "--log-level", "debug")
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture(scope="module")
def client(watched: GatewayProcess) -> Any:
    return watched.client()


def said_in(error: ClientError) -> str:
    """Everything that an exception carries."""
    return json.dumps(error.response, default=str) + str(error)


def clean(text: str) -> None:
    """No canary is in the text, however it is cut or escaped."""
    found = [needle for needle in NEEDLES if needle in text or json.dumps(needle)[1:-1] in text]
    assert not found


def everything_kept(gateway: GatewayProcess) -> dict[str, bytes]:
    """Log, metrics and every file in the gateway's folder, the policy apart."""
    kept = {"metrics": gateway.get("/metrics")[1].encode(), "log": gateway.log.read_bytes()}
    for path in gateway.home.rglob("*"):
        if path.is_file():
            kept[str(path.relative_to(gateway.home))] = path.read_bytes()
    return kept


@pytest.fixture(autouse=True)
def _nothing_is_kept(watched: GatewayProcess, bedrock: BedrockSimulator, openai: OpenAISimulator) -> Any:
    """After each test: no canary and no secret in anything that the gateway wrote."""
    yield
    secrets = [watched.first_key, watched.first_key.split("_", 2)[2], KEYS.secret_key, BEARER, API_KEY]
    for name, data in everything_kept(watched).items():
        for needle in NEEDLES + secrets:
            assert needle.encode() not in data, f"{needle!r} in {name}"


class TestRequests:
    @pytest.mark.parametrize("canary", CANARIES)
    @pytest.mark.parametrize("model", ["keepstone.dev", CLAUDE, CHAT])
    def test_plain_and_streamed(
        self, client: Any, bedrock: BedrockSimulator, openai: OpenAISimulator, canary: str, model: str
    ) -> None:
        text = f"I say {CANARIES[canary]} to you"
        whole = client.converse(modelId=model, messages=user(text))
        assert whole["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert events_of(client.converse_stream(modelId=model, messages=user(text)))
        reached = {CLAUDE: bedrock, CHAT: openai}.get(model)
        if reached is not None:
            said = REACHES_AS.get(canary, CANARIES[canary])
            sent = [each.body.decode() for each in reached.requests]
            assert [said in each for each in sent] == ([] if said is None else [True, True])

    def test_every_place_of_a_request(self, watched: GatewayProcess) -> None:
        body = {
            "messages": [*user(ALL), {"role": "assistant", "content": [{"text": ALL}]}, *user("go on")],
            "system": [{"text": CANARIES["words"]}],
            "toolConfig": TOOLS,
            "additionalModelRequestFields": {CANARIES["key of an object"]: [CANARIES["words"]]},
            "requestMetadata": {"note": CANARIES["words"]},
            CANARIES["key of an object"]: CANARIES["e-mail"],
        }
        sent = json.dumps(body).encode()
        status, headers, _ = watched.post(f"/model/{CLAUDE}/converse", sent, {"x-note": CANARIES["header"]})
        assert (status, headers["x-keepstone-reason"]) == (200, "input_blocked")

    def test_malformed_bodies(self, watched: GatewayProcess) -> None:
        text = json.dumps({"messages": user(ALL)})
        for body in (text[:-2], text + "}", text.replace(":", ";", 1), f'"{CANARIES["words"]}"', ALL):
            status, _, answer = watched.post(f"/model/{CLAUDE}/converse", body.encode())
            assert status == 400
            clean(answer.decode())

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("messages", CANARIES["words"]),
            ("messages", [{"role": CANARIES["words"], "content": CANARIES["words"]}]),
            ("messages", [{"role": "user", "content": [{CANARIES["key of an object"]: {"bytes": "!"}}]}]),
            ("guardrailConfig", {"guardrailIdentifier": CANARIES["words"], "trace": CANARIES["words"]}),
            ("inferenceConfig", {"maxTokens": CANARIES["words"]}),
            ("toolConfig", {"tools": [{CANARIES["key of an object"]: CANARIES["words"]}]}),
        ],
    )
    def test_wrong_shapes(self, watched: GatewayProcess, field: str, value: object) -> None:
        body = json.dumps({"messages": user("hello"), field: value}).encode()
        for model in (CLAUDE, CHAT):
            for operation in ("converse", "converse-stream", "invoke"):
                status, _, answer = watched.post(f"/model/{model}/{operation}", body)
                takes_any = model == CHAT and operation != "invoke" and field != "messages"
                assert status == (200 if takes_any else 400)
                if status != 200:
                    clean(answer.decode())

    def test_what_cannot_be_inspected_is_not_named_by_its_content(self, watched: GatewayProcess) -> None:
        opaque = "QUJD" * 400
        body = {"messages": user("hello"), CANARIES["key of an object"]: {"image": opaque}}
        status, headers, answer = watched.post(f"/model/{CLAUDE}/converse", json.dumps(body).encode())
        assert (status, headers["x-keepstone-reason"]) == (400, "content_not_inspectable")
        clean(answer.decode())

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"x-keepstone-data-class": CANARIES["header"]}, 400),
            ({"authorization": f"Bearer {CANARIES['header']}"}, 403),
            ({"authorization": f"Basic {CANARIES['header']}"}, 403),
            ({"content-type": CANARIES["header"]}, 200),
            ({"x-amzn-bedrock-guardrailidentifier": CANARIES["header"]}, 200),
            ({"x-amzn-bedrock-trace": CANARIES["header"]}, 200),
        ],
    )
    def test_headers(self, watched: GatewayProcess, headers: dict[str, str], expected: int) -> None:
        body = json.dumps({"messages": user("hello")}).encode()
        for model in ("keepstone.dev", CLAUDE):
            status, found, answer = watched.post(f"/model/{model}/converse", body, headers)
            assert status == expected
            clean(answer.decode())
            clean(json.dumps(found))

    def test_apply_guardrail(self, client: Any) -> None:
        for name, canary in CANARIES.items():
            answer = client.apply_guardrail(
                guardrailIdentifier="default",
                guardrailVersion="1",
                source="INPUT",
                content=[{"text": {"text": f"I say {canary} to you"}}],
            )
            assert answer["action"] == ("GUARDRAIL_INTERVENED" if name in REACHES_AS else "NONE")


class TestAnswers:
    @pytest.mark.parametrize("canary", CANARIES)
    def test_plain_streamed_and_by_tool(
        self, client: Any, bedrock: BedrockSimulator, openai: OpenAISimulator, canary: str
    ) -> None:
        text = f"it says {CANARIES[canary]} to you"
        tool = ToolCall("send_mail", {CANARIES[canary]: text})
        for model, upstream in ((CLAUDE, bedrock), (CHAT, openai)):
            for behaviour in (
                Behaviour(text=text, pieces=(5,)),
                Behaviour(text="", tools=(tool,), pieces=(5,)),
            ):
                upstream.behave(behaviour, behaviour)
                upstream.requests.clear()
                answer = client.converse(modelId=model, messages=user("hello"), toolConfig=TOOLS)
                assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
                asked = client.converse_stream(modelId=model, messages=user("hello"), toolConfig=TOOLS)
                assert stop_reason(events_of(asked))
                assert len(upstream.requests) == 2

    @pytest.mark.parametrize("status", [400, 403, 404, 424, 429, 500, 503])
    def test_error_messages_of_upstreams(
        self, client: Any, bedrock: BedrockSimulator, openai: OpenAISimulator, status: int
    ) -> None:
        names = {
            400: "ValidationException",
            403: "AccessDeniedException",
            404: "ResourceNotFoundException",
            424: "ModelErrorException",
            429: "ThrottlingException",
            500: "InternalServerException",
            503: "ServiceUnavailableException",
        }
        for canary in ("e-mail", "card", "aws secret", "api key"):
            failure = Failure(status, names[status], f"your text {CANARIES[canary]} is wrong")
            for model, upstream in ((CLAUDE, bedrock), (CHAT, openai)):
                upstream.behave(Behaviour(failure=failure))
                with pytest.raises(ClientError) as caught:
                    client.converse(modelId=model, messages=user("hello"))
                clean(said_in(caught.value))

    @pytest.mark.parametrize(
        "fault",
        [
            Behaviour(text=ALL, malformed_json=True),
            Behaviour(text=ALL, cut_after=90),
            Behaviour(text=ALL, content_length_off_by=-7),
        ],
        ids=["malformed", "cut", "too long"],
    )
    def test_broken_answers(
        self, client: Any, bedrock: BedrockSimulator, openai: OpenAISimulator, fault: Behaviour
    ) -> None:
        for model, upstream in ((CLAUDE, bedrock), (CHAT, openai)):
            upstream.behave(fault)
            with pytest.raises(ClientError) as caught:
                client.converse(modelId=model, messages=user("hello"))
            clean(said_in(caught.value))

    def test_broken_streams(self, client: Any, bedrock: BedrockSimulator, openai: OpenAISimulator) -> None:
        text = f"{CANARIES['words']} {'word ' * 60}"
        failure = model_stream_error()
        canary = Failure(
            failure.status, failure.name, ALL, {"originalMessage": ALL, "originalStatusCode": 500}
        )
        for fault in (
            Behaviour(text=text, stream_failure=canary, stream_failure_after=5),
            Behaviour(text=text, corrupt_event=5),
            Behaviour(text=text, cut_after=900),
        ):
            for model, upstream in ((CLAUDE, bedrock), (CHAT, openai)):
                upstream.behave(fault)
                answer = client.converse_stream(modelId=model, messages=user("hello"))
                with pytest.raises(EventStreamError) as caught:
                    events_of(answer)
                clean(said_in(caught.value))


def test_a_crash_leaves_nothing(watched: GatewayProcess, client: Any) -> None:
    client.converse(modelId="keepstone.dev", messages=user(ALL.replace(CANARIES["card"], "")))
    watched.kill()
    watched.start()
    assert (
        watched.post("/model/keepstone.dev/converse", json.dumps({"messages": user("hi")}).encode())[0] == 200
    )


def test_files_are_the_owner_s_alone(watched: GatewayProcess) -> None:
    for path in [
        watched.home / "keepstone.db",
        *(watched.home / "keys").iterdir(),
        *(watched.home / "tls").iterdir(),
    ]:
        private = path.suffix not in (".vkey", ".pem") or "key" in path.stem
        assert not (private and path.stat().st_mode & 0o077), path
    assert Path(watched.log).stat().st_size > 0
