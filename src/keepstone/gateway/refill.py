"""What limits counted in process forget when a process ends, found again in the ledger at the next start.

The records of the longest window are read, the newest first, of all logs: what any worker admitted counts. A
record states what was used. Where nobody knows (a stream or an attempt that was broken off) the estimate
counts that was reserved. Calls that no record tells of, because the process was killed under them, are lost.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from keepstone.core.errors import LedgerError
from keepstone.core.exchange import Operation
from keepstone.core.principal import Principal
from keepstone.gateway.charge import PERHAPS_CHARGED, UNCHARGED
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.rates.lines import Line
from keepstone.gateway.rates.windows import SLICES
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.record import Caller, Cost, ReasonNote, Sizes, Tokens, UpstreamNote
from keepstone.ledger.view import folders
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.limits import Amounts, Unit

SLACK_NS = 3600 * 1_000_000_000
"""So much earlier than the window a record may have begun that stands before others: calls last."""
_QUARTER_NS = 900 * 1_000_000_000
_UNCOUNTED_STAGES = frozenset({"", "identify", "admit", "parse", "budget"})
_UNKNOWN_USE = frozenset(code.value for code in PERHAPS_CHARGED)
_OPERATIONS = {each.value: each for each in Operation}


class Past(Struct, frozen=True):
    """What counting needs of a record."""

    kind: str
    id: str
    time: str
    principal: Caller = Caller()
    operation: str = ""
    model: str = ""
    outcome: str = ""
    stage: str = ""
    reasons: tuple[ReasonNote, ...] = ()
    tokens: Tokens = Tokens()
    cost: Cost = Cost()
    upstream: UpstreamNote = UpstreamNote()
    bytes: Sizes = Sizes()


_decoder = msgspec.json.Decoder(Past)


@dataclass(slots=True)
class Refilled:
    """How many records were read and how many of them count; `why` it is not all, empty when it is."""

    read: int = 0
    counted: int = 0
    why: str = ""


class Refill:
    """Counts what records tell, the newest first, into a budget at the end; `now_ns` is monotonic."""

    def __init__(self, policy: CompiledPolicy, budget: Budget, now_ns: int) -> None:
        self._policy = policy
        self._budget = budget
        self._now_ns = now_ns
        self._wall_ns = now_ns + budget.offset_ns
        self._ended: set[str] = set()
        self._sums: dict[tuple[str, str, int, str], tuple[Line, dict[int, int]]] = {}
        self.result = Refilled()

    @property
    def since_ns(self) -> int:
        """Return where the longest window begins."""
        return min(
            (
                rule.period.bounds(self._wall_ns)[0] if rule.period else self._wall_ns - rule.window_ns
                for rule in self._policy.limits
            ),
            default=self._wall_ns,
        )

    def feed(self, records: Iterable[bytes]) -> None:
        """Take one log's records, the newest first, as far as they may matter."""
        since = self.since_ns
        last = since - min(SLACK_NS, self._wall_ns - since)
        most = self._policy.rates.refill_at_most
        for data in records:
            past = _decoded(data)
            if past is None:
                continue
            at_ns = _nanoseconds(past.time)
            if at_ns < last:
                return
            if self.result.read >= most:
                self.result.why = f"more than `rates.refill_at_most` ({most}) records lie in it"
                return
            self.result.read += 1
            if at_ns >= since and self._counts(past):
                self._count(past, min(at_ns, self._wall_ns))

    def pour(self) -> None:
        """Put all that was found into the budget."""
        for line, found in self._sums.values():
            self._budget.restore(line, sorted(found.items()), self._now_ns)

    def _counts(self, past: Past) -> bool:
        """Say whether the call had taken from its limits; of a stream's two records, the last one tells."""
        if past.kind == "closed":
            self._ended.add(past.id)
        elif past.kind != "exchange" and (past.kind != "opened" or past.id in self._ended):
            return False
        refused_before = past.outcome == "refuse" and past.stage in _UNCOUNTED_STAGES
        return bool(past.principal.id) and past.operation in _OPERATIONS and not refused_before

    def _count(self, past: Past, at_ns: int) -> None:
        caller = past.principal
        who = Principal(caller.id, caller.kind, caller.roles, key_id=caller.key_id, tenant=caller.tenant)
        limits = self._policy.limits_of(who, past.model)
        if not limits:
            return
        self.result.counted += 1
        amounts, currency = self._amounts(past, at_ns)
        for line in self._budget.lines(limits, who, past.model):
            amount = amounts[line.unit]
            if amount and (line.unit is not Unit.COST or line.rule.currency == currency):
                _, found = self._sums.setdefault(line.key, (line, {}))
                at = self._slot(line, at_ns)
                found[at] = found.get(at, 0) + amount

    def _slot(self, line: Line, at_ns: int) -> int:
        """Return when a window's slice began, monotonic; days begin at a quarter of an hour everywhere."""
        offset = self._budget.offset_ns
        if line.rule.period is not None:
            return at_ns - at_ns % _QUARTER_NS - offset
        width = max(1, line.rule.window_ns // SLICES)
        return (at_ns - offset) // width * width

    def _amounts(self, past: Past, at_ns: int) -> tuple[Amounts, str]:
        used, hedged = past.tokens, past.upstream.hedged_tokens
        total = used.input + used.output
        if not total and self._is_unknown(past):
            return self._estimated(past, at_ns)
        amounts = (1, total + hedged, used.input + hedged, used.output, past.cost.billionths, 0, 0)
        return amounts, past.cost.currency

    def _is_unknown(self, past: Past) -> bool:
        if _OPERATIONS[past.operation] in UNCHARGED:
            return False
        code = past.reasons[0].code if past.reasons else ""
        return past.kind == "opened" or (past.upstream.attempts > 0 and code in _UNKNOWN_USE)

    def _estimated(self, past: Past, at_ns: int) -> tuple[Amounts, str]:
        """Return what is reserved for a call that states no maximum."""
        rates, upstream = self._policy.rates, past.upstream
        read, written = past.bytes.request // rates.bytes_per_token, max(1, rates.assume_output)
        price = self._policy.prices.price(upstream.model or past.model, upstream.name, at_ns)
        cost = price.worst(read, written) if price is not None else 0
        return (1, read + written, read, written, cost, 0, 0), price.currency if price is not None else ""


def refill(ledger: Path, policy: CompiledPolicy, budget: Budget, now_ns: int) -> Refilled:
    """Find again what limits have spent; a log that cannot be read is told in the result."""
    if not policy.limits or not policy.rates.refill_at_most:
        return Refilled()
    work = Refill(policy, budget, now_ns)
    for name, folder in folders(ledger).items():
        if not (folder / "checkpoint").exists():
            continue
        try:
            work.feed(_newest(folder))
        except LedgerError as error:
            work.result.why = f"log `{name}` cannot be read: {error.message}"
    work.pour()
    return work.result


def _newest(folder: Path) -> Iterator[bytes]:
    for _, data in LedgerReader(folder).newest():
        yield data


def _decoded(data: bytes) -> Past | None:
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # an entry that is no record counts nowhere


def _nanoseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1_000_000) * 1000
