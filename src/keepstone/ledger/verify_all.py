"""Verifying a ledger of several logs: each from its records up, and the view that binds them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from keepstone.core.errors import LedgerError
from keepstone.ledger import note
from keepstone.ledger.hold_check import check_holds
from keepstone.ledger.merkle import EMPTY_ROOT
from keepstone.ledger.verdict import Problem, Verdict, Verification
from keepstone.ledger.verify import Begin, verify
from keepstone.ledger.view import MAIN, VIEW, View, folders, is_view, open_view, read_view
from keepstone.ledger.walk import Progress

_NOTHING: Mapping[str, Sequence[Begin]] = MappingProxyType({})
_WORST = (Verdict.FAIL, Verdict.NOT_EVALUATED, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Whole:
    """The outcome for a ledger: of the view first, then of every log by its name."""

    verdict: Verdict
    reason: str
    view: View | None
    logs: dict[str, Verification]
    problems: tuple[str, ...]

    @property
    def size(self) -> int:
        """Return how many records all logs hold."""
        return sum(each.size for each in self.logs.values())


def verify_all(
    ledger: Path,
    verifier: str | None,
    *,
    since: str | None = None,
    anchored: Mapping[str, Sequence[Begin]] = _NOTHING,
    holds: bool = True,
    progress: Progress = lambda _done, _total: None,
) -> Whole:
    """Recompute every log of `ledger`; `since` is a checkpoint or a view that was kept elsewhere.

    `anchored` is by the logs' names what they must begin with besides. Without `holds`, it is not looked at
    whether legal holds stand, which are no part of a copy.

    A log that the view or `since` names and that is not here is a failure, and so is a view that has gone
    while its shards are here. Raise `LedgerError` as `verify` does.
    """
    key = note.Verifier.parse(verifier) if verifier else None
    here = folders(ledger)
    if not ledger.is_dir():
        raise LedgerError(f"no ledger in `{ledger}`", hint="give its folder with `--ledger`")
    view, problems = _stated(ledger, key, shards=len(here) > 1)
    earlier: View | None = None
    if since is not None and is_view(since):
        earlier, since = open_view(since, key), None
    stated = [each for each in (view, earlier) if each is not None]
    if view is not None:
        problems += [f"log `{name}` is not in the view" for name in here if name not in view.logs]
    wanted: dict[str, list[Begin]] = {name: [] for name in here}
    said = [(name, Begin(at.size, at.root)) for each in stated for name, at in each.logs.items()]
    said += [(name, each) for name, begins in anchored.items() for each in begins]
    for name, begin in sorted(said, key=lambda pair: -pair[1].size):
        if name in wanted:
            wanted[name].append(begin)
        elif begin.size and not any(each.startswith(f"log `{name}` is missing") for each in problems):
            problems.append(f"log `{name}` is missing: it held {begin.size} records")
    logs = {
        name: verify(
            folder,
            key.of_shard(name) if key else None,
            since=since if name == MAIN else None,
            begins=wanted[name],
            progress=progress,
        )
        for name, folder in here.items()
        if _holds_something(name, folder, wanted[name])
    }
    found = _conclude(view, logs, tuple(dict.fromkeys(problems)))
    # A log that does not verify has said the worse thing already, and cannot be relied on for holds.
    return _with_holds(found, ledger) if holds and found.verdict is Verdict.PASS else found


def _with_holds(whole: Whole, ledger: Path) -> Whole:
    """Add what became of the legal holds that are on record."""
    gone = len(whole.logs) > 1 and any(each.pruned for each in whole.logs.values())
    check = check_holds(ledger, pruned=gone)
    if check.problems:
        return replace(whole, verdict=Verdict.FAIL, reason=check.problems[0], problems=check.problems)
    if check.unknown:
        return replace(whole, verdict=Verdict.NOT_EVALUATED, reason=check.unknown)
    return whole


def _stated(ledger: Path, key: note.Verifier | None, *, shards: bool) -> tuple[View | None, list[str]]:
    signed = read_view(ledger)
    if signed is None:
        return None, [f"`{VIEW}` is missing, but there are shards"] if shards else []
    try:
        return open_view(signed, key), []
    except LedgerError as error:
        return None, [f"`{VIEW}`: {error.message}"]


def _holds_something(name: str, folder: Path, stated: Sequence[Begin]) -> bool:
    """Leave out a log that was promised and not begun: a worker that never came up."""
    begun = (folder / "checkpoint").exists() or (folder / "tile").exists()
    return begun or name == MAIN or any(each.size for each in stated)


def _conclude(view: View | None, logs: dict[str, Verification], problems: tuple[str, ...]) -> Whole:
    verdicts = {each.verdict for each in logs.values()} | ({Verdict.FAIL} if problems else set())
    verdict = next(each for each in _WORST if each in verdicts)
    if problems:
        return Whole(verdict, problems[0], view, logs, problems)
    name, worst = next(pair for pair in logs.items() if pair[1].verdict is verdict)
    reason = worst.reason if len(logs) == 1 or verdict is Verdict.PASS else f"log `{name}`: {worst.reason}"
    return Whole(verdict, reason, view, logs, problems)


def total(whole: Whole) -> Verification:
    """Return one verification for all logs, whose problems name their log; the only log's own if one."""
    if len(whole.logs) == 1 and whole.view is None and not whole.problems:
        return replace(whole.logs[MAIN], verdict=whole.verdict, reason=whole.reason)
    problems = [Problem(each, 0, None) for each in whole.problems]
    notes: list[str] = []
    for name, each in whole.logs.items():
        problems += [Problem(f"log `{name}`: {one.what}", one.start, one.stop) for one in each.problems]
        notes += [f"log `{name}`: {one}" for one in each.notes]
    found = whole.logs.values()
    return Verification(
        verdict=whole.verdict,
        reason=whole.reason,
        size=whole.size,
        root=whole.logs[MAIN].root if MAIN in whole.logs else EMPTY_ROOT,
        checked=sum(each.checked for each in found),
        pruned=sum(each.pruned for each in found),
        signatures=sum(each.signatures for each in found) + (whole.view is not None),
        problems=tuple(problems),
        notes=tuple(notes),
    )
