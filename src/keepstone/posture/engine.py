"""Runs checks over a snapshot. A check that raises, or lacks its facts, is NOT_EVALUATED with the reason."""

from collections.abc import Callable, Iterable, Iterator

from keepstone.posture.reading import Account, Reading
from keepstone.posture.registry import Check
from keepstone.posture.snapshot import Resource, Snapshot
from keepstone.posture.values import NotKnown
from keepstone.posture.verdict import Finding, Opinion, Verdict, not_evaluated


def judged(snapshot: Snapshot, checks: Iterable[Check]) -> tuple[Finding, ...]:
    """Return every check's findings: at least one each, so that none is silent."""
    return tuple(finding for check in checks for finding in _findings(check, snapshot))


def _findings(check: Check, snapshot: Snapshot) -> Iterator[Finding]:
    present = [each for kind in check.kinds for each in snapshot.of(kind)]
    if not present:
        kinds = " or ".join(kind.value for kind in check.kinds)
        yield Finding(check.id, "", Verdict.NOT_APPLICABLE, f"there is no {kinds}")
    elif check.whole is not None:
        yield _finding(check, "", Account(snapshot), check.whole)
    elif check.one is not None:
        for resource in present:
            yield _finding(check, resource.address, Account(snapshot), _on(check.one, resource))


def _on(judge: Callable[[Reading], Opinion], resource: Resource) -> Callable[[Account], Opinion]:
    return lambda account: judge(Reading(resource, account))


def _finding(check: Check, address: str, account: Account, judge: Callable[[Account], Opinion]) -> Finding:
    try:
        opinion = judge(account)
    except NotKnown as error:
        opinion = not_evaluated(str(error))
    except Exception as error:  # noqa: BLE001 - one check's fault must not hide what the others find
        opinion = not_evaluated(f"the check itself failed with `{type(error).__name__}`")
    return Finding(check.id, address, opinion.verdict, opinion.reason, account.evidence())
