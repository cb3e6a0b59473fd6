"""Changes that the policy makes to requests and answers: what each does, and what cannot be done."""

import copy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.core.decision import ReasonCode
from keepstone.core.errors import RequestError
from keepstone.core.exchange import Operation
from keepstone.gateway.transforms import transform_answer, transform_request
from keepstone.policy.compile import compile_policy
from keepstone.policy.schema.transforms import AppendText, DropReasoning, RemoveField
from tests.laws import examples
from tests.unit.gateway import calls
from tests.unit.policy.documents import MINIMAL, loaded

MODEL = "anthropic.claude-v2:1"


def called(changes, document, operation=Operation.CONVERSE, **rule):
    """Return a call whose policy has one transform, after its request went through it."""
    where = "".join(f", {name}: {value}" for name, value in rule.items())
    text = f"{MINIMAL}transforms:\n  - {{name: one{where}, request: [{changes}]}}\n"
    in_force = replace(calls.active(), policy=compile_policy(loaded(text)))
    call = calls.admitted(operation, MODEL, in_force)
    call.document = document
    return call, transform_request(call)


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("{change: set, path: a.b, to: 3}", {}, {"a": {"b": 3}}),
        ("{change: set, path: a.b, to: false}", {"a": {"b": True, "c": 1}}, {"a": {"b": False, "c": 1}}),
        ("{change: default, path: a, to: x}", {"a": "y"}, {"a": "y"}),
        ("{change: default, path: a, to: x}", {}, {"a": "x"}),
        ("{change: cap, path: a.b, at: 10}", {"a": {"b": 11}}, {"a": {"b": 10}}),
        ("{change: cap, path: a.b, at: 10}", {"a": {"b": 9.5}}, {"a": {"b": 9.5}}),
        ("{change: cap, path: a.b, at: 10}", {"a": {"b": "many"}}, {"a": {"b": 10}}),
        ("{change: cap, path: a.b, at: 10}", {"a": {"b": True}}, {"a": {"b": 10}}),
        ("{change: cap, path: a.b, at: 10}", {}, {"a": {"b": 10}}),
        ("{change: remove, path: a.b}", {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
        ("{change: remove, path: a.b}", {"a": [1]}, {"a": [1]}),
        (
            "{change: system, text: ours}",
            {"system": [{"text": "x"}]},
            {"system": [{"text": "ours"}, {"text": "x"}]},
        ),
        (
            "{change: system, text: ours, first: false}",
            {"system": [{"text": "x"}]},
            {"system": [{"text": "x"}, {"text": "ours"}]},
        ),
        ("{change: system, text: ours}", {}, {"system": [{"text": "ours"}]}),
    ],
)
def test_what_a_change_does(change, before, after):
    unchanged = before == after
    call, refusal = called(change, copy.deepcopy(before))
    assert refusal is None
    assert call.document == after
    assert (call.decision.reason.code is ReasonCode.REQUEST_TRANSFORMED) is not unchanged


@pytest.mark.parametrize(
    ("change", "document"),
    [
        ("{change: set, path: a.b, to: 3}", {"a": "text"}),
        ("{change: cap, path: a.b, at: 3}", {"a": [1]}),
        ("{change: system, text: ours}", {"system": "text"}),
    ],
)
def test_a_body_without_a_place_is_malformed(change, document):
    with pytest.raises(RequestError):
        called(change, document)


@pytest.mark.parametrize(
    "rule", [{"roles": "[engineer]"}, {"models": '["anthropic.*"]'}, {"operations": "[Converse]"}]
)
def test_a_rule_that_fits(rule):
    assert called("{change: set, path: a, to: 1}", {}, **rule)[0].document == {"a": 1}


@pytest.mark.parametrize("rule", [{"models": '["amazon.*"]'}, {"operations": "[InvokeModel]"}])
def test_a_rule_for_others(rule):
    call, refusal = called("{change: set, path: a, to: 1}", {}, **rule)
    assert (call.document, refusal) == ({}, None)


def test_what_only_converse_has_refuses_other_operations():
    _, refusal = called("{change: system, text: ours}", {}, Operation.INVOKE_MODEL)
    assert refusal.reason.code is ReasonCode.TRANSFORM_IMPOSSIBLE


@settings(max_examples=examples(100))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from(["a", "a.b", "a.b.c"]),
)
def test_a_cap_holds_for_any_body_or_refuses_it(value, path):
    try:
        call, _ = called(f"{{change: cap, path: {path}, at: 5}}", {"a": value})
    except RequestError:
        return
    found = call.document
    for step in path.split("."):
        found = found[step]
    assert type(found) in (int, float)
    assert found <= 5


def answer(*content):
    return {"output": {"message": {"role": "assistant", "content": list(content)}}, "extra": 1}


def test_an_answer_is_changed():
    call = calls.admitted(Operation.CONVERSE, MODEL)
    call.changes = (DropReasoning(), AppendText(text="AI wrote this."), RemoveField(path="extra"))
    document = answer({"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "Hi"})
    transform_answer(call, document)
    assert document == {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}, {"text": "AI wrote this."}]}}
    }
    assert call.decision.reason.code is ReasonCode.ANSWER_TRANSFORMED


@pytest.mark.parametrize("document", [{}, {"output": {"message": {"content": "text"}}}, {"output": []}])
def test_an_answer_without_content_has_no_place(document):
    call = calls.admitted(Operation.CONVERSE, MODEL)
    call.changes = (AppendText(text="x"),)
    with pytest.raises(RequestError):
        transform_answer(call, document)
