import pytest

from keepstone.core.errors import GuardError
from keepstone.guard.compile import compile_guardrail
from keepstone.guard.plan import Direction, Outcome
from keepstone.policy.schema import guardrails as schema


def test_a_bad_regex_is_named_with_its_path():
    config = schema.Guardrail(
        regexes=(schema.CustomRegex(name="ok", pattern="a"), schema.CustomRegex(name="broken", pattern="(a"))
    )
    with pytest.raises(
        GuardError, match=r"guardrails\.shop\.regexes\[1\] `broken`: the pattern is not valid"
    ):
        compile_guardrail("shop", config)


def test_a_backtracking_only_pattern_is_refused():
    config = schema.Guardrail(regexes=(schema.CustomRegex(name="back", pattern=r"(a)\1"),))
    with pytest.raises(GuardError, match="`back`"):
        compile_guardrail("shop", config)


def test_guardrails_that_look_for_the_same_share_their_scanners():
    one = compile_guardrail("one", schema.Guardrail())
    two = compile_guardrail("two", schema.Guardrail())
    assert one.plans[Direction.INPUT].scanner is two.plans[Direction.INPUT].scanner
    assert one.plans[Direction.INPUT].attacks is two.plans[Direction.INPUT].attacks


def test_actions_per_direction():
    both = schema.Directions(input=schema.Action.BLOCK, output=schema.Action.ANONYMIZE)
    guardrail = compile_guardrail("x", schema.Guardrail(pii={schema.PiiType.EMAIL: both}))
    outcomes = [guardrail.plans[each].rules["email"].outcome for each in Direction]
    assert outcomes == [Outcome.BLOCKED, Outcome.ANONYMIZED]


def test_attacks_are_looked_for_on_input_only():
    guardrail = compile_guardrail("x", schema.Guardrail())
    assert guardrail.plans[Direction.INPUT].attacks is not None
    assert guardrail.plans[Direction.OUTPUT].attacks is None


@pytest.mark.parametrize(
    ("pattern", "joinable"),
    [("[^a]b", True), (r"\^x\$", True), ("^a", False), ("a$", False), (r"a\z", False), ("[]^]x", True)],
)
def test_a_pattern_with_an_anchor_is_not_scanned_over_joined_texts(pattern, joinable):
    config = schema.Guardrail(regexes=(schema.CustomRegex(name="x", pattern=pattern),))
    assert compile_guardrail("x", config).plans[Direction.INPUT].joinable is joinable


@pytest.mark.parametrize(
    ("pattern", "windowed"),
    [(r"TCK-\d+", True), (r"begin.{0,100}end", True), (r"begin.*end", False), (r"\pN{4}", False)],
)
def test_a_pattern_without_a_bound_buffers_streams(pattern, windowed):
    config = schema.Guardrail(regexes=(schema.CustomRegex(name="x", pattern=pattern),))
    assert (compile_guardrail("x", config).output_window is not None) is windowed
