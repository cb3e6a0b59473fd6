"""Verdicts, and what a check found out about one resource."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The four things that a check can say; only the first is good news."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    NOT_EVALUATED = "NOT_EVALUATED"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a check says about one resource, with the reason in words."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One value that a check looked at, as text without secrets."""

    path: str
    seen: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's verdict on a resource; `resource` is empty where there was none to judge."""

    check: str
    resource: str
    verdict: Verdict
    reason: str
    evidence: tuple[Evidence, ...] = ()


def passed() -> Opinion:
    """All is well: the check's title says how."""
    return Opinion(Verdict.PASS)


def failed(reason: str) -> Opinion:
    """It is not as it should be."""
    return Opinion(Verdict.FAIL, reason)


def not_applicable(reason: str) -> Opinion:
    """The check is not about this resource."""
    return Opinion(Verdict.NOT_APPLICABLE, reason)


def not_evaluated(reason: str) -> Opinion:
    """It could not be told."""
    return Opinion(Verdict.NOT_EVALUATED, reason)


def require(condition: bool, reason: str) -> Opinion:
    """PASS if `condition` holds, else FAIL with the reason."""
    return passed() if condition else failed(reason)
