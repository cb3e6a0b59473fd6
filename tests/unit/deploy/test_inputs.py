"""What of the policy becomes which variable of the module, and why."""

import pytest

from keepstone.core.errors import DeployError
from keepstone.deploy.inputs import inputs_of
from tests.unit.deploy.documents import PLACE, policy

EU = {"kind": "bedrock", "region": "eu-central-1"}
US = {"kind": "bedrock", "region": "us-east-1"}


def values(**more):
    return {each.name: each.value for each in inputs_of(policy(**more))}


@pytest.mark.parametrize(
    ("more", "name", "value"),
    [
        ({}, "environment", "production"),
        ({}, "subnet_ids", PLACE["subnet_ids"]),
        ({}, "allowed_model_regions", ["us-east-1"]),
        ({"upstreams": {"us": US, "eu": EU}}, "allowed_model_regions", ["us-east-1"]),  # no model is in `eu`
        (
            {
                "upstreams": {"us": US, "eu": EU},
                "models": [{"id": "anthropic.claude-x", "upstreams": ["eu"]}],
            },
            "allowed_model_regions",
            ["eu-central-1", "us-east-1"],
        ),
        (
            {},
            "foundation_models",
            ["arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-x"],
        ),
        ({}, "log_retention_days", 400),
        ({"retention": {"ledger_days": 401}}, "log_retention_days", 545),
        ({"retention": {"ledger_days": 9000}}, "log_retention_days", 2922),
        ({"upstreams": {"us": {**US, "fips": True}}}, "use_fips_endpoints", True),
        (
            {"limits": [{"name": "m", "scope": "organisation", "per": "month", "cost": 2500}]},
            "bedrock_monthly_budget_limit",
            "2500",
        ),
        (
            {"guardrails": {"default": {"pii": {"EMAIL": "BLOCK", "PHONE": "BLOCK"}}}},
            "pii_entities_action",
            "BLOCK",
        ),
        (
            {"guardrails": {"default": {"pii": {"EMAIL": "BLOCK", "PHONE": "ANONYMIZE"}}}},
            "pii_entities_action",
            "ANONYMIZE",
        ),
        ({"guardrails": {"default": {"words": ["a b", {"text": "c"}]}}}, "denied_words", ["a b", "c"]),
        (
            {"guardrails": {"default": {"injection": {"action": "NONE"}}}},
            "content_filters",
            {"prompt_attack": {"input_strength": "NONE", "output_strength": "NONE"}},
        ),
        (
            {"deployment": {**PLACE, "variables": {"log_retention_days": 365}}},
            "log_retention_days",
            365,
        ),
    ],
)
def test_a_variable_comes_from_the_policy(more, name, value) -> None:
    assert values(**more)[name] == value


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"models": [{"id": "anthropic.*", "upstreams": ["us"]}]}, "foundation_models"),
        ({"models": [{"id": "eu.anthropic.claude-x", "upstreams": ["us"]}]}, "foundation_models"),
        (
            {"limits": [{"name": "m", "scope": "principal", "per": "month", "cost": 5}]},
            "bedrock_monthly_budget_limit",
        ),
        (
            {
                "limits": [
                    {"name": "m", "scope": "organisation", "per": "month", "cost": 5, "currency": "EUR"}
                ]
            },
            "bedrock_monthly_budget_limit",
        ),
        ({}, "use_fips_endpoints"),
        ({"guardrails": {"default": {}}}, "denied_words"),
        ({"guardrails": {"default": {"injection": {"strength": "MEDIUM"}}}}, "content_filters"),
    ],
)
def test_what_the_policy_does_not_say_is_left_to_the_module(more, name) -> None:
    assert name not in values(**more)


def test_each_value_says_where_it_comes_from() -> None:
    assert all(each.because for each in inputs_of(policy()))


def test_a_policy_without_a_deployment_is_refused() -> None:
    with pytest.raises(DeployError, match="`deployment`"):
        inputs_of(policy(deployment=None))
