"""A server of OpenAI chat completions on 127.0.0.1, as vLLM and Ollama offer: whole answers, SSE, tools."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from tests.simulators.behaviour import Behaviour, Failure, pieces_of
from tests.simulators.converse import said, used
from tests.simulators.server import Simulator
from tests.simulators.wire import Answer, Received

Json = dict[str, Any]
API_KEY = "sk-simulated-EXAMPLE"
MODEL = "simulated-chat"
_HEAD: Json = {"id": "chatcmpl-simulated", "created": 1_700_000_000}
_ROLES = {"system", "developer", "user", "assistant", "tool"}
_TYPES = {401: "authentication_error", 404: "invalid_request_error", 429: "requests"}


class OpenAISimulator(Simulator):
    """Chat completions for the models it knows, for callers with its key (None: for anybody)."""

    def __init__(self, *, api_key: str | None = API_KEY, models: Collection[str] = (MODEL,)) -> None:
        super().__init__()
        self._api_key = api_key
        self._models = tuple(models)

    @property
    def base_url(self) -> str:
        """What clients are given as base URL."""
        return f"{self.url}/v1"

    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """A completion, the list of models, or an error in OpenAI's shape."""
        failure = self._key_fault(received)
        if failure:
            return _failed(failure)
        if (received.method, received.path) == ("GET", "/v1/models"):
            rows = [{"id": name, "object": "model", "owned_by": "simulator"} for name in self._models]
            return _whole({"object": "list", "data": rows})
        if (received.method, received.path) != ("POST", "/v1/chat/completions"):
            return _failed(Failure(404, "not_found", f"Invalid URL ({received.method} {received.path})"))
        request = _decoded(received.body)
        failure = self._request_fault(request) or behaviour.failure
        if failure:
            return _failed(failure)
        return (
            _stream(request, behaviour) if request.get("stream") else _whole(_completion(request, behaviour))
        )

    def _key_fault(self, received: Received) -> Failure | None:
        if self._api_key is None or received.header("authorization") == f"Bearer {self._api_key}":
            return None
        return Failure(401, "invalid_api_key", "Incorrect API key provided.")

    def _request_fault(self, request: Json) -> Failure | None:
        messages = request.get("messages")
        if not isinstance(request.get("model"), str):
            return _bad("you must provide a model parameter")
        if request["model"] not in self._models:
            return Failure(404, "model_not_found", f"The model `{request['model']}` does not exist")
        if not isinstance(messages, list) or not messages:
            return _bad("[] is too short - 'messages'")
        faults = [
            fault for number, message in enumerate(messages) if (fault := _message_fault(number, message))
        ]
        return _bad(faults[0]) if faults else None


def _message_fault(number: int, message: Any) -> str | None:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        return f"Invalid value for 'messages[{number}].role'."
    if message["role"] == "tool" and not isinstance(message.get("tool_call_id"), str):
        return f"Missing parameter 'messages[{number}].tool_call_id'."
    content = message.get("content")
    silent_calls = message["role"] == "assistant" and message.get("tool_calls")
    if not isinstance(content, str | list) and not silent_calls:
        return f"Invalid type for 'messages[{number}].content'."
    parts = content if isinstance(content, list) else []
    if not all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts):
        return f"Invalid type for 'messages[{number}].content'."
    return None


def _bad(message: str) -> Failure:
    return Failure(400, "invalid_request_error", message)


def _decoded(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _error(failure: Failure) -> Json:
    kind = _TYPES.get(failure.status, "server_error" if failure.status >= 500 else "invalid_request_error")
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": failure.name}}


def _failed(failure: Failure) -> Answer:
    headers = {"Content-Type": "application/json", **failure.headers}
    return Answer(failure.status, headers, (json.dumps(_error(failure)).encode(),))


def _whole(body: Json) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, (json.dumps(body, ensure_ascii=False).encode(),))


def _reason(behaviour: Behaviour) -> str:
    return behaviour.stop_reason or ("tool_calls" if behaviour.tools else "stop")


def _usage(request: Json, behaviour: Behaviour) -> Json:
    given, spoken = used(request["messages"], behaviour)
    return {"prompt_tokens": given, "completion_tokens": spoken, "total_tokens": given + spoken}


def _completion(request: Json, behaviour: Behaviour) -> Json:
    silent = behaviour.tools and behaviour.text is None
    message: Json = {"role": "assistant", "content": None if silent else said(behaviour)}
    if behaviour.reasoning:
        message["reasoning_content"] = behaviour.reasoning
    if behaviour.tools:
        message["tool_calls"] = [
            {
                "id": tool.id,
                "type": "function",
                "function": {"name": tool.name, "arguments": json.dumps(tool.input, ensure_ascii=False)},
            }
            for tool in behaviour.tools
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(behaviour)}
    head = {**_HEAD, "object": "chat.completion", "model": request["model"]}
    return {**head, "choices": [choice], "usage": _usage(request, behaviour)}


def _stream(request: Json, behaviour: Behaviour) -> Answer:
    events = [_event(chunk) for chunk in behaviour.chunks or _chunks(request, behaviour)]
    failure = behaviour.stream_failure
    if failure:
        events = [*events[: behaviour.stream_failure_after], _event(_error(failure))]
    if behaviour.corrupt_event is not None:
        events[behaviour.corrupt_event] = b'data: {"choices": [\n\n'
    return Answer(
        200, {"Content-Type": "text/event-stream; charset=utf-8"}, (*events, b"data: [DONE]\n\n"), stream=True
    )


def _event(chunk: Json) -> bytes:
    return b"data: %s\n\n" % json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode()


def _chunks(request: Json, behaviour: Behaviour) -> Iterator[Json]:
    head = {**_HEAD, "object": "chat.completion.chunk", "model": request["model"]}
    for delta in _deltas(behaviour):
        yield {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": _reason(behaviour)}
    yield {**head, "choices": [last]}
    if (request.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _usage(request, behaviour)}


def _deltas(behaviour: Behaviour) -> Iterator[Json]:
    yield {"role": "assistant", "content": ""}
    if behaviour.reasoning:
        yield from ({"reasoning_content": p} for p in pieces_of(behaviour.reasoning, behaviour.pieces))
    if behaviour.text is not None or not behaviour.tools:
        yield from ({"content": piece} for piece in pieces_of(said(behaviour), behaviour.pieces))
    for index, tool in enumerate(behaviour.tools):
        start = {"index": index, "id": tool.id, "type": "function"}
        yield {"tool_calls": [{**start, "function": {"name": tool.name, "arguments": ""}}]}
        for piece in pieces_of(json.dumps(tool.input, ensure_ascii=False), behaviour.pieces):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
