"""The ledgers of several machines as one: each verified by its own key, none missing, none behind.

What a machine said of its ledger last is a signed view. A place (a ledger's folder, or a copy laid down in
one) that ends before that may be a copy that is behind, or cut: nobody can tell, and that is what is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keepstone.core.errors import LedgerError
from keepstone.ledger import note
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.verdict import Verdict
from keepstone.ledger.verify import Begin
from keepstone.ledger.verify_all import Whole, total, verify_all
from keepstone.ledger.view import View, folders, open_view

WORST = (Verdict.FAIL, Verdict.NOT_EVALUATED, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Stated:
    """What is known of a machine before its ledger is looked at; `where` is who says so."""

    ledger: str
    verifier: str
    where: str
    note: str = ""
    host: str = ""
    copy: str = ""


@dataclass(slots=True)
class Machine:
    """A machine that is known: by one key, with every view that it signed and that somebody kept."""

    ledger: str
    verifier: str
    host: str = ""
    copies: list[str] = field(default_factory=list)
    views: list[tuple[str, View]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Return its name for people."""
        return f"`{self.ledger}` ({self.host})" if self.host else f"`{self.ledger}`"


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one machine: its verdict, and its logs if a place held them."""

    ledger: str
    host: str
    place: str
    verdict: Verdict
    reason: str
    whole: Whole | None = None
    problems: tuple[str, ...] = ()


def known(stated: Iterable[Stated]) -> dict[str, Machine]:
    """Return the machines by their ledgers' names; who names a key first is believed, others must agree."""
    found: dict[str, Machine] = {}
    for each in stated:
        machine = found.setdefault(each.ledger, Machine(each.ledger, each.verifier))
        machine.host = machine.host or each.host
        if each.verifier != machine.verifier:
            machine.problems.append(f"{each.where} names another key for {machine.title}")
            continue
        if each.copy and each.copy not in machine.copies:
            machine.copies.append(each.copy)
        if not each.note:
            continue
        try:
            machine.views.append((each.where, open_view(each.note, note.Verifier.parse(machine.verifier))))
        except LedgerError as error:
            machine.problems.append(f"what {each.where} has of {machine.title}: {error.message}")
    return found


def ledger_name(folder: Path) -> str:
    """Return the name of the ledger in a folder, as it states it; empty when it states none."""
    try:
        text, _ = note.split((folder / "checkpoint").read_text("utf-8", "replace"))
        return note.parse_checkpoint(text).origin
    except (OSError, LedgerError):
        return ""


def judge(machine: Machine, folder: Path, place: str, *, holds: bool) -> Judged:
    """Verify the ledger that a place holds, against all that its machine is known to have said."""
    sizes = _sizes(folder)
    anchored: dict[str, list[Begin]] = {}
    behind: list[str] = []
    for where, view in machine.views:
        for name, at in view.logs.items():
            held = sizes.get(name, 0)
            if held is None or at.size <= held:
                anchored.setdefault(name, []).append(Begin(at.size, at.root, where))
            else:
                behind.append(
                    f"log `{name}` of {machine.title} ends at `{held}` in `{place}`, "
                    f"but it held `{at.size}` records by {where}"
                )
    whole = verify_all(folder, machine.verifier, anchored=anchored, holds=holds)
    problems = tuple(machine.problems) + tuple(each.what for each in total(whole).problems)
    verdict, reason = whole.verdict, whole.reason
    if machine.problems:
        verdict, reason = Verdict.FAIL, machine.problems[0]
    elif verdict is Verdict.PASS and behind:
        verdict, reason = Verdict.NOT_EVALUATED, behind[0]
    return Judged(machine.ledger, machine.host, place, verdict, reason, whole, problems)


def absent(machine: Machine, why: str = "") -> Judged:
    """Return the verdict on a machine whose ledger nobody has shown."""
    verdict = Verdict.FAIL if machine.problems else Verdict.NOT_EVALUATED
    reason = machine.problems[0] if machine.problems else why
    if not reason:
        most = max((sum(at.size for at in view.logs.values()) for _, view in machine.views), default=0)
        reason = f"the ledger of {machine.title} is missing: it held `{most}` records when it spoke last"
    return Judged(machine.ledger, machine.host, "", verdict, reason, problems=tuple(machine.problems))


def unknown(name: str, place: str) -> Judged:
    """Return the verdict on a ledger whose machine nobody has named: its key could be anybody's."""
    reason = f"nobody names a key of the ledger `{name}` in `{place}`" if name else f"no ledger in `{place}`"
    return Judged(name, "", place, Verdict.NOT_EVALUATED, reason)


def conclude(judged: Sequence[Judged]) -> tuple[Verdict, str]:
    """Return the worst verdict with its reason; of no machine nothing can be told."""
    if not judged:
        return Verdict.NOT_EVALUATED, "no machine is known: name a database, keys or places"
    worst = min(judged, key=lambda each: WORST.index(each.verdict))
    if worst.verdict is Verdict.PASS:
        return Verdict.PASS, f"every record of `{len(judged)}` ledgers agrees"
    return worst.verdict, worst.reason


def _sizes(folder: Path) -> Mapping[str, int | None]:
    """Return how long each log is; None for one that cannot be read, which verification then tells."""
    found: dict[str, int | None] = {}
    for name, log in folders(folder).items():
        try:
            found[name] = LedgerReader(log).size if (log / "checkpoint").exists() else 0
        except LedgerError:
            found[name] = None
    return found
