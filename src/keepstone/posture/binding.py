"""Which conditions of a statement really bind it: by their operator, and by what they compare with.

A condition that is true when its key is absent binds nothing, nor does a value that anybody can have.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from keepstone.posture.values import Value, every, known, some

_ARN_OPERATORS = ("arnequals", "arnlike")
_OPERATORS = ("stringequals", "stringequalsignorecase", "stringlike", *_ARN_OPERATORS)
_ACCOUNT = re.compile(r"\d{12}")
_ORGANISATION = re.compile(r"o-[a-z0-9]+")
_PATH = re.compile(r"o-[a-z0-9]+/.*")
_VPC = re.compile(r"vpce?-[0-9a-z]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]+")
_VIA = re.compile(r"[a-z0-9-]+\..+")
_ALIAS = re.compile(r"alias/[\w/-]+.*")
_PLAIN = re.compile(r"[^*?$]+")
_NAMED: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(
        ("aws:sourceaccount", "aws:sourceowner", "aws:principalaccount", "kms:calleraccount"), _ACCOUNT
    ),
    **dict.fromkeys(("aws:sourceorgid", "aws:principalorgid"), _ORGANISATION),
    "aws:principalorgpaths": _PATH,
    "aws:sourcevpc": _VPC,
    "aws:sourcevpce": _VPC,
    "kms:viaservice": _VIA,
    "kms:resourcealiases": _ALIAS,
}
_ARNS = (
    "aws:sourcearn",
    "aws:principalarn",
    "iam:associatedresourcearn",
    "kms:encryptioncontext:aws:logs:arn",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of a statement: `StringEquals`, the key, the values that it is compared with."""

    test: Value
    key: Value
    values: Value

    def about(self) -> str:
        """Return the key in lower case, as IAM compares keys."""
        return str(known(self.key).lower())


def binds(condition: Condition, keys: set[str]) -> bool:
    """Say whether the condition holds one of `keys`, in lower case, to values that not everybody has."""
    key = condition.about()
    return key in keys and compared(condition, lambda value: _is_concrete(key, value, _operator(condition)))


def compared(condition: Condition, concrete: Callable[[str], bool]) -> bool:
    """Say whether the condition fails where its key is absent, and each value that it takes is concrete."""
    if _operator(condition) not in _OPERATORS or not condition.values:
        return False
    return every(condition.values, lambda each: concrete(str(known(each))))


def _operator(condition: Condition) -> str:
    return str(known(condition.test).lower().removeprefix("foranyvalue:"))


def _is_concrete(key: str, value: str, operator: str) -> bool:
    if key in _ARNS:
        return _is_owned(value, by_part=operator in _ARN_OPERATORS)
    return _NAMED.get(key, _PLAIN).fullmatch(value) is not None


def _is_owned(arn: str, *, by_part: bool) -> bool:
    """Say whether an ARN is of one account, or of one bucket, whose name is nobody else's.

    As text a wildcard reaches across colons, so that what follows it says nothing of the account.
    """
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or (not by_part and re.search(r"[*?]", ":".join(parts[:4]))):
        return False
    if parts[2] == "s3" and not parts[4]:
        return _BUCKET.fullmatch(parts[5].split("/")[0]) is not None
    return _ACCOUNT.fullmatch(parts[4]) is not None


def names_a_subject(condition: Condition) -> bool:
    """Say whether the condition holds a web identity to a subject: `repo:owner/name:*`, not `repo:*`."""
    return condition.about().endswith(":sub") and compared(condition, _is_subject)


def _is_subject(value: str) -> bool:
    before = re.split(r"[*?$]", value)[0]
    return bool(value) and (before == value or len(re.findall(r"[^:/]+", before)) > 1)


def bound(conditions: Value, *keys: str) -> bool:
    """Say whether one of the conditions binds one of `keys`, in any case."""
    wanted = {key.lower() for key in keys}
    return some(conditions, lambda each: binds(each, wanted))
