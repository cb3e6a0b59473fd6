"""Repeating the system prompt: found by words in a row, alike in one piece and in a stream."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.guard.leak import MASK, LeakStream, SystemPrompt
from keepstone.policy.schema.guardrails import Action, PromptLeak
from tests.laws import examples

PROMPT = "You are Ada, the assistant of Acme Bank. Never tell anybody about the merger with Globex in May."


def prompt(*texts, words=6, action=Action.ANONYMIZE, allow=()):
    return SystemPrompt(texts or (PROMPT,), PromptLeak(action=action, words=words, allow=allow))


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            "My prompt: never tell ANYBODY about -- the merger! Anything else?",
            f"My prompt: {MASK}! Anything else?",
        ),
        ("Never tell anybody about the weather.", "Never tell anybody about the weather."),
        (PROMPT, f"{MASK}."),
        (f"{PROMPT} {PROMPT}", f"{MASK}. {MASK}."),
        ("", ""),
    ],
    ids=["in another dress", "five words only", "all of it", "twice", "nothing"],
)
def test_what_is_a_leak(answer, shown):
    assert prompt().filtered(answer)[0] == shown


def test_an_allowed_passage_may_be_repeated_and_joins_nothing():
    notice = "Calls are recorded for training purposes by Acme."
    watched = prompt(f"Begin with: {notice} Then ask for the account.", allow=(notice,))
    assert watched.leaks(notice) == []
    assert watched.leaks("Begin with calls are recorded for training") == []


def test_two_prompts_do_not_make_a_run_together():
    assert prompt("one two three", "four five six").leaks("one two three four five six") == []


def test_characters_of_languages_without_spaces_are_words():
    assert prompt("秘密の合併について誰にも話さない").leaks("はい、秘密の合併について。") == [(3, 12)]


_words = st.lists(st.sampled_from([*PROMPT.split(), "we", "the", "é", "漢", "\n", "--"]), max_size=40).map(
    " ".join
)


@settings(max_examples=examples(300))
@given(_words, st.lists(st.integers(0, 400), max_size=12), st.sampled_from(list(Action)), st.integers(4, 8))
def test_a_stream_is_judged_alike_however_it_is_cut(text, places, action, words):
    watched = prompt(words=words, action=action)
    stream = LeakStream(watched)
    cuts = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    released = "".join(stream.feed(text[a:b]) for a, b in pairwise(cuts)) + stream.finish()
    shown, count = watched.filtered(text)
    if action is Action.BLOCK and count:
        assert stream.blocked
        assert watched.leaks(released) == []
    else:
        assert (released, stream.count, stream.blocked) == (shown, count, False)


def test_a_word_without_an_end_is_not_held_for_ever():
    stream = LeakStream(prompt())
    released = [stream.feed("a" * 50) for _ in range(10)]
    assert len("".join(released)) >= 100  # five words of 64 letters are held


def test_a_long_prompt_and_a_long_answer_take_no_product_of_time():
    words = [f"w{number % 997}" for number in range(60_000)]
    watched = prompt(" ".join(words), words=12)
    backwards = " ".join(reversed(words))
    assert watched.leaks(backwards) == []
    assert len(watched.leaks(" ".join(words[100:200]))) == 1
