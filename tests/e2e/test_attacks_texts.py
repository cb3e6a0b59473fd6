"""Texts that hide: in JSON within strings, in two places of one event, beside what the policy decides.

Each reached a model or a caller once. `bedrock` and `openai` tell what was really sent.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from tests.e2e.conftest import Start
from tests.e2e.conversation import CARD, EMAIL, user
from tests.e2e.families import FAMILIES
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import CHAT, REVERSIBLE, document
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour
from tests.simulators.openai import OpenAISimulator
from tests.simulators.server import Simulator

pytestmark = pytest.mark.xdist_group("e2e-attacks")

Json = dict[str, Any]
CLAUDE = FAMILIES["anthropic"].model
MISTRAL = FAMILIES["mistral-chat"].model


def escaped(text: str) -> str:
    """A text as a JSON string may write it: each character by its number."""
    return "".join(f"\\u{ord(each):04x}" for each in text)


def sent(*upstreams: Simulator) -> list[str]:
    """The bodies that reached an upstream."""
    return [each.body.decode() for upstream in upstreams for each in upstream.requests]


def post(gateway: GatewayProcess, path: str, body: Json) -> tuple[int, dict[str, str], bytes]:
    return gateway.post(path, json.dumps(body).encode())


SCHEMA = '{"type": "object", "properties": {"a": {"type": "string", "description": "%s"}}}'


class TestSchemas:
    """A JSON schema in a string is read as its readers do, whatever its escapes."""

    @pytest.fixture(params=[CLAUDE, CHAT])
    def model(self, request: Any) -> str:
        return str(request.param)

    def converse(self, gateway: GatewayProcess, model: str, schema: str) -> tuple[int, Json]:
        form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema, "name": "x"}}}
        body = {"messages": user("hello"), "outputConfig": {"textFormat": form}}
        status, headers, _ = post(gateway, f"/model/{model}/converse", body)
        return status, gateway.record(headers["x-amzn-requestid"])

    @pytest.mark.parametrize("write", [str, escaped], ids=["plain", "escaped"])
    def test_a_card_in_converse(
        self,
        gateway: GatewayProcess,
        bedrock: BedrockSimulator,
        openai: OpenAISimulator,
        model: str,
        write: Any,
    ) -> None:
        _, record = self.converse(gateway, model, SCHEMA % write(CARD))
        assert record["reasons"][0]["code"] == "input_blocked"
        assert sent(bedrock, openai) == []

    def test_an_address_in_converse(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, openai: OpenAISimulator, model: str
    ) -> None:
        assert self.converse(gateway, model, SCHEMA % escaped(EMAIL))[0] == 200
        (body,) = sent(bedrock, openai)
        assert "{EMAIL}" in body
        assert "kari" not in body
        assert "006b" not in body

    def test_what_is_no_schema_is_refused(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, openai: OpenAISimulator, model: str
    ) -> None:
        for schema in ("[1]", '{"a": NaN}', '"text"', "{", "1"):
            assert self.converse(gateway, model, schema)[0] == 400
        assert sent(bedrock, openai) == []

    @pytest.mark.parametrize("description", ["x\nproject nightjar", CARD.replace(" ", "\n"), f"a\n{CARD}"])
    @pytest.mark.parametrize(
        ("path", "around"),
        [
            (
                "/v1/chat/completions",
                lambda schema: {
                    "messages": [{"role": "user", "content": "hi"}],
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "x", "schema": schema},
                    },
                },
            ),
            (
                "/v1/chat/completions",
                lambda schema: {
                    "messages": [{"role": "user", "content": "hi"}],
                    "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
                },
            ),
            (
                "/v1/responses",
                lambda schema: {
                    "store": False,
                    "input": "hi",
                    "text": {"format": {"type": "json_schema", "name": "x", "schema": schema}},
                },
            ),
            (
                "/v1/messages",
                lambda schema: {
                    "max_tokens": 9,
                    "messages": [{"role": "user", "content": "hi"}],
                    "output_config": {"format": {"type": "json_schema", "schema": schema}},
                },
            ),
        ],
        ids=["response_format", "tool", "responses", "messages"],
    )
    def test_other_protocols(
        self,
        gateway: GatewayProcess,
        bedrock: BedrockSimulator,
        openai: OpenAISimulator,
        model: str,
        path: str,
        around: Any,
        description: str,
    ) -> None:
        schema = {"type": "object", "properties": {"a": {"type": "string", "description": description}}}
        _, headers, _ = post(gateway, path, {"model": model, **around(schema)})
        name = next(each for each in ("x-request-id", "request-id", "x-amzn-requestid") if each in headers)
        assert gateway.record(headers[name])["reasons"][0]["code"] == "input_blocked"
        assert sent(bedrock, openai) == []


class TestArguments:
    """A tool call's arguments are JSON in a string; what cannot be read for sure is not let through."""

    def ask(self, gateway: GatewayProcess, arguments: str) -> tuple[int, Json]:
        function = {"name": "pay", "arguments": arguments}
        call = {"id": "c1", "type": "function", "function": function}
        turn = {"role": "assistant", "content": None, "tool_calls": [call]}
        result = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
        messages = [{"role": "user", "content": "hello"}, turn, result]
        status, headers, _ = post(
            gateway, f"/model/{MISTRAL}/invoke", {"messages": messages, "max_tokens": 9}
        )
        return status, gateway.record(headers["x-amzn-requestid"])

    @pytest.mark.parametrize("around", ["%s", "[%s]", '{"in": [[%s]]}', " \n%s "], ids=repr)
    def test_a_card(self, gateway: GatewayProcess, bedrock: BedrockSimulator, around: str) -> None:
        _, record = self.ask(gateway, around % f'{{"to": "{escaped(CARD)}"}}')
        assert record["reasons"][0]["code"] == "input_blocked"
        assert sent(bedrock) == []

    @pytest.mark.parametrize("around", ["%s", "[%s]"])
    def test_an_address(self, gateway: GatewayProcess, bedrock: BedrockSimulator, around: str) -> None:
        assert self.ask(gateway, around % f'{{"to": "{escaped(EMAIL)}"}}')[0] == 200
        (body,) = sent(bedrock)
        arguments = json.loads(body)["messages"][1]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(arguments) == json.loads(around % '{"to": "{EMAIL}"}')

    @pytest.mark.parametrize(
        "arguments",
        [
            f'{{"to": "{escaped(CARD)}", "n": NaN}}',
            f'{{"to": "{escaped(CARD)}", "n": Infinity}}',
            f"{{'to': '{escaped(CARD)}'}}",
            f'{{"to": "{escaped(CARD)}"',
            f'[{{"to": "{escaped(CARD)}"}},]',
            f'{{"to": "{escaped(CARD)}", "pad": "{" " * 70_000}"}}',
        ],
        ids=["NaN", "Infinity", "single quotes", "cut", "comma", "long"],
    )
    def test_what_others_may_read_otherwise(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, arguments: str
    ) -> None:
        status, record = self.ask(gateway, arguments)
        assert (status, record["reasons"][0]["code"]) == (400, "content_not_inspectable")
        assert sent(bedrock) == []

    @pytest.mark.parametrize("first", [True, False])
    def test_two_equal_keys(self, gateway: GatewayProcess, bedrock: BedrockSimulator, first: bool) -> None:
        values = [escaped(CARD), "x"] if first else ["x", escaped(CARD)]
        self.ask(gateway, f'{{"to": "{values[0]}", "to": "{values[1]}"}}')
        assert all(escaped(CARD) not in body and CARD not in body for body in sent(bedrock))


class TestBorders:
    """Whoever reads two blocks reads them as one text."""

    @pytest.mark.parametrize("place", [4, 9, 10, 15])
    def test_a_card_in_two_blocks(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, place: int
    ) -> None:
        halves = [{"text": CARD[:place]}, {"text": CARD[place:]}]
        tool = {"toolResult": {"toolUseId": "a", "content": halves}}
        for content in (halves, [{"text": "look"}, tool]):
            body = {"messages": [{"role": "user", "content": content}]}
            _, headers, _ = post(gateway, f"/model/{CLAUDE}/converse", body)
            record = gateway.record(headers["x-amzn-requestid"])
            assert record["reasons"][0]["code"] == "input_blocked"
        assert sent(bedrock) == []

    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
    def test_an_address_in_two_parts(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, path: str
    ) -> None:
        parts = [{"type": "text", "text": "Ask kari.nordmann@"}, {"type": "text", "text": "example.org now."}]
        body = {"model": CLAUDE, "max_tokens": 9, "messages": [{"role": "user", "content": parts}]}
        assert post(gateway, path, body)[0] == 200
        (request,) = sent(bedrock)
        texts = [each["text"] for each in json.loads(request)["messages"][0]["content"]]
        assert texts == ["Ask {EMAIL}", "{EMAIL} now."]

    def test_secrets_that_look_like_names(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        secret = "ghp_" + "a1B2" * 9
        body = {"messages": user("hello"), "inferenceConfig": {"stopSequences": [secret]}}
        post(gateway, f"/model/{CLAUDE}/converse", body)
        ask = {**FAMILIES["anthropic"].ask("hello"), "stop_sequences": [secret]}
        post(gateway, f"/model/{CLAUDE}/invoke", ask)
        assert not [each for each in sent(bedrock) if secret in each]


class TestDecided:
    """What limits, guardrails and transforms look at cannot be set behind their backs."""

    @pytest.mark.parametrize(
        "extra",
        [
            {"max_completion_tokens": 100_000},
            {"max_tokens": 100_000},
            {"n": 64},
            {"messages": [{"role": "user", "content": "other"}]},
            {"model": "another"},
            {"tools": []},
            {"stream": True},
        ],
        ids=lambda extra: next(iter(extra)),
    )
    def test_names_that_the_policy_decides(
        self, gateway: GatewayProcess, openai: OpenAISimulator, extra: Json
    ) -> None:
        body = {"messages": user("hello"), "additionalModelRequestFields": extra}
        status, headers, answer = post(gateway, f"/model/{CHAT}/converse", body)
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
        assert f"`{next(iter(extra))}`" in answer.decode()
        assert sent(openai) == []

    def test_fields_of_the_model_go_along(self, gateway: GatewayProcess, openai: OpenAISimulator) -> None:
        body = {"messages": user("hello"), "additionalModelRequestFields": {"top_k": 3}}
        assert post(gateway, f"/model/{CHAT}/converse", body)[0] == 200
        assert json.loads(sent(openai)[0])["top_k"] == 3


class TestMasks:
    """A secret within a stretch that is masked reversibly is hidden by its type, and never comes back."""

    @pytest.fixture
    def reversible(self, start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator) -> GatewayProcess:
        policy = document(bedrock.url, openai.base_url).replace(
            "  reversible:\n    pii: {",
            "  reversible:\n    credentials: ANONYMIZE\n    pii: {URL: ANONYMIZE, ",
        )
        return start(policy=policy)

    def test_urls_with_secrets(self, reversible: GatewayProcess, bedrock: BedrockSimulator) -> None:
        secrets = {
            "https://x.example/?password=Hunter2-hunter2&y=1": "Hunter2",
            "https://user:S3cr3tPassw0rd@db.example.com/x": "S3cr3t",
            "https://x.example/?token=sk-ant-api03-" + "a1B2" * 24: "sk-ant",
            "https://x.example/?k=AKIAIOSFODNN7EXAMPLE": "AKIA",
            "password: kari.hunter2@example.com": "hunter2",
        }
        model = f"/model/{REVERSIBLE}{CLAUDE}/converse"
        bedrock.usually(Behaviour(text="You said {URL} and {EMAIL}, {PASSWORD}, {AWS_ACCESS_KEY}."))
        for text, secret in secrets.items():
            status, _, answer = post(reversible, model, {"messages": user(f"see {text} ok")})
            assert status == 200
            assert secret not in answer.decode()
            assert "_" not in json.loads(sent(bedrock)[-1])["messages"][0]["content"][0]["text"].replace(
                "BASIC_AUTH_URL", ""
            ), "a stand-in would be turned back"
        assert not [body for body in sent(bedrock) for secret in secrets.values() if secret in body]


def delta(**members: Any) -> Json:
    return {"choices": [{"index": 0, "delta": members, "finish_reason": None}]}


def pieces(text: str) -> Iterator[str]:
    return (text[at : at + 6] for at in range(0, len(text), 6))


END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
SECRET = f"write to {EMAIL} with {CARD} about project nightjar"


FLOWS: dict[str, Any] = {
    "reasoning beside text": lambda part: delta(content="word " * 20, reasoning_content=part),
    "the second of two tool calls": lambda part: delta(
        tool_calls=[{"index": n, "function": {"arguments": part if n else ""}} for n in (0, 1)]
    ),
    "two choices": lambda part: {
        "choices": [{"index": n, "delta": {"content": part if n else "x"}} for n in (0, 1)]
    },
    "a member that nobody knows": lambda part: delta(reasoning=part),
    "two members that nobody knows": lambda part: delta(reasoning=part, audio={"transcript": part}),
    "a tool call of the older kind": lambda part: delta(function_call={"name": "f", "arguments": part}),
}
ANTHROPIC: dict[str, Any] = {
    "thinking beside text": lambda part: {"text": "word " * 20, "thinking": part},
    "a member that nobody knows": lambda part: {"type": "new_delta", "summary": part},
    "two members that nobody knows": lambda part: {"type": "new_delta", "summary": part, "note": part},
    "a tool call beside text": lambda part: {"text": "x" + part, "partial_json": part},
}


class TestFlows:
    """A stream that carries two texts in one event, or one in an unexpected place, cannot be held back."""

    @pytest.mark.parametrize("flow", FLOWS)
    def test_mistral(self, gateway: GatewayProcess, bedrock: BedrockSimulator, flow: str) -> None:
        chunks = tuple(FLOWS[flow](part) for part in pieces(SECRET))
        received = self.streamed(gateway, bedrock, MISTRAL, (*chunks, END))
        assert not [part for part in ("kari", "4111", "nightj") if part in received]

    @pytest.mark.parametrize("flow", ANTHROPIC)
    def test_anthropic(self, gateway: GatewayProcess, bedrock: BedrockSimulator, flow: str) -> None:
        make = ANTHROPIC[flow]
        chunks = tuple(
            {"type": "content_block_delta", "index": 0, "delta": make(part)} for part in pieces(SECRET)
        )
        end = {"type": "message_stop"}
        received = self.streamed(gateway, bedrock, CLAUDE, (*chunks, {"type": "content_block_stop"}, end))
        assert not [part for part in ("kari", "4111", "nightj") if part in received]

    def test_what_no_family_knows_is_not_let_through_unread(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        """Base64 in a stream that is held whole, and an answer told token by token."""
        tokens = [{"token": part} for part in pieces(SECRET)]
        for hidden in ({"logprobs": {"content": tokens}}, delta(content="x", logprobs={"content": tokens})):
            chunks = ({"generation": "a", **hidden}, {"generation": "b", "stop_reason": "stop"})
            received = self.streamed(gateway, bedrock, FAMILIES["llama"].model, chunks)
            assert not [part for part in ("kari", "4111", "nightj") if part in received]

    def test_interleaved_blocks_are_scanned_apart(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        chunks = [
            {"type": "content_block_delta", "index": n, "delta": {"type": "text_delta", "text": part}}
            for part in pieces(f"Ask {EMAIL} today.")
            for n in (0, 1)
        ]
        ends = [{"type": "content_block_stop", "index": n} for n in (0, 1)]
        received = self.streamed(gateway, bedrock, CLAUDE, (*chunks, *ends, {"type": "message_stop"}))
        assert received.count("{EMAIL}") == 2
        assert "kari" not in received

    def test_chat_server_that_mixes_flows(self, gateway: GatewayProcess, openai: OpenAISimulator) -> None:
        client = gateway.client()
        chunks = [delta(content=part, reasoning_content="so ") for part in pieces(SECRET)]
        openai.behave(Behaviour(chunks=(*chunks, END)))
        events: list[Json] = []
        answer = client.converse_stream(modelId=CHAT, messages=user("hello"))
        with closing(answer["stream"]) as stream, pytest.raises(EventStreamError):
            events.extend(stream)
        assert not [part for part in ("kari", "4111", "nightj") if part in json.dumps(events)]

    def streamed(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, model: str, chunks: tuple[Json, ...]
    ) -> str:
        """All that a caller gets, joined: each place of a text by itself."""
        bedrock.behave(Behaviour(chunks=chunks))
        body = next(each for each in FAMILIES.values() if each.model == model).ask("hello")
        answer = gateway.client().invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
        found: dict[str, str] = {}
        try:
            with closing(answer["body"]) as stream:
                for event in stream:
                    gather(json.loads(event["chunk"]["bytes"]), "", found)
        except EventStreamError:
            pass  # refused: what came before it is looked at
        return " | ".join(found.values())


def gather(value: Any, place: str, found: dict[str, str]) -> None:
    """Join the strings at the same place of successive documents, as a caller would."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    if isinstance(value, dict) and "index" in value:
        place += f"#{value['index']}"
    for key, member in members:
        gather(member, f"{place}.{key}", found)
    if isinstance(value, str):
        found[place] = found.get(place, "") + value
