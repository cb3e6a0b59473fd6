"""Limits of money over models that nobody has stated a price for are told before a call is refused."""

import pytest

from keepstone.policy.explain.document import explain_document
from tests.unit.policy.documents import loaded, problems_of

DOCUMENT = """\
version: 1
organisation: {name: Acme}
identities: {roles: {any: {allow: [{models: ["*"]}]}}}
upstreams:
  dev: {kind: dev}
  virginia: {kind: bedrock, region: us-east-1}
  frankfurt: {kind: bedrock, region: eu-central-1}
models:
  - MODEL
limits:
  - {name: purse, per: month, cost: 10MORE}
"""
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "amazon.nova-lite-v1:0"  # its price is known for us-east-1 only


def written(model: str, more: str = "", added: str = "") -> str:
    return DOCUMENT.replace("MODEL", model).replace("MORE", more) + added


def own(model: str, currency: str = "USD") -> str:
    row = f"{{model: '{model}', currency: {currency}, input: 1, output: 2, since: '2026-01-01'}}"
    return f"prices: [{row}]\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (written("{id: keepstone.echo, upstreams: [dev]}"), "`keepstone.echo`"),
        (written("{id: keepstone.*, upstreams: [dev]}"), "`keepstone.*`"),
        (written(f"{{id: '{NOVA}', upstreams: [frankfurt]}}"), f"`{NOVA}`"),
        (written(f"{{id: '{NOVA}', upstreams: [virginia, frankfurt]}}"), f"`{NOVA}` at `frankfurt`"),
        (written(f"{{id: '{HAIKU}', upstreams: [virginia]}}", ", currency: EUR"), f"`{HAIKU}`"),
        # a price of one's own goes before the published one, in whatever currency it is
        (written(f"{{id: '{HAIKU}', upstreams: [virginia]}}", added=own(HAIKU, "EUR")), f"`{HAIKU}`"),
        # a pattern for everything, a limit for one of them
        (
            written('{id: "*", upstreams: [virginia]}', ", models: [anthropic.claude-next]"),
            "`anthropic.claude-next`",
        ),
        (written("{id: a.b, upstreams: [dev], upstream_ids: {dev: c}}"), "`a.b`"),
    ],
)
def test_models_without_a_price_are_warned_of(text: str, named: str) -> None:
    found = [each for each in problems_of(text) if each.path == "limits[0].cost"]
    assert [each.severity for each in found] == ["warning"]
    assert f"is known for {named}: their calls are refused (`price_unknown`)" in found[0].message
    assert "`prices`" in found[0].hint
    counting = {each.title: each.sentences for each in explain_document(loaded(text).document)}
    assert any(f"for {named}, so all their calls are refused" in each for each in counting["Counting"])


@pytest.mark.parametrize(
    "text",
    [
        written(f"{{id: '{HAIKU}', upstreams: [virginia, frankfurt]}}"),
        written(f"{{id: '{NOVA}', upstreams: [virginia]}}"),
        written("{id: 'anthropic.*', upstreams: [frankfurt]}"),  # some of them have one
        written("{id: keepstone.echo, upstreams: [dev]}", added=own("keepstone.*")),
        written("{id: a.b, upstreams: [dev], upstream_ids: {dev: c}}", added=own("c")),
        written("{id: a.b, upstreams: [dev], upstream_ids: {dev: c}}", added=own("a.*")),
        written("{id: keepstone.echo, upstreams: [dev]}", ", models: [anthropic.*]"),
        written("{id: keepstone.echo, upstreams: [dev]}").replace("cost: 10", "tokens: 10"),
    ],
)
def test_models_with_a_price_are_not(text: str) -> None:
    assert not [each for each in problems_of(text) if each.path == "limits[0].cost"]


def test_calls_that_pass_uncounted_are_told_as_such() -> None:
    text = written("{id: keepstone.echo, upstreams: [dev]}", added="rates: {unpriced: allow}\n")
    (found,) = (each for each in problems_of(text) if each.path == "limits[0].cost")
    assert found.message.endswith("their calls pass and this limit does not count them")
    counting = {each.title: each.sentences for each in explain_document(loaded(text).document)}
    assert any("so it does not count their calls" in each for each in counting["Counting"])
