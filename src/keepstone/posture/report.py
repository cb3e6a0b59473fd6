"""Findings as people and machines read them: worst first, counted, with what to do."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keepstone.catalog.checks import CheckText, Severity
from keepstone.posture.snapshot import Provenance, Snapshot
from keepstone.posture.verdict import Evidence, Finding, Verdict

_VERDICTS = (Verdict.FAIL, Verdict.NOT_EVALUATED, Verdict.PASS, Verdict.NOT_APPLICABLE)
_SEVERITIES = (Severity.HIGH, Severity.MEDIUM, Severity.LOW)


@dataclass(frozen=True, slots=True)
class Row:
    """One finding with the words of its check."""

    check: str
    verdict: Verdict
    severity: Severity
    resource: str
    title: str
    reason: str
    fix: str
    who: str
    sources: tuple[str, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All findings on a snapshot, worst first; `unread` are the resource types that nothing looked at."""

    provenance: Provenance
    counts: Mapping[str, int]
    failures: Mapping[str, int]
    findings: tuple[Row, ...]
    unread: tuple[str, ...]

    @property
    def fails(self) -> bool:
        """Say whether something of high severity fails."""
        return self.failures[Severity.HIGH.value] > 0


def reported(snapshot: Snapshot, findings: Iterable[Finding], texts: Mapping[str, CheckText]) -> Report:
    """Join findings with the words of their checks, and count them."""
    rows = sorted((_row(each, texts[each.check]) for each in findings), key=_order)
    counts = Counter(row.verdict for row in rows)
    failures = Counter(row.severity for row in rows if row.verdict is Verdict.FAIL)
    return Report(
        snapshot.provenance,
        {each.value: counts[each] for each in _VERDICTS},
        {each.value: failures[each] for each in _SEVERITIES},
        tuple(rows),
        snapshot.unread,
    )


def _row(finding: Finding, text: CheckText) -> Row:
    return Row(
        finding.check,
        finding.verdict,
        text.severity,
        finding.resource,
        text.title,
        finding.reason,
        text.fix if finding.verdict is Verdict.FAIL else "",
        text.who.value,
        text.sources(),
        finding.evidence,
    )


def _order(row: Row) -> tuple[int, int, str, str]:
    return _VERDICTS.index(row.verdict), _SEVERITIES.index(row.severity), row.check, row.resource
