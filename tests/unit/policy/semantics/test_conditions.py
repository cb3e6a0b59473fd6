"""What no call can ever meet is warned of; what some call may meet is not."""

import pytest

from tests.unit.policy.documents import problems_of

DOCUMENT = """\
version: 1
organisation: {name: Acme}
identities:
  roles:
    desk:
      allow: [{models: ["anthropic.*"], ALLOW}]
      deny: [{DENY}]
    trial:
      allow: [{models: ["amazon.*"]}]
CALLERS
upstreams:
  frankfurt: {kind: bedrock, region: eu-central-1}
  oregon: {kind: bedrock, region: us-west-2}
models:
  - {id: anthropic.claude-x, upstreams: [frankfurt]}
  - {id: "amazon.*", upstreams: [oregon]}
"""
OIDC = """  oidc:
    corp:
      {issuer: "https://idp.example", audiences: [x], roles: {a: [desk]}, tenant_claim: org}"""


def written(allow: str = "", deny: str = "models: [no]", callers: str = "", added: str = "") -> str:
    text = DOCUMENT.replace("ALLOW", allow).replace("DENY", deny).replace("CALLERS", callers)
    return text + added + "\n"


DESK = "identities.roles.desk"
ROWS = {
    "a region of other models": (
        written("regions: [us-west-2]"),
        f"{DESK}.allow[0].regions",
        "no model of this rule has an upstream in `us-west-2`",
    ),
    "a region of nobody": (
        written("regions: [ap-*]"),
        f"{DESK}.allow[0].regions[0]",
        "no upstream is in region `ap-*`",
    ),
    "above the highest class": (
        written(deny="above: Restricted"),
        f"{DESK}.deny[0].above",
        "no class is above `Restricted`: this rule denies nothing",
    ),
    "an operation without a model": (
        written(deny="models: [anthropic.*], operations: [ApplyGuardrail]"),
        f"{DESK}.deny[0].models",
        "a call by ApplyGuardrail names no model, so this rule never denies it",
    ),
    "a purpose": (
        written("purposes: [support]"),
        f"{DESK}.allow[0].purposes[0]",
        "unknown purpose `support`",
    ),
    "changes to no model": (
        written(
            added="transforms: [{name: a, operations: [ApplyGuardrail, CountTokens], "
            "request: [{change: remove, path: system}]}]"
        ),
        "transforms[0].operations",
        "no call by ApplyGuardrail or CountTokens is ever changed",
    ),
    "changes for those who may not": (
        written(
            added="transforms: [{name: a, roles: [trial], models: [anthropic.*], request: "
            "[{change: remove, path: system}]}]"
        ),
        "transforms[0].roles",
        "this transform changes nothing: these roles may use none of its models",
    ),
    "a limit for those who may not": (
        written(added="limits: [{name: a, roles: [desk], models: [amazon.*], requests: 1}]"),
        "limits[0].roles",
        "this limit counts nothing: these roles may use none of its models",
    ),
    "a limit for tenants": (
        written(added="limits: [{name: a, scope: tenant, requests: 1}]"),
        "limits[0].scope",
        "no caller has a tenant, so all of them share one",
    ),
    "content of tenants": (
        written(added="retention: {content: encrypted, subject: {source: tenant}}"),
        "retention.subject.source",
        "no caller has a tenant, so every call is refused",
    ),
    "a certificate": (
        written(callers="  mtls: {rules: [{roles: [desk], dns: a.example, models: [meta.*]}]}"),
        "identities.mtls.rules[0].models[0]",
        "this certificate rule matches no model: `meta.*`",
    ),
    "a price elsewhere": (
        written(
            added="prices: [{model: 'amazon.*', region: eu-west-1, input: 1, output: 1, since: '2026-01-01'}]"
        ),
        "prices[0].region",
        "no upstream of kind `bedrock` is in region `eu-west-1`: this price holds nowhere",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_can_never_be_met_is_told(row: tuple[str, str, str]) -> None:
    text, path, message = row
    assert message in [each.message for each in problems_of(text) if each.path == path]


@pytest.mark.parametrize(
    "text",
    [
        written("regions: [eu-*]"),
        written('regions: ["*"]'),
        written(deny='models: ["*"], operations: [ApplyGuardrail]'),
        written(deny="models: [anthropic.*], operations: [ApplyGuardrail, Converse]"),
        written(deny="above: Confidential"),
        written(added="limits: [{name: a, roles: [desk, trial], models: [amazon.*], requests: 1}]"),
        written(added='limits: [{name: a, roles: [trial], models: ["*nova*"], requests: 1}]'),
        written(callers=OIDC, added="limits: [{name: a, scope: tenant, requests: 1}]"),
        written(
            added="prices: [{model: 'amazon.*', region: us-west-2, input: 1, output: 1, since: '2026-01-01'}]"
        ),
    ],
)
def test_what_some_call_may_meet_is_not(text: str) -> None:
    told = [each.message for each in problems_of(text)]
    assert not [each for each in told if each != "this deny rule matches no model: `no`"]
