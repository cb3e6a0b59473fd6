import pytest

from tests.unit.policy.documents import problems_of

HEAD = """\
version: 1
organisation: {name: Acme}
identities: {roles: {engineer: {allow: [{models: ["*"]}]}}}
purposes: {support: {description: answers to customers}}
upstreams:
  eu: {kind: bedrock, region: eu-central-1}
  us: {kind: bedrock, region: us-east-1}
models: [{id: "*", upstreams: [eu, us]}]
"""
TIA = "assessments: {t: {countries: [US], done: 2026-01-01, review_by: 2030-01-01, conclusion: CONCLUSION}}"
OK = TIA.replace("CONCLUSION", "acceptable")
SCC = "{name: s, kind: scc, jurisdictions: [EU], upstreams: [us], countries: [US], since: 2024-01-01, MORE}"


def said(*lines, head=HEAD):
    text = head + "residency:\n" + "".join(f"  {line}\n" for line in lines)
    return [(each.severity.value, each.path, each.message) for each in problems_of(text)]


def scc(more):
    return f"transfers: [{SCC.replace('MORE', more)}]"


@pytest.mark.parametrize(
    ("lines", "path", "message"),
    [
        (["roles: {}"], "residency", "nobody has said whose data"),
        (["jurisdictions: [IN]"], "residency.jurisdictions", "no law of `IN`"),
        (["jurisdictions: [EU]", "roles: {ghost: [CH]}"], "residency.roles.ghost", "unknown role"),
        (["jurisdictions: [EU]", scc("upstreams: [nowhere]")], None, None),
        (["jurisdictions: [EU]", scc("until: 2023-01-01, assessment: t"), OK], "until", "before `since`"),
        (["jurisdictions: [EU]", scc("until: 2026-02-30, assessment: t"), OK], "until", "no day"),
        (["jurisdictions: [EU]", scc("importer: x")], "residency.transfers[0]", "impact assessment"),
        (["jurisdictions: [EU]", scc("assessment: x"), OK], "assessment", "unknown assessment"),
        (["jurisdictions: [EU]", scc("assessment: t, purposes: [x]"), OK], "purposes", "unknown purpose"),
        (
            ["jurisdictions: [EU]", scc("until: 2027-01-01").replace("scc", "consent")],
            "residency.transfers[0]",
            "needs a register",
        ),
        (
            ["jurisdictions: [EU]", "consent: {register: c, needed_for: [x]}"],
            "residency.consent.needed_for",
            "unknown purpose",
        ),
    ],
)
def test_errors(lines, path, message):
    found = [each for each in said(*lines) if each[0] == "error"]
    assert found
    if message:
        assert any(path in where and message in what for _, where, what in found), found


@pytest.mark.parametrize(
    ("lines", "path", "message"),
    [
        (["jurisdictions: [EU]"], "upstreams.us", "never lets data of EU go to upstream `us`"),
        (["jurisdictions: [EU]", "rules: {EU: {stay_in: [CH]}}"], "upstreams.eu", "never lets"),
        (
            ["jurisdictions: [EU]", scc("assessment: t"), TIA.replace("CONCLUSION", "not-acceptable")],
            "assessment",
            "not acceptable",
        ),
        (
            ["jurisdictions: [EU]", scc("importer: x").replace("scc", "dpf")],
            "residency.transfers[0]",
            "without an end",
        ),
        (
            ["jurisdictions: [EU]", "consent: {register: c}", scc("importer: x").replace("scc", "consent")],
            "residency.transfers[0]",
            "occasional",
        ),
    ],
)
def test_warnings(lines, path, message):
    found = said(*lines)
    assert not [each for each in found if each[0] == "error"], found
    assert any(path in where and message in what for _, where, what in found), found


@pytest.mark.parametrize(
    "lines",
    [
        ["jurisdictions: [EU]", scc("assessment: t"), OK],
        ["jurisdictions: [EU]", scc("until: 2024-12-31").replace("scc", "dpf")],
        ["jurisdictions: [EU]", "roles: {engineer: [US-CA]}"],
        ["jurisdictions: [IN]", "rules: {IN: {stay_in: [DE, US]}}"],
        ["jurisdictions: [EU]", scc("assessment: t, purposes: [support]"), OK],
    ],
)
def test_an_upstream_that_some_call_may_use_on_some_day_is_no_fault(lines):
    assert not [each for each in said(*lines) if "never lets" in each[2]]


def test_a_purpose_on_consent_that_no_call_has_to_show():
    head = HEAD.replace("answers to customers", "answers, legal_basis: consent")
    asked = "consent: {register: c, needed_for: [support]}"
    assert any(each[1] == "purposes.support" for each in said("jurisdictions: [EU]", head=head))
    assert not any(each[1] == "purposes.support" for each in said("jurisdictions: [EU]", asked, head=head))


def test_places_that_nobody_knows():
    head = HEAD.replace("region: us-east-1", "region: us-isof-south-1").replace(
        "upstreams: [eu, us]", "upstreams: [eu, us, local]"
    )
    head = head.replace("\nmodels:", "\n  local: {kind: openai, base_url: 'http://127.0.0.1/v1'}\nmodels:")
    found = said("jurisdictions: [EU]", head=head)
    assert any(where == "upstreams.us.region" for _, where, _ in found)
    assert any(where == "upstreams.local" for _, where, _ in found)
