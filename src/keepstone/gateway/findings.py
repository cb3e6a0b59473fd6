"""What was found in a call, for its record and the metrics: types and counts, never values."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from keepstone.gateway.call import Call
from keepstone.gateway.metrics import Metrics
from keepstone.guard.guardrail import Direction, Finding
from keepstone.ledger.record import FindingNote


def note_findings(call: Call, findings: Sequence[Finding], direction: Direction, metrics: Metrics) -> None:
    """Keep types and counts for the record, and count them."""
    where: Literal["input", "output"] = "input" if direction is Direction.INPUT else "output"
    for each in findings:
        call.findings.append(FindingNote(where, each.type, each.action, each.count, each.detector))
        metrics.findings(where, each.type, each.action).inc(each.count)


def blocking(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings because of which a guardrail blocks."""
    return [each for each in findings if each.action == "BLOCKED"]


def words(findings: Sequence[Finding]) -> str:
    """Return findings as a phrase: each type, and how often."""
    counts: Counter[str] = Counter()
    for each in findings:
        counts[each.type] += each.count
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(counts.items()))
