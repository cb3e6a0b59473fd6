"""What the checks say of a plan before it is applied, and which checks somebody's change by hand is about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keepstone.catalog.checks import Severity, check_texts
from keepstone.core.errors import UsageError
from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.kinds import Kind
from keepstone.posture.readers.terraform_document import read
from keepstone.posture.report import Report, Row, reported
from keepstone.posture.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Concern:
    """The checks that a change is about, and who should care."""

    checks: tuple[str, ...]
    who: tuple[str, ...]


NOBODYS = Concern((), ())


def report_of(path: Path, now: datetime) -> Report:
    """Return what every check says of a plan or a state; raise `UsageError` for a file that is neither."""
    snapshot = read(path, now)
    return reported(snapshot, judged(snapshot, EVERY.values()), check_texts())


def refusing(report: Report, accepted: Iterable[str]) -> tuple[Row, ...]:
    """Return the failures of high severity that nobody has accepted; raise `UsageError` for an unknown id."""
    known = set(accepted)
    strange = sorted(known - EVERY.keys())
    if strange:
        raise UsageError(f"there is no check `{strange[0]}`", hint="docs/checks.md lists them")
    return tuple(
        row
        for row in report.findings
        if row.verdict is Verdict.FAIL and row.severity is Severity.HIGH and row.check not in known
    )


def concerns(plan: Path, before: Path, now: datetime) -> Mapping[str, Concern]:
    """Return, by address, the checks that fail now and would not after the plan, and who should care.

    A resource that is gone counts with every check that it will meet again. What fails for the whole is laid
    at the resources of the kinds that the check is about.
    """
    snapshot = read(plan, now)
    wanted, there = report_of(plan, now), report_of(before, now)
    present = {row.resource for row in there.findings}
    fine = {(row.check, row.resource) for row in wanted.findings if row.verdict is not Verdict.FAIL}
    broken = [
        row for row in there.findings if row.verdict is Verdict.FAIL and (row.check, row.resource) in fine
    ]
    found: dict[str, list[Row]] = {}
    for resource in snapshot.resources:
        rows = [row for row in broken if row.resource == resource.address or _is_about(row, resource.kind)]
        if resource.address not in present:
            rows += [row for row in wanted.findings if row.resource == resource.address and _met(row)]
        if rows:
            found[resource.address] = rows
    return {address: _concern(rows) for address, rows in found.items()}


def _is_about(row: Row, kind: Kind) -> bool:
    """Say whether a check of the whole is about a kind."""
    return not row.resource and kind in EVERY[row.check].kinds


def _met(row: Row) -> bool:
    return row.verdict in (Verdict.PASS, Verdict.NOT_EVALUATED)


def _concern(rows: Iterable[Row]) -> Concern:
    seen = list(rows)
    return Concern(tuple(sorted({row.check for row in seen})), tuple(sorted({row.who for row in seen})))
