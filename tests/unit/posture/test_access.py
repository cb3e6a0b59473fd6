"""Policies that are closed must not be called open, however they are written."""

import pytest

from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.values import Unknown
from keepstone.posture.verdict import Verdict
from tests.unit.posture.rows import GUARDED
from tests.unit.posture.sound import ACCOUNT, GUARDRAIL, INVOKE, UNGUARDED, allow, deny, document, snapshot

MODEL = "arn:aws:bedrock:us-east-1::foundation-model/*"
OURS = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/*"
MANTLE = allow(
    Action="bedrock-mantle:CreateInference", Resource="arn:aws:bedrock-mantle:us-east-1:1:project/p"
)


def verdict(check: str, *statements, policy=None) -> Verdict:
    found = judged(
        snapshot("policy", {"policy": document(*statements) if policy is None else policy}), [EVERY[check]]
    )
    return found[0].verdict


@pytest.mark.parametrize(
    "statements",
    [
        # AWS's own example: the denial is as wide as what is allowed.
        (
            {**INVOKE, "Resource": [MODEL], "Condition": {"StringEquals": {GUARDED: f"{GUARDRAIL}:1"}}},
            {**UNGUARDED, "Resource": [MODEL]},
        ),
        (INVOKE, {**UNGUARDED, "Condition": {"StringNotEqualsIfExists": {GUARDED: GUARDRAIL}}}),
        (INVOKE, {**UNGUARDED, "Condition": {"ArnNotLike": {GUARDED: f"{GUARDRAIL}:*"}}}),
        (INVOKE, {**UNGUARDED, "Condition": {"StringNotLike": {GUARDED: [GUARDRAIL, f"{GUARDRAIL}:*"]}}}),
        (INVOKE, {**UNGUARDED, "Condition": {"StringNotLike": {GUARDED: OURS}}}),
        (INVOKE, {**UNGUARDED, "Action": "bedrock:*"}),
        ({**INVOKE, "Condition": {"ForAnyValue:StringEquals": {GUARDED: GUARDRAIL}}},),
        (INVOKE, UNGUARDED, MANTLE, deny(Action="bedrock-mantle:*")),
        (
            INVOKE,
            UNGUARDED,
            MANTLE,
            deny(Action="bedrock-mantle:CreateInference", Resource=MANTLE["Resource"]),
        ),
    ],
)
def test_calls_with_a_guardrail_only(statements):
    assert verdict("KS-IAM-003", *statements) is Verdict.PASS


def test_a_denial_elsewhere_is_none():
    elsewhere = deny(Action="bedrock-mantle:*", Resource="arn:aws:bedrock-mantle:eu-west-1:1:project/*")
    assert verdict("KS-IAM-003", INVOKE, UNGUARDED, MANTLE, elsewhere) is Verdict.FAIL
    assert verdict("KS-IAM-003", {**INVOKE, "Resource": "arn:*"}, {**UNGUARDED, "Resource": "arn:aws:*"}) is (
        Verdict.FAIL
    )


def test_which_guardrail_it_will_be_is_not_guessed():
    (allowed,) = document(INVOKE)
    (denial,) = document({**UNGUARDED, "Condition": {"StringNotLike": {GUARDED: "PLACE"}}})
    (condition,) = denial.conditions
    unknown = type(condition)(condition.test, condition.key, (Unknown("known after apply"),))
    hidden = type(denial)(
        effect="Deny", actions=denial.actions, resources=denial.resources, conditions=(unknown,)
    )
    assert verdict("KS-IAM-003", policy=(allowed, hidden)) is Verdict.NOT_EVALUATED
    closed = document(deny(Action="bedrock:*"))
    assert verdict("KS-IAM-003", policy=(allowed, hidden, *closed)) is Verdict.PASS


@pytest.mark.parametrize(
    "statement",
    [
        {**INVOKE, "Resource": MODEL},
        {**INVOKE, "Resource": "arn:aws:bedrock:*::foundation-model/amazon.*"},
        {**INVOKE, "Resource": f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:inference-profile/*"},
        {**INVOKE, "Resource": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}},
        {**MANTLE, "Resource": "*", "Condition": {"StringEquals": {"bedrock-mantle:Model": "m"}}},
        MANTLE,
    ],
)
def test_models_or_regions_are_named(statement):
    assert verdict("KS-IAM-002", statement) is Verdict.PASS


@pytest.mark.parametrize(
    ("principal", "verdict"),
    [
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Verdict.PASS),
        ({"AWS": ACCOUNT}, Verdict.PASS),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"}, Verdict.PASS),
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/a/*"}, Verdict.PASS),
        ({"AWS": "arn:aws:iam::*:role/a"}, Verdict.FAIL),
    ],
)
def test_who_may_take_a_role_on(principal, verdict):
    trust = document(allow(Principal=principal, Action="sts:AssumeRole"))
    found = judged(snapshot("role", {"trust": trust}), [EVERY["KS-IAM-010"]])
    assert next(each for each in found if each.resource == "role").verdict is verdict
