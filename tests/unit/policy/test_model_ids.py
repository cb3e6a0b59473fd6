"""Names of a model, and patterns that overlap."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.policy.model_ids import Glob, canonical_name, names_for_denial, names_of, overlap

ARN, GOV_ARN = "arn:aws:bedrock:", "arn:aws-us-gov:bedrock:"
PROFILE = f"{ARN}eu-west-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0"


@pytest.mark.parametrize(
    ("model_id", "names"),
    [
        ("anthropic.claude-x-v1:0", ("anthropic.claude-x-v1:0",)),
        ("us.anthropic.claude-x", ("us.anthropic.claude-x",)),
        (PROFILE, (PROFILE, "eu.anthropic.claude-x-v1:0")),
        (f"{ARN}us-east-1::foundation-model/a.b", (f"{ARN}us-east-1::foundation-model/a.b", "a.b")),
        (f"{GOV_ARN}r::foundation-model/a.b", (f"{GOV_ARN}r::foundation-model/a.b", "a.b")),
        ("arn:aws:bedrock:r:1:provisioned-model/a.b", ("arn:aws:bedrock:r:1:provisioned-model/a.b",)),
        (f"{ARN}r:1:application-inference-profile/a", (f"{ARN}r:1:application-inference-profile/a",)),
        ("arn:aws:sagemaker:r:1:foundation-model/a.b", ("arn:aws:sagemaker:r:1:foundation-model/a.b",)),
        ("arn:aws:bedrock:r:1:foundation-model/", ("arn:aws:bedrock:r:1:foundation-model/",)),
        ("arn:aws:bedrock:r:1:foundation-model/x/a.b", ("arn:aws:bedrock:r:1:foundation-model/x/a.b",)),
        ("arn:", ("arn:",)),
        ("", ("",)),
    ],
)  # fmt: skip
def test_a_model_is_known_by_its_names(model_id: str, names: tuple[str, ...]) -> None:
    assert names_of(model_id) == names


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("us.anthropic.x", "anthropic.x"),
        ("us-gov.anthropic.x", "anthropic.x"),
        ("apac.amazon.x", "amazon.x"),
        ("global.amazon.x", "amazon.x"),
        ("EU.Amazon.X", "amazon.x"),
        (PROFILE, "anthropic.claude-x-v1:0"),
    ],
)
def test_a_denial_sees_through_geographies_and_letter_case(model_id: str, name: str) -> None:
    assert name in names_for_denial(model_id)


def test_a_provider_is_no_geography() -> None:
    assert names_for_denial("meta.llama") == ("meta.llama",)


@given(st.text("ab*", min_size=1, max_size=5), st.text("ab*", min_size=1, max_size=5))
def test_overlap_means_that_some_text_fits_both(left: str, right: str) -> None:
    texts = ("".join(each) for n in range(9) for each in itertools.product("ab", repeat=n))
    expected = any(Glob(left).matches(text) and Glob(right).matches(text) for text in texts)
    assert overlap(left, right) == expected


def test_hostile_patterns_are_matched_at_once() -> None:
    assert not Glob("*a" * 500 + "b").matches("a" * 2048)
    assert overlap("*a" * 500 + "b", "*b" * 500 + "a")


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("anthropic.claude", "anthropic.claude"),
        ("us.anthropic.claude", "anthropic.claude"),
        ("us-gov.anthropic.claude", "anthropic.claude"),
        ("apac.anthropic.claude", "anthropic.claude"),
        ("global.anthropic.claude", "anthropic.claude"),
        ("us.", "us."),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude", "anthropic.claude"),
        ("arn:aws:bedrock:eu-west-1:9:inference-profile/eu.anthropic.claude", "anthropic.claude"),
        (
            "arn:aws:bedrock:eu-west-1:9:provisioned-model/ab",
            "arn:aws:bedrock:eu-west-1:9:provisioned-model/ab",
        ),
        ("keepstone.dev", "keepstone.dev"),
    ],
)
def test_all_spellings_of_a_model_share_a_name(model_id: str, name: str) -> None:
    assert canonical_name(model_id) == name
