import pytest

from keepstone.policy.explain.document import explain_document
from tests.unit.policy.documents import loaded

DOCUMENT = """\
version: 1
organisation: {name: Acme}
identities:
  roles:
    app: {allow: [{models: ["*"]}]}
upstreams:
  here: {kind: bedrock, region: eu-north-1, fips: true}
  there:
    kind: bedrock
    region: eu-central-1
    endpoint_url: https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com
    assume_role: {arn: "arn:aws:iam::123456789012:role/r"}
    breaker: off
models:
  - id: acme.plain
    upstreams: [here, there]
    deadline: 5s
    hedge_after: 800ms
    spread: quota
    quotas: {here: {requests: 10, tokens: 900}, there: {tokens: 100}}
    canary: {upstream_id: acme.next, percent: 2.5}
    shadow: {upstream: there, percent: 10}
  - {id: acme.weighed, upstreams: [here, there], spread: quota, quotas: {here: {weight: 3}}}
gateway: {deadline: 2m}
"""
SENTENCES = [
    (
        "A call is given up 2m after it came, a stream after 1h, unless its model says otherwise; "
        "a caller may ask for less."
    ),
    "Calls to upstream `here` go to the region's FIPS endpoint.",
    "Calls to upstream `there` go to https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com.",
    "Calls to upstream `there` are signed by role `arn:aws:iam::123456789012:role/r`.",
    "Upstream `there` is asked every time, however often it fails.",
    "`acme.plain`: a call 5s at most.",
    (
        "Calls of `acme.plain` go where most is left: `here` (10 requests and 900 tokens a minute), "
        "`there` (100 tokens a minute)."
    ),
    "Calls of `acme.weighed` go where most is left: `here` (weight 3), `there` (weight 1).",
    (
        "When `acme.plain` does not begin to answer within 800ms, a second upstream is asked, too; "
        "both are billed."
    ),
    "2.5 % of principals get `acme.next` when they ask for `acme.plain`.",
    (
        "A copy of 10 % of answered calls of `acme.plain` goes to the model at upstream `there`, under the "
        "same rules on data; its answer is thrown away."
    ),
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_routing_is_told_in_sentences(sentence):
    sections = {each.title: each.sentences for each in explain_document(loaded(DOCUMENT).document)}
    assert sentence in sections["Routing"]
    assert len(sections["Routing"]) == len(SENTENCES)
