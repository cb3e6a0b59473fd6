import pytest

from keepstone.policy.problems import Severity
from tests.unit.policy.documents import MINIMAL, problems_of

ROLE = "arn: 'arn:aws:iam::123456789012:role/r'"
VPCE = "https://vpce-0a1b.bedrock-runtime.{}.vpce.amazonaws.com"


def faults(fields):
    upstream = f"{{kind: bedrock, region: us-east-1, {fields}}}"
    problems = problems_of(MINIMAL.replace("{kind: dev}", upstream))
    return [each.message for each in problems if each.severity is Severity.ERROR]


@pytest.mark.parametrize(
    "fields",
    [
        f"endpoint_url: '{VPCE.format('us-east-1')}'",
        "endpoint_url: 'https://vpce-0a1b-us-east-1a.bedrock-runtime-fips.us-east-1.vpce.amazonaws.com'",
        "endpoint_url: 'https://bedrock.private.example:8443/base'",
        "endpoint_url: 'http://127.0.0.1:9000'",
        "endpoint_url: 'http://localhost:9000'",
        "fips: true",
        "control_endpoint_url: 'https://vpce-0a1b.bedrock.us-east-1.vpce.amazonaws.com'",
        "guardrail: {id: gr8x5vk2p0d1}",
        "guardrail: {id: 'arn:aws:bedrock:us-east-1:123456789012:guardrail/gr8x5vk2p0d1', version: '3'}",
        f"assume_role: {{{ROLE}}}",
        f"assume_role: {{{ROLE}, duration: 12h, external_id: 'a:b/c', tags: {{team: blue}}}}",
        f"assume_role: {{{ROLE}, sts_endpoint_url: 'https://vpce-1.sts.us-east-1.vpce.amazonaws.com'}}",
    ],
)
def test_ways_that_make_sense(fields):
    assert faults(fields) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("endpoint_url: 'http://bedrock.example'", "calls leave this machine unencrypted"),
        ("endpoint_url: 'http://localhost.example'", "calls leave this machine unencrypted"),
        (
            f"endpoint_url: '{VPCE.format('eu-west-1')}'",
            "the endpoint is in `eu-west-1`, the `region` is `us-east-1`",
        ),
        (
            "endpoint_url: 'https://bedrock-runtime.eu-west-1.amazonaws.com'",
            "the endpoint is in `eu-west-1`, the `region` is `us-east-1`",
        ),
        (
            "control_endpoint_url: 'https://vpce-0a1b.bedrock.eu-west-1.vpce.amazonaws.com'",
            "the endpoint is in `eu-west-1`, the `region` is `us-east-1`",
        ),
        (
            "endpoint_url: 'https://169.254.169.254'",
            "this address belongs to a machine's own metadata service",
        ),
        (
            "endpoint_url: 'https://[::ffff:169.254.169.254]'",
            "this address belongs to a machine's own metadata service",
        ),
        (
            "endpoint_url: 'https://[fd00:ec2::254]/'",
            "this address belongs to a machine's own metadata service",
        ),
        ("endpoint_url: 'https://a.example', fips: true", "`fips` and `endpoint_url` exclude each other"),
        (
            f"bearer_token: {{env: B}}, assume_role: {{{ROLE}}}",
            "`assume_role` and `bearer_token` exclude each other",
        ),
        (f"assume_role: {{{ROLE}, duration: 14m}}", "expected `15m` to `12h`, got `14m`"),
        (f"assume_role: {{{ROLE}, duration: 1d}}", "expected `15m` to `12h`, got `1d`"),
        (
            f"assume_role: {{{ROLE}, sts_endpoint_url: 'http://sts.example'}}",
            "calls leave this machine unencrypted",
        ),
    ],
)
def test_ways_that_do_not(fields, message):
    assert faults(fields) == [message]


@pytest.mark.parametrize("arn", ["r", "arn:aws:iam::1:role/r", "arn:aws:iam::123456789012:user/u"])
def test_an_arn_that_is_no_role(arn):
    assert len(faults(f"assume_role: {{arn: '{arn}'}}")) == 1
