"""What one call counts in: a line for each unit of each limit and holder, and what taking them gave."""

from collections.abc import Sequence

from msgspec import Struct

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.principal import Principal
from keepstone.gateway.rates.windows import Window
from keepstone.policy.limits import BILLION, Amounts, LimitRule, Unit
from keepstone.policy.model_ids import canonical_name

ANY = "*"
MEMO_SIZE = 4096

_CODES = {
    Unit.REQUESTS: ReasonCode.REQUEST_LIMIT_SPENT,
    Unit.TOKENS: ReasonCode.TOKEN_LIMIT_SPENT,
    Unit.INPUT_TOKENS: ReasonCode.TOKEN_LIMIT_SPENT,
    Unit.OUTPUT_TOKENS: ReasonCode.TOKEN_LIMIT_SPENT,
    Unit.COST: ReasonCode.COST_LIMIT_SPENT,
    Unit.STREAMS: ReasonCode.CONCURRENCY_LIMIT_SPENT,
    Unit.CONCURRENT: ReasonCode.CONCURRENCY_LIMIT_SPENT,
}


class Line(Struct, frozen=True, eq=False):
    """One count that a call must fit in; lines with the same `key` share it."""

    rule: LimitRule
    unit: Unit
    limit: int
    holder: str
    key: tuple[str, str, int, str]

    @property
    def words(self) -> str:
        """Return the limit in words, such as `100 tokens per 60 s`."""
        if self.unit is Unit.COST:
            return f"{self.limit / BILLION:g} {self.rule.currency} per {self.rule.span}"
        what = self.unit.label.replace("_", " ")
        if self.unit.is_lease:
            return f"{self.limit} {'calls' if self.unit is Unit.CONCURRENT else what} at once"
        return f"{self.limit} {what} per {self.rule.span}"


class Demand(Struct, frozen=True):
    """What a call wants to take from a store that it has to wait for."""

    lines: tuple[Line, ...]
    amounts: Amounts


class LimitAlert(Struct, frozen=True):
    """A limit is used to `percent` or more, told once a window; `total` counts what is reserved, too."""

    line: Line
    percent: int
    total: int


class Reservation(Struct, frozen=True):
    """What an admitted call has taken; settled once its real use is known.

    `at_ns` is the time of the taking by the clock of the store, `lease` names the call in a shared one.
    """

    counted: Sequence[tuple[Line, Window]]
    amounts: Amounts
    at_ns: int
    alerts: tuple[LimitAlert, ...] = ()
    lease: str = ""


class Spent(Struct, frozen=True):
    """A limit is used up: the refusal, and whole seconds until a try makes sense."""

    decision: Decision
    retry_after: int | None = None
    alerts: tuple[LimitAlert, ...] = ()


class LineBook:
    """Finds the lines of a call; its memo is bounded and holds answers only."""

    def __init__(self) -> None:
        self._memo: dict[object, tuple[Line, ...]] = {}

    def lines(self, limits: tuple[LimitRule, ...], principal: Principal, model_id: str) -> tuple[Line, ...]:
        """Return the lines of `limits`, in the document's order."""
        who = principal.key_id or principal.id
        key = (limits, who, principal.roles, principal.tenant, model_id)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= MEMO_SIZE:
                self._memo.clear()
            found = self._memo[key] = tuple(
                Line(rule, unit, bound, holder, (rule.name, holder, unit, rule.span))
                for rule in limits
                for holder in holders(rule, principal, model_id)
                for unit, bound in rule.bounds
            )
        return found


def holders(rule: LimitRule, principal: Principal, model_id: str) -> tuple[str, ...]:
    """Return whose windows a call counts in."""
    match rule.scope:
        case "principal":
            return (principal.key_id or principal.full_id,)
        case "role":
            return tuple(role for role in principal.roles if ANY in rule.roles or role in rule.roles)
        case "model":
            return (canonical_name(model_id),)  # an ARN or a profile spends what the plain id does
        case "tenant":
            return (principal.tenant,)  # callers without one share a window
        case "organisation":
            return ("",)


def spent(line: Line, wait_ns: int, alerts: tuple[LimitAlert, ...] = ()) -> Spent:
    """Return the refusal of a call that does not fit in a line."""
    seconds = -(-wait_ns // BILLION)
    message = f"limit `{line.rule.name}` of {line.words} is spent, try again in {seconds} s"
    return Spent(Decision.refuse(_CODES[line.unit], message, line.rule.path), seconds, alerts)
