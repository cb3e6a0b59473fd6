"""The policy's patterns as ARNs: as narrow as they were written, and profiles with what is behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.deploy.documents import Place, characters, document, split
from keepstone.deploy.permissions_models import calling, rests
from keepstone.policy.model_ids import Glob
from tests.unit.deploy.documents import policy

HERE = Place("production", "us-east-1", "123456789012")
INVOKE = ["bedrock:InvokeModel", "bedrock:CountTokens"]
MODEL = "arn:aws:bedrock:us-east-1::foundation-model/"
ANYWHERE = "arn:aws:bedrock:*::foundation-model/"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
OWN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"


def made(*ids, **more):
    models = [{"id": each, "upstreams": ["us"]} for each in ids]
    return list(calling(HERE, policy(models=models, **more), ["us"], INVOKE))


def named(statements, *, bound):
    return {
        arn
        for each in statements
        if "bedrock:InvokeModel" in each["Action"] and ("Condition" in each) is bound
        for arn in each["Resource"]
    }


@pytest.mark.parametrize(
    ("ids", "direct", "behind"),
    [
        (["anthropic.claude-x"], {f"{MODEL}anthropic.claude-x"}, set()),
        (["anthropic.*", "amazon.nova-*"], {f"{MODEL}anthropic.*", f"{MODEL}amazon.nova-*"}, set()),
        (["anthropic.*", "anthropic.claude-x"], {f"{MODEL}anthropic.*"}, set()),
        (["us.anthropic.claude-x"], {f"{PROFILE}us.anthropic.claude-x"}, {f"{ANYWHERE}anthropic.claude-x"}),
        (["us.anthropic.*"], {f"{PROFILE}us.anthropic.*"}, {f"{ANYWHERE}anthropic.*"}),
        (["global.amazon.nova-x"], {f"{PROFILE}global.amazon.nova-x"}, {f"{MODEL}amazon.nova-x"}),
        (
            ["*.anthropic.*"],
            {f"{MODEL}*.anthropic.*", f"{PROFILE}*.anthropic.*"},
            {f"{ANYWHERE}anthropic.*", f"{ANYWHERE}*.anthropic.*"},
        ),
        (["odd?id$x"], {f"{MODEL}odd${{?}}id${{$}}x"}, set()),
        ([f"{MODEL}anthropic.claude-x"], {f"{MODEL}anthropic.claude-x"}, set()),
        ([f"{PROFILE}us.amazon.nova-x"], {f"{PROFILE}us.amazon.nova-x"}, {f"{ANYWHERE}amazon.nova-x"}),
        (["arn:*"], set(), set()),
    ],
)
def test_a_model_is_written_as_it_is_asked_for(ids, direct, behind) -> None:
    statements = made(*ids)
    assert (named(statements, bound=False), named(statements, bound=True)) == (direct, behind)


@pytest.mark.parametrize("id_", ["*", "**"])
def test_every_model_is_only_what_says_so(id_) -> None:
    statements = made(id_)
    assert named(statements, bound=False) == {f"{MODEL}*", f"{PROFILE}*"}
    behind = named(statements, bound=True)
    assert behind == {
        f"arn:aws:bedrock:us-{each}::foundation-model/*" for each in ("east-1", "east-2", "west-1", "west-2")
    }


@pytest.mark.parametrize(
    ("id_", "by"),
    [("us.anthropic.*", f"{PROFILE}us.*"), ("*", f"{PROFILE}us.*"), (OWN, OWN)],
)
def test_what_is_behind_a_profile_is_reached_by_profiles_only(id_, by) -> None:
    bound = [each for each in made(id_) if "Condition" in each]
    assert bound
    assert all(each["Action"] == ["bedrock:InvokeModel"] for each in bound)
    assert all(each["Condition"] == {"ArnLike": {"bedrock:InferenceProfileArn": [by]}} for each in bound)


def test_tokens_of_a_profile_s_model_are_counted_where_it_is_called() -> None:
    counts = [
        each["Resource"] for each in made("us.anthropic.*") if each["Action"] == ["bedrock:CountTokens"]
    ]
    assert counts == [[f"{MODEL}anthropic.*"]]


def test_the_model_of_meanings_is_allowed() -> None:
    cache = {"match": "semantic", "embedding": {"upstream": "us"}}
    assert f"{MODEL}amazon.titan-embed-text-v2:0" in named(
        made("anthropic.claude-x", cache=cache), bound=False
    )


def test_many_models_still_fit_into_policies() -> None:
    whole = document(made(*(f"us.anthropic.claude-{each:03}-20260101-v1:0" for each in range(300))))
    assert all(characters(each) <= 6144 for each in split(whole, 6144))


PATTERNS = st.text("us.*a", max_size=8).map(lambda text: text.replace("**", "*"))


@given(pattern=PATTERNS, rest=st.text("us.a", min_size=1, max_size=6))
def test_what_follows_a_geography_fits_a_rest_as_the_whole_fits_the_pattern(pattern, rest) -> None:
    fits = any(Glob(each).matches(rest) for each in rests(pattern, "us."))
    assert fits == Glob(pattern).matches(f"us.{rest}")
