"""What the checks say of a plan before it is applied, and which checks somebody's change by hand is about."""

import re
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


_ADDRESS = re.compile(r"(?P<module>(?:module\.[^.]+\.)*)(?P<type>[a-z0-9_]+)\.(?P<name>.+)")


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


def concerns(plan: Path, before: Path, addresses: Iterable[str], now: datetime) -> Mapping[str, Concern]:
    """Return, for each address, the checks that fail now and would not after the plan, and who should care.

    What Terraform keeps as a resource of its own, such as a bucket's public access block, counts as part of
    what it belongs to. A resource that is gone counts with every check that it will meet again. What fails
    for the whole is laid at the resources of the kinds that the check is about.
    """
    kinds = {resource.address: resource.kind for resource in read(plan, now).resources}
    wanted, there = report_of(plan, now), report_of(before, now)
    present = {resource.address for resource in read(before, now).resources}
    failing = {(row.check, row.resource) for row in wanted.findings if row.verdict is Verdict.FAIL}
    failed = [row for row in there.findings if row.verdict is Verdict.FAIL]
    broken = [row for row in failed if (row.check, row.resource) not in failing]
    found: dict[str, Concern] = {}
    for address in addresses:
        whole = _whole(address, kinds)
        rows = [row for row in broken if _concerns(row, whole, kinds.get(whole))]
        if whole not in present:
            rows += [row for row in filter(_met, wanted.findings) if _concerns(row, whole, kinds.get(whole))]
        found[address] = _concern(rows)
    return found


def _whole(address: str, known: Mapping[str, Kind]) -> str:
    """Return the address of what a resource is part of: a shorter type of the same name; else its own."""
    split = _ADDRESS.match(address)
    if address in known or split is None:
        return address
    words = split["type"].split("_")
    names = (split["name"], split["name"].removesuffix("[0]"))
    for length in range(len(words) - 1, 1, -1):
        for name in names:
            shorter = f"{split['module']}{'_'.join(words[:length])}.{name}"
            if shorter in known:
                return shorter
    return address


def _concerns(row: Row, whole: str, kind: Kind | None) -> bool:
    """Say whether a finding is on a resource, on something within it, or on the whole and about its kind."""
    if not row.resource:
        return kind is not None and kind in EVERY[row.check].kinds
    return row.resource == whole or row.resource.startswith(f"{whole}.")


def _met(row: Row) -> bool:
    return row.verdict in (Verdict.PASS, Verdict.NOT_EVALUATED)


def _concern(rows: Iterable[Row]) -> Concern:
    seen = list(rows)
    return Concern(tuple(sorted({row.check for row in seen})), tuple(sorted({row.who for row in seen})))
