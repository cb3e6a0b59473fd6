"""Reversible masking: stable, unguessable, exact on the way back, and the same however a stream is cut."""

import string
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.core.keyed_hash import KeyedHash
from keepstone.guard.compile import compile_guardrail
from keepstone.guard.guardrail import Direction, Outcome, Text
from keepstone.guard.plan import Family, Rule
from keepstone.guard.surrogates import LETTERS, StreamRestorer, Surrogates
from keepstone.policy.schema import guardrails as schema
from tests.laws import examples

KEY = KeyedHash(b"a key of the tests")
PII = Rule(Family.PII, Outcome.ANONYMIZED)
EVERYTHING = compile_guardrail(
    "everything",
    schema.Guardrail(
        pii=dict.fromkeys(schema.PiiType, schema.Action.ANONYMIZE),
        injection=schema.Injection(strength="HIGH"),
    ),
)
VALUES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
TYPES = st.sampled_from(["EMAIL", "PHONE", "Order Number", "badge"])


def filled(*values, caller="alice"):
    surrogates = Surrogates(KEY, caller)
    names = [surrogates.stand_in(PII, kind, value) for kind, value in values]
    return surrogates, names


def test_a_stand_in_is_the_same_in_every_call_of_a_caller_and_no_other_ones():
    (_, [one]), (_, [again]) = filled(("EMAIL", "a@b.example")), filled(("EMAIL", "a@b.example"))
    _, [other_value] = filled(("EMAIL", "c@b.example"))
    _, [other_type] = filled(("USERNAME", "a@b.example"))
    _, [other_caller] = filled(("EMAIL", "a@b.example"), caller="bob")
    other_key = Surrogates(KeyedHash(b"another key"), "alice").stand_in(PII, "EMAIL", "a@b.example")
    assert one == again
    assert len({one, other_value, other_type, other_caller, other_key}) == 5
    assert one.startswith("EMAIL_")
    assert set(one.removeprefix("EMAIL_")) <= set(LETTERS)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (Rule(Family.CREDENTIAL, Outcome.ANONYMIZED), "GITHUB_TOKEN"),
        (PII, "PASSWORD"),
        (PII, "AWS_SECRET_KEY"),
    ],
)
def test_a_secret_has_no_way_back(rule, kind):
    surrogates = Surrogates(KEY, "alice")
    assert surrogates.stand_in(rule, kind, "hunter2") == kind
    assert len(surrogates) == 0
    assert surrogates.restore(f"it is {{{kind}}}") == f"it is {{{kind}}}"


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(TYPES, VALUES), min_size=1, max_size=6), st.data())
def test_what_was_masked_comes_back(values, data):
    surrogates, names = filled(*values)
    braced = data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names)))
    pairs = list(zip(values, names, braced, strict=True))
    masked = " and ".join(f"{{{name}}}" if own else name for _, name, own in pairs)
    assert surrogates.restore(masked) == " and ".join(value for (_, value), _, _ in pairs)
    assert surrogates.restored.total() == len(values)


@settings(max_examples=examples(200))
@given(
    st.lists(st.one_of(st.integers(0, 2), st.text("{}_ EMAILbdf", max_size=8)), max_size=12),
    st.lists(st.integers(0, 300), max_size=12),
)
def test_a_stream_is_restored_alike_however_it_is_cut(pieces, places):
    surrogates, names = filled(("EMAIL", "a@b.example"), ("badge", "No. 7"), ("EMAIL", "{EMAIL_"))
    text = "".join(piece if isinstance(piece, str) else f"{{{names[piece]}}}" for piece in pieces)
    restorer = StreamRestorer(surrogates)
    cuts = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    released = [restorer.feed(text[a:b]) for a, b in pairwise(cuts)]
    assert "".join(released) + restorer.finish() == Surrogates.restore(surrogates, text)


def test_ordinary_text_is_not_held_back():
    surrogates, _ = filled(("EMAIL", "a@b.example"))
    restorer = StreamRestorer(surrogates)
    assert restorer.feed("Dear customer, {") == "Dear customer, "
    assert restorer.feed("x} thanks") == "{x} thanks"


@settings(max_examples=examples(300))
@given(st.sampled_from([each.value for each in schema.PiiType]), st.binary(min_size=8, max_size=8))
def test_no_detector_takes_a_stand_in_for_a_find(kind, seed):
    name = Surrogates(KeyedHash(seed), "alice").stand_in(PII, kind, "x")
    for text in (f"{{{name}}}", f"Contact {{{name}}} today", f"email: {{{name}}}, user={{{name}}}"):
        for direction in Direction:
            plain = EVERYTHING.inspect([Text(text.replace(name, "name"), "user")], direction)
            found = EVERYTHING.inspect([Text(text, "user")], direction)
            assert len(found.findings) <= len(plain.findings)


def test_two_values_with_the_same_letters_stay_apart():
    class Digest:
        def __init__(self, message):
            self._again = message.endswith(b"\0" + b"1")

        def digest(self):
            return bytes(range(1, 33)) if self._again else bytes(range(32))

    surrogates = Surrogates(Digest, "alice")
    first, second = (surrogates.stand_in(PII, "EMAIL", value) for value in ("one", "two"))
    assert first != second
    assert surrogates.restore(f"{{{first}}} {{{second}}}") == "one two"


def test_many_values_cost_no_more_to_look_for_than_one():
    surrogates = Surrogates(KEY, "alice")
    names = [surrogates.stand_in(PII, "EMAIL", f"a{number}@b.example") for number in range(20_000)]
    text = "EMAIL_" * 2000 + f"{{{names[-1]}}}"
    assert surrogates.restore(text) == "EMAIL_" * 2000 + "a19999@b.example"
    assert len(surrogates._compiled()[0].pattern) < 100


def test_a_value_of_lone_surrogates_is_hashed_all_the_same():
    surrogates = Surrogates(KEY, "alice")
    name = surrogates.stand_in(PII, "EMAIL", "\ud800@b.example")
    assert set(name.partition("_")[2]) <= set(string.ascii_lowercase)


REVERSIBLE = compile_guardrail(
    "reversible",
    schema.Guardrail(
        pii=dict.fromkeys((schema.PiiType.URL, schema.PiiType.EMAIL), schema.Action.ANONYMIZE),
        credentials=schema.Action.ANONYMIZE,
    ),
)


@pytest.mark.parametrize(
    "text",
    [
        "see https://x.example/?token=ghp_" + "aB3d" * 9,
        "see https://x.example/?k=AKIA" + "ABCDEFGH234567AB",
    ],
)
def test_a_secret_within_something_else_has_no_way_back(text):
    surrogates = Surrogates(KEY, "alice")
    found = REVERSIBLE.inspect([Text(text, "user")], Direction.INPUT, surrogates.stand_in)
    assert found.texts[0] == "see {URL}"
    assert len(surrogates) == 0
    plain = REVERSIBLE.inspect([Text("see https://x.example/", "user")], Direction.INPUT, surrogates.stand_in)
    assert surrogates.restore(plain.texts[0]) == "see https://x.example/"
