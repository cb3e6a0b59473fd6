"""The response cache: contexts never meet, questions are one only when they ask the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.gateway.cache.answers import Answers, Kept, cosine
from keepstone.gateway.cache.question import Question, may_be_kept, question_of
from keepstone.policy.schema.cache import Cache, CacheMatch
from keepstone.policy.schema.transforms import AppendText
from tests.laws import examples
from tests.unit.gateway import calls

MODEL = "anthropic.claude-v2:1"
EXACT, WORDS = Cache(), Cache(match=CacheMatch.WORDS)
STEPS = st.tuples(st.sampled_from("abcdef"), st.sampled_from([b"c", b"d"]), st.integers(0, 60))
BOB = Principal("bob", "api-key", ("engineer",))


def ask(text="How tall is K2?", *, system="", principal=calls.ALICE, data_class=DataClass.INTERNAL, **more):
    call = calls.admitted(Operation.CONVERSE, MODEL)
    for name in ("purpose", "candidates", "changes"):
        setattr(call, name, more.pop(name, getattr(call, name)))
    call.principal, call.data_class = principal, data_class
    call.document = {"messages": [{"role": "user", "content": [{"text": text}]}], **more}
    if system:
        call.document["system"] = [{"text": system}]
    return call


def same(one, other, config):
    first, second = question_of(one, config), question_of(other, config)
    return (first.context, first.words) == (second.context, second.words)


@pytest.mark.parametrize("config", [EXACT, WORDS])
def test_the_same_call_is_the_same_question_whatever_the_order_of_its_members(config):
    other = ask()
    other.document = dict(reversed({**ask(system="x").document}.items()))
    assert same(ask(system="x"), other, config)


@pytest.mark.parametrize(
    ("text", "is_same"),
    [
        ("  how tall is  K2 ", True),
        ("HOW TALL IS K2!", True),
        ("How tall is K1?", False),
        ("How tall is K\u00b2?", False),
        ("Is K2 tall?", False),
    ],
)
def test_the_same_words_are_the_same_question(text, is_same):
    assert same(ask(), ask(text), WORDS) is is_same
    assert not same(ask(), ask(text), EXACT)


def test_signs_within_words_count():
    assert not same(ask("What is C++?"), ask("What is C?"), WORDS)


@pytest.mark.parametrize(
    "other",
    [
        {"principal": BOB},
        {"data_class": DataClass.PUBLIC},
        {"system": "You are a pirate."},
        {"principal": Principal("alice", "api-key", ("engineer",), key_id="k2")},
        {"principal": Principal("alice", "api-key", ("engineer",), key_id="k1", tenant="b")},
        {"principal": Principal("alice", "api-key", ("engineer", "reader"), key_id="k1")},
        {"purpose": "research"},
        {"candidates": ("b",)},
        {"changes": (AppendText(text="AI wrote this."),)},
        {"inferenceConfig": {"maxTokens": 5}},
    ],
    ids=[
        "caller",
        "class",
        "system prompt",
        "key",
        "tenant",
        "roles",
        "purpose",
        "place",
        "changes",
        "settings",
    ],
)
@pytest.mark.parametrize("config", [EXACT, WORDS])
def test_contexts_never_meet(other, config):
    assert not same(ask(), ask(**other), config)


def test_an_organisation_may_share_answers_and_still_not_across_classes():
    config = Cache(per="organisation")
    assert same(ask(), ask(principal=BOB), config)
    assert not same(ask(), ask(principal=BOB, data_class=DataClass.PUBLIC), config)
    assert not same(ask(), ask(principal=replace(BOB, tenant="b")), config)


def unfit(change):
    call = ask()
    change(call)
    return question_of(call, WORDS)


@pytest.mark.parametrize(
    "change",
    [
        lambda call: setattr(call, "data_class", DataClass.CONFIDENTIAL),
        lambda call: setattr(call, "trace", "enabled"),
        lambda call: call.document.update(toolConfig={}),
        lambda call: call.headers.update({b"cache-control": b"max-age=0, No-Store"}),
        lambda call: call.document["messages"][0]["content"].append({"image": {}}),
        lambda call: call.document.update(messages=[]),
        lambda call: call.document["messages"].append("text"),
    ],
    ids=["class", "trace", "tools", "no-store", "image", "no message", "no shape"],
)
def test_what_is_not_answered_from_memory(change):
    assert unfit(change) is None


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ({"stopReason": "end_turn", "output": {"message": {"content": [{"text": "8611 m"}]}}}, True),
        ({"stopReason": "max_tokens", "output": {"message": {"content": [{"text": "86"}]}}}, False),
        ({"stopReason": "end_turn", "output": {"message": {"content": [{"toolUse": {}}]}}}, False),
        ({"stopReason": "end_turn", "output": []}, False),
        ({}, False),
    ],
)
def test_only_finished_text_is_kept(document, kept):
    assert may_be_kept(document) is kept


# --- the answers -------------------------------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


def kept(text, clock, vector=(), context=b"c"):
    return Kept(text.encode(), f"id-{text}", clock.now, Question(context, text), vector)


def test_an_answer_ages_and_leaves():
    clock = Clock()
    answers = Answers(10, 100, clock)
    answers.keep(kept("a", clock))
    clock.now = 99
    assert answers.get(Question(b"c", "a")).call_id == "id-a"
    assert answers.get(Question(b"d", "a")) is None
    clock.now = 100
    assert answers.get(Question(b"c", "a")) is None
    answers.keep(kept("b", clock))
    assert len(answers) == 1


@settings(max_examples=examples(100))
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from([b"c", b"d"]), st.integers(0, 60)), max_size=40
    )
)
def test_there_are_never_too_many_nor_an_old_one(steps):
    clock, model = Clock(), {}
    answers = Answers(3, 100, clock)
    for text, context, wait in steps:
        clock.now += wait
        answers.keep(kept(text, clock, context=context))
        model.pop((context, text), None)
        model[context, text] = clock.now
        model = {key: at for key, at in list(model.items())[-3:] if clock.now - at < 100}
        assert len(answers) <= 3
        for each in "abcdef":
            for where in (b"c", b"d"):
                found = answers.get(Question(where, each))
                assert (found is not None) == ((where, each) in model)


@pytest.mark.parametrize(
    ("question", "vector", "found"),
    [
        ("what is the height of k2", (1.0, 0.1), True),
        ("what is the height of k3", (1.0, 0.1), False),
        ("what is not the height of k2", (1.0, 0.1), False),
        ("what is the colour of k2", (0.1, 1.0), False),
        ("what is the height of k2", (1.0,), False),
    ],
    ids=["the same meaning", "another number", "a negation", "another meaning", "another embedding"],
)
def test_the_same_meaning_is_the_same_question(question, vector, found):
    clock = Clock()
    answers = Answers(10, 100, clock)
    answers.keep(kept("how tall is k2", clock, (1.0, 0.0)))
    assert (answers.alike(Question(b"c", question), vector, 0.97) is not None) is found
    assert answers.alike(Question(b"d", question), vector, 0.97) is None


def test_the_cosine_of_nothing_is_nothing():
    assert cosine((), ()) == 0.0
    assert cosine((0.0, 0.0), (1.0, 0.0)) == 0.0
    assert cosine((3.0, 4.0), (3.0, 4.0)) == pytest.approx(1.0)
