"""`policy residency` judges every model that the policy allows, and says which it could not judge."""

from datetime import date

import pytest

from keepstone.policy.compile import compile_policy
from keepstone.policy.named_models import model_ids
from keepstone.policy.residency.asked import Atlas
from keepstone.policy.residency.report import Row, report, sides
from keepstone.policy.residency.routing import Reach
from keepstone.policy.residency.verdict import NO_CONSENT, Facts, Says
from tests.unit.policy.documents import loaded

DOCUMENT = """\
version: 1
organisation: {name: Acme, jurisdictions: [EU]}
identities: {roles: {any: {allow: [{models: ["*", "us.amazon.nova-x"]}]}}}
purposes: {letter: {description: writing to people}}
upstreams:
  frankfurt: {kind: bedrock, region: eu-central-1}
  virginia: {kind: bedrock, region: us-east-1}
  own: {kind: openai, base_url: "https://llm.example/v1", country: DE}
models:
  - MODEL
residency: {rules: {EU: {stay_in: [EEA]}}MORE}
"""
WIDE = {"eu.anthropic.claude-x": ("eu-west-1",), "eu.anthropic.claude-y": ("eu-west-2",)}


def judged(model: str, more: str = "", *, assume: bool = False, purpose: str = "") -> list[Row]:
    policy = compile_policy(loaded(DOCUMENT.replace("MODEL", model).replace("MORE", more)))
    assert policy.residency is not None

    def look_up(upstream: str, profile: str) -> Reach:
        regions = WIDE.get(profile, ())
        return Reach(regions, "AWS") if regions else Reach(unknown=f"`{profile}` is unknown")

    atlas = Atlas(look_up, {"frankfurt": tuple(WIDE)}, model_ids(policy.document), assume)
    facts = Facts(("EU",), date(2026, 11, 21), purpose, NO_CONSENT)
    return report(policy.residency, policy.routes, facts, atlas)


ROWS: dict[str, tuple[str, dict[Says, list[str]]]] = {
    "a provider's ids are computed where they are called": (
        '{id: "anthropic.*", upstreams: [frankfurt]}',
        {Says.YES: ["anthropic.*"]},
    ),
    "and elsewhere they are not": (
        '{id: "anthropic.*", upstreams: [frankfurt, virginia]}',
        {Says.NO: ["anthropic.*"]},
    ),
    "a geography's profiles: those that are known, and the others": (
        '{id: "eu.anthropic.*", upstreams: [frankfurt]}',
        {
            Says.YES: ["eu.anthropic.claude-x"],
            Says.NO: ["eu.anthropic.claude-y"],  # London is not in the EEA
            Says.COULD_NOT_TELL: ["eu.anthropic.*"],
        },
    ),
    "a pattern for everything": (
        '{id: "*", upstreams: [frankfurt]}',
        {
            Says.YES: ["eu.anthropic.claude-x"],
            Says.NO: ["eu.anthropic.claude-y"],
            Says.COULD_NOT_TELL: ["us.amazon.nova-x", "*"],
        },
    ),
    "half a name": (
        '{id: "anth*", upstreams: [frankfurt]}',
        {Says.COULD_NOT_TELL: ["anth*"]},
    ),
    "a server of one's own": ('{id: "*", upstreams: [own]}', {Says.YES: ["us.amazon.nova-x", "*"]}),
    "another id at the upstream": (
        '{id: "*", upstreams: [frankfurt], upstream_ids: {frankfurt: anthropic.claude-x}}',
        {Says.YES: ["*"]},
    ),
    "what is tried beside it": (
        "{id: a, upstreams: [own], shadow: {upstream: virginia, upstream_id: anthropic.x, percent: 1}}",
        {Says.YES: ["a"], Says.NO: ["a (shadow)"]},
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_model_is_judged(row: tuple[str, dict[Says, list[str]]]) -> None:
    model, expected = row
    found = {says: models for says, models in sides(judged(model)).items() if models}
    assert found == expected


def test_the_shipped_table_stands_for_what_aws_has_not_said() -> None:
    rows = judged('{id: "eu.amazon.*", upstreams: [frankfurt]}', assume=True)
    assert {row.known_by for row in rows} == {"shipped table"}
    assert len({row.destination for row in rows}) > 1


def test_an_entry_of_its_own_is_not_judged_with_the_pattern() -> None:
    two = '{id: "*", upstreams: [virginia]}\n  - {id: eu.anthropic.claude-x, upstreams: [frankfurt]}'
    rows = judged(two)
    assert {row.upstream for row in rows if row.model == "eu.anthropic.claude-x"} == {"frankfurt"}


def test_a_consent_that_is_missing_forbids_every_model() -> None:
    more = ", consent: {register: r, needed_for: [letter]}"
    model = "{id: a, upstreams: [own]}"
    assert not sides(judged(model, more))[Says.NO]
    assert sides(judged(model, more, purpose="letter"))[Says.NO] == ["every model"]
