"""Conditions that do bind: what is closed must not be called open."""

import pytest

from keepstone.posture.binding import Condition, bound, names_a_subject
from keepstone.posture.values import NotKnown, Unknown

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("test", "key", "value"),
    [
        ("StringEquals", "aws:SourceAccount", ACCOUNT),
        ("StringEquals", "AWS:PRINCIPALORGID", "o-abcdefghij"),
        ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-abcdefghij/r-ab/*"),
        ("StringEquals", "aws:SourceVpce", "vpce-0123456789abcdef0"),
        ("ArnLike", "aws:SourceArn", f"arn:aws:bedrock:*:{ACCOUNT}:*"),
        ("StringLike", "aws:SourceArn", f"arn:aws:logs:us-east-1:{ACCOUNT}:*"),
        ("ArnLike", "aws:SourceArn", "arn:aws:s3:::logs"),
        ("StringLike", "kms:ViaService", "s3.*.amazonaws.com"),
        ("ForAnyValue:StringLike", "kms:ResourceAliases", "alias/keepstone-*"),
        ("StringEquals", "iam:PassedToService", "bedrock.amazonaws.com"),
    ],
)
def test_what_binds(test, key, value):
    assert bound((Condition(test, key, (value,)),), key)


def test_an_unknown_value_is_not_judged():
    with pytest.raises(NotKnown):
        bound((Condition("StringEquals", "aws:SourceAccount", (Unknown("later"),)),), "aws:SourceAccount")


@pytest.mark.parametrize(
    ("subject", "named"),
    [("repo:owner/name:*", True), ("repo:owner/*", True), ("repo:*", False), ("*", False), ("", False)],
)
def test_subjects(subject, named):
    condition = Condition("StringLike", "token.actions.githubusercontent.com:sub", (subject,))
    assert names_a_subject(condition) is named
