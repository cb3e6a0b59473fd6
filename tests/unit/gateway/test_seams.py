"""Values across the border of two blocks; and that what stands on one side only is left alone."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.gateway.seams import LOOK, inspect_seams
from keepstone.gateway.wire.slots import Base64Slot, Origin, Slot
from keepstone.guard.compile import compile_guardrail
from keepstone.guard.guardrail import Direction
from keepstone.policy.schema.guardrails import Guardrail as Config
from tests.laws import examples

CARD = "4111 1111 1111 1111"
GUARD = compile_guardrail(
    "default",
    msgspec.convert(
        {
            "pii": {
                "EMAIL": "ANONYMIZE",
                "CREDIT_DEBIT_CARD_NUMBER": "BLOCK",
                "PHONE": "NONE",
                "PIN": "ANONYMIZE",
            },
            "words": ["project nightjar"],
        },
        Config,
    ),
)


def blocks(*texts, origin=Origin.USER):
    return [Slot({"text": each}, "text", origin) for each in texts]


def found(slots):
    return [each.type for each in inspect_seams(GUARD, slots, Direction.INPUT)]


@pytest.mark.parametrize(
    ("texts", "types", "left"),
    [
        (("mine is 4111 1111 ", "1111 1111, yes"), ["CREDIT_DEBIT_CARD_NUMBER"], None),
        (("4111 1111", "1111 1111"), ["CREDIT_DEBIT_CARD_NUMBER"], None),
        (("about project", "nightjar then"), ["CUSTOM_WORD"], None),
        (("ask ann@exam", "ple.org now"), ["EMAIL"], ["ask {EMAIL}", "{EMAIL} now"]),
        (("ask ann", "@example.org"), ["EMAIL"], ["ask {EMAIL}", "{EMAIL}"]),
        (("a", "ask ann@exam", "ple.org", "b"), ["EMAIL"], ["a", "ask {EMAIL}", "{EMAIL}", "b"]),
        (("Hello", "{EMAIL} is yours"), [], ["Hello", "{EMAIL} is yours"]),
        (("my PIN is", "4821 apples"), [], ["my PIN is", "4821 apples"]),
        (("nothing", "here"), [], ["nothing", "here"]),
        (("", "4111 1111 1111 1111"), [], None),
        (("9" * LOOK + "4111 1111", "1111 1111"), [], None),
    ],
)
def test_across_a_border(texts, types, left):
    slots = blocks(*texts)
    assert found(slots) == types
    if left is not None:
        assert [slot.value for slot in slots] == left


def test_other_neighbours_are_read_by_nobody_as_one():
    left, right = blocks("4111 1111", "1111 1111")
    assert found([left, Slot({"text": "1111 1111"}, "text", Origin.ASSISTANT)]) == []
    assert found([Slot({"title": "4111 1111"}, "title", Origin.USER), right]) == []
    assert found([left, Base64Slot({"text": ""}, "text", Origin.USER, "1111 1111")]) == []


@settings(max_examples=examples(60))
@given(st.integers(1, len(CARD) - 1), st.text("ab ", max_size=200), st.text("ab ", max_size=200))
def test_a_card_cut_anywhere_is_found(place, before, after):
    slots = blocks(f"{before} {CARD[:place]}", f"{CARD[place:]} {after}")
    assert found(slots) == ["CREDIT_DEBIT_CARD_NUMBER"]


@settings(max_examples=examples(60))
@given(st.lists(st.text("ab @.1:", max_size=40), max_size=5))
def test_nothing_is_lost_where_nothing_is_found(texts):
    slots = blocks(*texts)
    if not found(slots):
        assert [slot.value for slot in slots] == texts
    else:
        assert any("@" in one + other for one, other in pairwise(texts))
