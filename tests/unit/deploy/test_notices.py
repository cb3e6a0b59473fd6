"""Input that is understood otherwise than written, or cannot be, told before Terraform runs."""

import pytest

from keepstone.deploy.notices import Weight, notices_of

GOOD = {
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"],
    "critical_alert_subscriptions": {"ops": {"protocol": "email", "endpoint": "ops@example.com"}},
}


def test_good_input_has_no_notice() -> None:
    assert notices_of(GOOD) == ()


@pytest.mark.parametrize(
    ("changed", "weight", "variable", "says"),
    [
        ({"vpc_cidr": "10.0.0.1/16"}, Weight.WARNING, "vpc_cidr", "`10.0.0.0/16`"),
        (
            {"management_allowed_cidrs": ["10.20.0.0/8"]},
            Weight.WARNING,
            "management_allowed_cidrs",
            "16,777,216",
        ),
        (
            {"management_allowed_cidrs": ["10.20.0.0/8"], "strict_cidrs": True},
            Weight.ERROR,
            "management_allowed_cidrs",
            "`strict_cidrs`",
        ),
        ({"management_allowed_cidrs": ["office"]}, Weight.ERROR, "management_allowed_cidrs", "no CIDR block"),
        ({"runtime_allowed_cidrs": ["0.0.0.0/0"]}, Weight.ERROR, "runtime_allowed_cidrs", "every address"),
        (
            {"management_allowed_cidrs": ["10.0.0.0/9"]},
            Weight.WARNING,
            "management_allowed_cidrs",
            "wider than /16",
        ),
        (
            {"management_allowed_cidrs": ["10.30.1.0/24"]},
            Weight.WARNING,
            "management_allowed_cidrs",
            "overlaps `10.30.0.0/16`",
        ),
        ({"subnet_ids": ["snet-0123456789a", "subnet-0a1b2c3d"]}, Weight.WARNING, "subnet_ids", "Azure"),
        ({"subnet_ids": ["subnet-12", "subnet-0a1b2c3d"]}, Weight.WARNING, "subnet_ids", "8 or 17"),
        ({"subnet_ids": ["subnet-0a1b2c3d"]}, Weight.WARNING, "subnet_ids", "one subnet only"),
        ({"vpc_id": "vpc-0123456789abcdef"}, Weight.WARNING, "vpc_id", "8 or 17"),
        (
            {"content_filters": {"prompt_attack": {"input_strength": "HIGH", "output_strength": "HIGH"}}},
            Weight.NOTE,
            "content_filters",
            "`NONE` is set",
        ),
        ({"allowed_model_regions": ["cn-north-1"]}, Weight.WARNING, "allowed_model_regions", "`aws-cn`"),
        ({"pii_entities_action": "ANONYMIZE"}, Weight.NOTE, "pii_entities_action", "secrets are blocked"),
        ({"s3_log_prefix": "a/b/"}, Weight.NOTE, "s3_log_prefix", "`a/b` is used"),
        ({"log_retention_days": "lots"}, Weight.ERROR, "log_retention_days", "expected a number"),
        ({"kms_deletion_window_days": True}, Weight.ERROR, "kms_deletion_window_days", "expected a number"),
        ({"subnet_ids": "subnet-0a1b2c3d"}, Weight.ERROR, "subnet_ids", "expected a list"),
        ({"tags": [1]}, Weight.ERROR, "tags", "expected a map"),
        ({"enable_alerting": "yes"}, Weight.ERROR, "enable_alerting", "`true` or `false`"),
        ({"log_retention_days": 91}, Weight.ERROR, "log_retention_days", "next one is 120"),
        (
            {
                "foundation_models": [
                    "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-express-v1"
                ]
            },
            Weight.NOTE,
            "foundation_models",
            "legacy",
        ),
        ({"critical_alert_subscriptions": {}}, Weight.WARNING, "critical_alert_subscriptions", "nobody"),
    ],
)
def test_a_notice(changed, weight, variable, says) -> None:
    (found,) = [
        each
        for each in notices_of(GOOD | changed)
        if each.variable == variable and says in f"{each.found} {each.done} {each.why}"
    ]
    assert found.weight is weight


def test_the_worst_comes_first() -> None:
    weights = [each.weight for each in notices_of(GOOD | {"log_retention_days": 91, "s3_log_prefix": "a/"})]
    assert weights == [Weight.ERROR, Weight.NOTE]
