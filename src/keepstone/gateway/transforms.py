"""The changes that the policy's `transforms` make to a call's request and to its answer."""

from typing import Any, assert_never

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import RequestError
from keepstone.gateway.call import Call
from keepstone.policy.schema.transforms import (
    AddSystem,
    AppendText,
    CapField,
    DefaultField,
    DropReasoning,
    RemoveField,
    RequestChange,
    ResponseChange,
    SetField,
)
from keepstone.policy.transforms import CONVERSE

Document = dict[str, Any]


def transform_request(call: Call) -> Decision | None:
    """Find the rules of a call and change its request; the refusal, when one of them cannot be kept.

    Raises `RequestError` for a body in which there is no place for a change.
    """
    route = call.route
    if route is None or not route.model_id or not call.active.policy.transforms:
        return None
    operation = call.counted.operation if call.counted else route.operation
    rules = call.active.policy.transforms_of(call.principal, route.model_id, operation)
    changed = []
    for rule in rules:
        if rule.needs_converse and operation not in CONVERSE:
            message = f"transform `{rule.name}` can be kept for Converse only, this call is {operation}"
            return Decision.refuse(ReasonCode.TRANSFORM_IMPOSSIBLE, message, rule.path)
        done = [_change_request(call.document, each) for each in rule.request]
        if any(done):
            changed.append(f"`{rule.name}`")
    if call.counted is None:  # an answer of CountTokens is a number
        call.changes = tuple(each for rule in rules for each in rule.response)
    if changed:
        call.transform(ReasonCode.REQUEST_TRANSFORMED, f"the request was changed by {', '.join(changed)}")
    return None


def transform_answer(call: Call, document: Document) -> None:
    """Change a whole answer in place; raise `RequestError` when it has no place for a change."""
    done = [_change_answer(document, each) for each in call.changes]
    if any(done):
        note_answer(call)


def note_answer(call: Call) -> None:
    """Note that the answer is not as the model gave it."""
    call.transform(ReasonCode.ANSWER_TRANSFORMED, "the answer was changed by the policy's `transforms`")


def _change_request(document: Document, change: RequestChange) -> bool:
    match change:
        case SetField(path=path, to=value):
            return _write(document, path, value)
        case DefaultField(path=path, to=value):
            return _read(document, path) is None and _write(document, path, value)
        case CapField(path=path, at=bound):
            found = _read(document, path)
            if type(found) in (int, float) and found <= bound:
                return False
            return _write(document, path, bound)
        case RemoveField(path=path):
            return _remove(document, path)
        case AddSystem(text=text, first=first):
            return _add_system(document, text, first=first)
        case _:
            assert_never(change)


def _change_answer(document: Document, change: ResponseChange) -> bool:
    match change:
        case RemoveField(path=path):
            return _remove(document, path)
        case DropReasoning():
            content = _content(document)
            kept = [block for block in content if not (type(block) is dict and "reasoningContent" in block)]
            dropped = len(kept) < len(content)
            content[:] = kept
            return dropped
        case AppendText(text=text):
            _content(document).append({"text": text})
            return True
        case _:
            assert_never(change)


def _add_system(document: Document, text: str, *, first: bool) -> bool:
    blocks = document.setdefault("system", [])
    if type(blocks) is not list:
        raise RequestError("`system` is not a list of blocks")
    blocks.insert(0 if first else len(blocks), {"text": text})
    return True


def _content(document: Document) -> list[Any]:
    try:
        content = document["output"]["message"]["content"]
    except (KeyError, TypeError) as error:
        raise RequestError("the answer has no `output.message.content`") from error
    if type(content) is not list:
        raise RequestError("`output.message.content` is not a list of blocks")
    return content


def _read(document: Any, path: str) -> Any:
    for step in path.split("."):
        if type(document) is not dict or step not in document:
            return None
        document = document[step]
    return document


def _write(document: Document, path: str, value: Any) -> bool:
    *steps, last = path.split(".")
    for step in steps:
        document = document.setdefault(step, {})
        if type(document) is not dict:
            raise RequestError(f"`{step}` is not an object, so `{path}` cannot be written")
    before = document.get(last)
    document[last] = value
    return bool(before != value)


def _remove(document: Any, path: str) -> bool:
    *steps, last = path.split(".")
    for step in steps:
        document = document.get(step) if type(document) is dict else None
    return type(document) is dict and document.pop(last, None) is not None
