"""Amazon Bedrock Runtime on 127.0.0.1: strict about who asks and what, true to AWS in what it answers.

Every request must be signed by a known key pair (or carry a known bearer token) and fit botocore's service
model; every answer is checked against the same model before it leaves.
"""

import base64
import json
import re
import ssl
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tests.simulators import eventstream
from tests.simulators.behaviour import Behaviour, Failure
from tests.simulators.converse import conversation_fault, converse_answer, converse_events, tokens, used
from tests.simulators.invoke import Family, body_fault, family_of
from tests.simulators.server import Simulator
from tests.simulators.shapes import answer_violations, event_violations, request_violations, service
from tests.simulators.sigv4 import Accepted, KeyPair, refusal
from tests.simulators.wire import Answer, Received

Json = dict[str, Any]
KEYS = KeyPair("AKIASIMULATED0EXAMPLE", "simulated/secret/not/a/real/one/EXAMPLE")
SESSION_KEYS = KeyPair("ASIASIMULATED0EXAMPLE", "simulated/session/secret/EXAMPLE", "simulated-session-token")
BEARER = "bedrock-api-key-simulated-EXAMPLE"
CORAL = "http://internal.amazon.com/coral/com.amazon.bedrock/"

_OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
    "count-tokens": "CountTokens",
}
_PATH = re.compile(r"/model/([^/]+)/([a-z-]+)")


class _RefusedError(Exception):
    """An answer that is an error of the service."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.name)
        self.failure = failure


class BedrockSimulator(Simulator):
    """Bedrock Runtime in one region; see `Simulator` for scripting it."""

    def __init__(
        self,
        *,
        pairs: Collection[KeyPair] = (KEYS, SESSION_KEYS),
        bearers: Collection[str] = (BEARER,),
        region: str = "us-east-1",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        guardrail: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """With `guardrail` the caller's role is one that may ask models with this guardrail only."""
        super().__init__(tls=tls)
        self.guardrail = guardrail
        self.accepted = Accepted(pairs, bearers, region)
        self._now = now

    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """Bedrock's answer, in the order AWS asks: who are you, what do you want, can it be had."""
        number = f"00000000-0000-4000-8000-{len(self.requests):012d}"
        try:
            answer = self._granted(received, behaviour)
        except _RefusedError as error:
            answer = _failed(error.failure)
        return Answer(
            answer.status, {"x-amzn-RequestId": number, **answer.headers}, answer.parts, answer.stream
        )

    def _granted(self, received: Received, behaviour: Behaviour) -> Answer:
        failure = refusal(received, self.accepted, self._now())
        if failure:
            raise _RefusedError(failure)
        match = _PATH.fullmatch(received.path)
        if received.method != "POST" or not match or match[2] not in _OPERATIONS:
            raise _RefusedError(Failure(404, "UnknownOperationException", "Unable to determine operation"))
        operation, model_id = _OPERATIONS[match[2]], unquote(match[1])
        request = _request(operation, model_id, received)
        family = family_of(model_id)
        if family is None:
            raise _invalid("The provided model identifier is invalid.")
        if self.guardrail and operation != "CountTokens" and _guardrail_of(request) != self.guardrail:
            message = "User is not authorized to perform: bedrock:InvokeModel with an explicit deny"
            raise _RefusedError(Failure(403, "AccessDeniedException", message))
        if behaviour.failure:
            raise _RefusedError(behaviour.failure)
        match operation:
            case "Converse":
                return _converse(request, behaviour)
            case "ConverseStream":
                return _converse_stream(request, behaviour)
            case "CountTokens":
                return _count_tokens(request, behaviour)
            case "InvokeModel":
                return _invoke(request, family, behaviour)
            case _:
                return _invoke_stream(request, family, behaviour)


def _request(operation: str, model_id: str, received: Received) -> Json:
    """The operation's input, as rest-json spreads it over path, headers and body; checked."""
    request: Json = {"modelId": model_id}
    shape = service().operation_model(operation).input_shape
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header":
            request[name] = received.header(member.serialization["name"])
    if operation.startswith("Invoke"):
        request["body"] = received.body
    else:
        request |= _json(received.body)
    violations = request_violations(operation, request)
    if violations:
        count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected: "
        raise _invalid(count + "; ".join(violations))
    fault = conversation_fault(request) if operation.startswith("Converse") else None
    if fault:
        raise _invalid(fault)
    return request


def _guardrail_of(request: Json) -> str:
    named = request.get("guardrailConfig") or request
    return f"{named.get('guardrailIdentifier', '')}:{named.get('guardrailVersion', '')}"


def _json(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise _RefusedError(Failure(400, "SerializationException", "the body is not JSON")) from error
    if not isinstance(value, dict):
        raise _RefusedError(Failure(400, "SerializationException", "the body is not a JSON object"))
    return value


def _invalid(message: str) -> _RefusedError:
    return _RefusedError(Failure(400, "ValidationException", message))


def _failed(failure: Failure) -> Answer:
    """An error as rest-json carries it: its name in a header, sometimes with a namespace after a colon."""
    modelled = failure.name in service().shape_names
    name = f"{failure.name}:{CORAL}" if modelled else failure.name
    body = json.dumps({"message": failure.message, **failure.members}).encode()
    return Answer(failure.status, {**_JSON, "x-amzn-ErrorType": name, **failure.headers}, (body,))


_JSON = {"Content-Type": "application/json"}


def _sound(violations: list[str]) -> None:
    if violations:
        raise AssertionError(f"AWS would not answer so: {violations}")


def _converse(request: Json, behaviour: Behaviour) -> Answer:
    answer = converse_answer(request, behaviour)
    _sound(answer_violations("Converse", answer))
    return Answer(200, _JSON, (json.dumps(answer, ensure_ascii=False).encode(),))


def _converse_stream(request: Json, behaviour: Behaviour) -> Answer:
    frames: list[bytes] = []
    for name, members in converse_events(request, behaviour):
        _sound(event_violations("ConverseStream", name, members))
        frames.append(eventstream.event(name, members))
    return _streamed("ConverseStream", frames, behaviour, {})


def _count_tokens(request: Json, behaviour: Behaviour) -> Answer:
    source = request["input"]
    counted = base64.b64decode(source["invokeModel"]["body"]) if "invokeModel" in source else None
    text = counted.decode() if counted is not None else source["converse"]
    answer = {"inputTokens": behaviour.usage[0] if behaviour.usage else tokens(text)}
    _sound(answer_violations("CountTokens", answer))
    return Answer(200, _JSON, (json.dumps(answer).encode(),))


def _model_body(request: Json, family: Family) -> Json:
    try:
        body = json.loads(request["body"])
    except ValueError as error:
        raise _invalid("Malformed input request, please reformat your input and try again.") from error
    fault = body_fault(family, body)
    if fault:
        raise _invalid(fault)
    return dict(body)


def _invoke(request: Json, family: Family, behaviour: Behaviour) -> Answer:
    body = _model_body(request, family)
    answer = json.dumps(family.whole(body, behaviour), ensure_ascii=False).encode()
    _sound(answer_violations("InvokeModel", {"body": answer, "contentType": "application/json"}))
    given, spoken = used(body, behaviour)
    counts = {
        "X-Amzn-Bedrock-Invocation-Latency": "42",
        "X-Amzn-Bedrock-Input-Token-Count": str(given),
        "X-Amzn-Bedrock-Output-Token-Count": str(spoken),
    }
    if behaviour.cached:
        names = (
            "X-Amzn-Bedrock-Cache-Read-Input-Token-Count",
            "X-Amzn-Bedrock-Cache-Write-Input-Token-Count",
        )
        counts |= dict(zip(names, map(str, behaviour.cached), strict=True))
    return Answer(200, {**_JSON, **counts, **_granted_headers(request)}, (answer,))


def _granted_headers(request: Json) -> dict[str, str]:
    """Latency and tier of the answer: those that were asked for."""
    asked = {
        "X-Amzn-Bedrock-PerformanceConfig-Latency": request.get("performanceConfigLatency"),
        "X-Amzn-Bedrock-Service-Tier": request.get("serviceTier"),
    }
    return {name: value for name, value in asked.items() if value}


def _invoke_stream(request: Json, family: Family, behaviour: Behaviour) -> Answer:
    operation = "InvokeModelWithResponseStream"
    body = _model_body(request, family)
    if family.stream is None:
        raise _invalid("The model is unsupported for streaming.")
    events = [dict(each) for each in behaviour.chunks] or list(family.stream(body, behaviour))
    given, spoken = used(body, behaviour)
    events[-1]["amazon-bedrock-invocationMetrics"] = {
        "inputTokenCount": given,
        "outputTokenCount": spoken,
        "invocationLatency": 42,
        "firstByteLatency": 7,
    }
    frames = []
    for event in events:
        chunk = {"bytes": base64.b64encode(json.dumps(event, ensure_ascii=False).encode()).decode()}
        _sound(event_violations(operation, "chunk", chunk))
        frames.append(eventstream.event("chunk", chunk))
    headers = {"X-Amzn-Bedrock-Content-Type": "application/json", **_granted_headers(request)}
    return _streamed(operation, frames, behaviour, headers)


def _streamed(operation: str, frames: list[bytes], behaviour: Behaviour, headers: dict[str, str]) -> Answer:
    failure = behaviour.stream_failure
    if failure:
        members = {"message": failure.message, **failure.members}
        name = failure.name[0].lower() + failure.name[1:]
        _sound(event_violations(operation, name, members))
        frames = [*frames[: behaviour.stream_failure_after], eventstream.exception(name, members)]
    return Answer(
        200, {"Content-Type": "application/vnd.amazon.eventstream", **headers}, tuple(frames), stream=True
    )
