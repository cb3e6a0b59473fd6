"""Nobody of the personas sees raw prompts: read off the documents as IAM reads them."""

from fnmatch import fnmatchcase

import pytest

from keepstone.deploy.documents import Place
from keepstone.deploy.permissions_personas import persona
from keepstone.policy.schema.identities import Persona
from tests.unit.deploy.documents import PLACE, policy

HERE = Place("production", "us-east-1", "123456789012")
BUCKET = "arn:aws:s3:::production-bedrock-logs-123456789012-us-east-1"
GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/bedrock/production-bedrock-invocations"
WRITTEN = "AWSLogs/123456789012/BedrockModelInvocationLogs/us-east-1/2026/11/21/18/x.json.gz"
UNMASKED = policy(deployment={**PLACE, "variables": {"enable_log_data_protection": False}})


def effects(document, action, arn):
    """Return the effects of the statements about an action on a resource, conditions apart."""
    return {
        each["Effect"]
        for each in document["Statement"]
        if action in each["Action"] and any(fnmatchcase(arn, place) for place in each["Resource"])
    }


@pytest.mark.parametrize("who", Persona)
@pytest.mark.parametrize("action", ["s3:GetObject", "s3:GetObjectVersion"])
@pytest.mark.parametrize(
    "prefix", ["", "invocations/", "large-data/", "large-data/invocations/", "cloudtrail/"]
)
def test_prompts_in_the_bucket_are_denied_whatever_their_prefix(who, action, prefix) -> None:
    assert effects(persona(HERE, policy(), who), action, f"{BUCKET}/{prefix}{WRITTEN}") == {"Deny"}


@pytest.mark.parametrize("who", Persona)
def test_whoever_reads_reads_masked(who) -> None:
    assert effects(persona(HERE, policy(), who), "logs:Unmask", f"{GROUP}:log-stream:x") == {"Deny"}


@pytest.mark.parametrize("kind", ["CloudTrail", "CloudTrail-Digest"])
def test_the_trail_in_the_bucket_is_the_auditor_s_alone(kind) -> None:
    key = f"{BUCKET}/cloudtrail/AWSLogs/123456789012/{kind}/us-east-1/2026/11/21/x.json.gz"
    able = {who for who in Persona if effects(persona(HERE, policy(), who), "s3:GetObject", key) == {"Allow"}}
    assert able == {Persona.AUDITOR}


@pytest.mark.parametrize("who", [Persona.AUDITOR, Persona.SECURITY_OPERATOR])
def test_calls_in_the_log_group_are_read_only_while_they_are_masked(who) -> None:
    for action in ("logs:FilterLogEvents", "logs:GetLogEvents"):
        assert effects(persona(HERE, policy(), who), action, f"{GROUP}:log-stream:x") == {"Allow"}
        assert "Deny" in effects(persona(HERE, UNMASKED, who), action, f"{GROUP}:log-stream:x")


@pytest.mark.parametrize(
    ("who", "services"),
    [
        (Persona.AUDITOR, [["bedrock", "s3"]]),
        (Persona.APPLICATION, [["bedrock"]]),
        (Persona.SECURITY_OPERATOR, [["bedrock"]]),
        (Persona.BILLING, []),
    ],
)
def test_decryption_is_by_the_environment_s_key_and_by_way_of_services_only(who, services) -> None:
    statements = persona(HERE, policy(), who)["Statement"]
    found = [each["Condition"] for each in statements if "kms:Decrypt" in each["Action"]]
    assert found == [
        {
            "ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/production-bedrock"]},
            "StringEquals": {"kms:ViaService": [f"{each}.us-east-1.amazonaws.com" for each in names]},
        }
        for names in services
    ]


def test_a_guardrail_is_of_the_account_and_of_a_region_where_models_are_called() -> None:
    upstreams = {name: {"kind": "bedrock", "region": name} for name in ("us-east-1", "us-west-2")}
    models = [{"id": "anthropic.claude-x", "upstreams": list(upstreams)}]
    document = persona(HERE, policy(upstreams=upstreams, models=models), Persona.APPLICATION)
    (never,) = [each for each in document["Statement"] if each.get("Sid") == "NeverWithoutAGuardrail"]
    own = [f"arn:aws:bedrock:{each}:123456789012:guardrail/*" for each in upstreams]
    assert never["Condition"] == {"StringNotLike": {"bedrock:GuardrailIdentifier": own}}
