"""What `retention.envelope` must say so that KMS can be asked."""

import pytest

from keepstone.policy.problems import Severity
from tests.unit.policy.documents import MINIMAL, problems_of

ARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ALIAS = "arn:aws:kms:eu-central-1:123456789012:alias/content"
VPCE = "https://vpce-1.kms.{}.vpce.amazonaws.com"


def faults(fields):
    problems = problems_of(f"{MINIMAL}retention: {{content: encrypted, envelope: {{{fields}}}}}\n")
    return [each.message for each in problems if each.severity is Severity.ERROR]


@pytest.mark.parametrize(
    "fields",
    [
        f"kms_key_id: '{ARN}'",
        f"kms_key_id: '{ALIAS}', former_key_ids: ['{ARN}', 1234abcd], cache: 1s",
        "kms_key_id: alias/content, region: eu-central-1, cache: 1h, profile: audit",
        f"kms_key_id: '{ARN}', endpoint_url: '{VPCE.format('eu-central-1')}'",
        f"kms_key_id: '{ARN}', endpoint_url: 'http://127.0.0.1:9000'",
    ],
)
def test_envelopes_that_can_be_asked(fields):
    assert faults(fields) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("kms_key_id: alias/content", "expected `region`, or the ARN of the key"),
        (
            f"kms_key_id: '{ARN}', region: us-east-1",
            "the key is in `eu-central-1`, the `region` is `us-east-1`",
        ),
        (
            f"kms_key_id: a, region: us-east-1, former_key_ids: ['{ARN}']",
            "the key is in `eu-central-1`, the `region` is `us-east-1`",
        ),
        (
            "kms_key_id: 'arn:aws:s3:eu-central-1:1:key/a'",
            "`arn:aws:s3:eu-central-1:1:key/a` is not the ARN of a KMS key or alias",
        ),
        (f"kms_key_id: '{ARN}', cache: 2h", "expected `1s` to `1h`, got `2h`"),
        (f"kms_key_id: '{ARN}', cache: 999ms", "expected `1s` to `1h`, got `999ms`"),
        (f"kms_key_id: '{ARN}', endpoint_url: 'http://kms.example'", "calls leave this machine unencrypted"),
        (
            f"kms_key_id: '{ARN}', endpoint_url: '{VPCE.format('us-east-1')}'",
            "the endpoint is in `us-east-1`, the `region` is `eu-central-1`",
        ),
    ],
)
def test_envelopes_that_make_no_sense(fields, message):
    assert faults(fields) == [message]
