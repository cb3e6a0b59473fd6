"""What the checks say of a plan before it is applied, and which checks somebody's change by hand is about."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keepstone.catalog.checks import Severity, check_texts
from keepstone.core.errors import UsageError
from keepstone.deploy.subjects import Subjects
from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.kinds import Kind
from keepstone.posture.readers.document import load
from keepstone.posture.readers.terraform_document import read
from keepstone.posture.report import Report, Row, reported
from keepstone.posture.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Concern:
    """The checks that fail by a change, and who should care.

    Where none fails, `about` are the checks that judge what was changed. Somebody always should care.
    """

    checks: tuple[str, ...]
    about: tuple[str, ...]
    who: tuple[str, ...]


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
    for the whole is laid at the resources of the kinds that the check is about. A check of one resource that
    fails by what it saw of another one is laid at the other one, too.
    """
    wanted, there = report_of(plan, now), report_of(before, now)
    subjects = Subjects(load(plan, now), load(before, now))
    kinds = {each.address: each.kind for path in (before, plan) for each in read(path, now).resources}
    present = {resource.address for resource in read(before, now).resources}
    broken = tuple(_broken(wanted, there))
    judged_here = [row for each in (wanted, there) for row in each.findings if _judged(row)]
    found: dict[str, Concern] = {}
    for address in addresses:
        whole = subjects.whole(address)
        kind = kinds.get(whole)
        rows = [row for row, seen in broken if whole in seen or _concerns(row, whole, kind)]
        if whole not in present:
            rows += [row for row in filter(_met, wanted.findings) if _concerns(row, whole, kind)]
        about = [row for row in judged_here if _concerns(row, whole, kind)]
        found[address] = _concern(rows, about, subjects.owner(address))
    return found


def _broken(wanted: Report, there: Report) -> Iterator[tuple[Row, frozenset[str]]]:
    """Yield what fails now and would not after the plan, with the addresses of what it saw otherwise."""
    after = {(row.check, row.resource): row for row in wanted.findings}
    for row in there.findings:
        then = after.get((row.check, row.resource))
        if row.verdict is Verdict.FAIL and (then is None or then.verdict is not Verdict.FAIL):
            changed = set(row.evidence) ^ set(then.evidence if then is not None else ())
            yield row, frozenset(each.path.rpartition(": ")[0] for each in changed)


def _concerns(row: Row, whole: str, kind: Kind | None) -> bool:
    """Say whether a finding is on a resource, on something within it, or on the whole and about its kind."""
    if not row.resource:
        return kind is not None and kind in EVERY[row.check].kinds
    return row.resource == whole or row.resource.startswith(f"{whole}.")


def _met(row: Row) -> bool:
    return row.verdict in (Verdict.PASS, Verdict.NOT_EVALUATED)


def _judged(row: Row) -> bool:
    return row.verdict is not Verdict.NOT_APPLICABLE


def _concern(failed: Iterable[Row], judging: Iterable[Row], owner: str) -> Concern:
    """Join rows: who should care is said by the checks that fail; where none does, the owner hears of it."""
    checks = {row.check: row.who for row in failed}
    if checks:
        return Concern(tuple(sorted(checks)), (), tuple(sorted({*checks.values()})))
    about = {row.check: row.who for row in judging}
    return Concern((), tuple(sorted(about)), tuple(sorted({*about.values(), owner})))
