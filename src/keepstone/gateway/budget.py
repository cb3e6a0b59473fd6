"""The budget stage's arithmetic: sliding windows over requests and tokens, pure but for what it counts.

A window is cut into slices. A slice's count leaves the sum only when the whole slice is older than the
window, so in no span of that length are more than the limit admitted; the price is that up to one slice of
headroom comes back late. Requests are counted when admitted; tokens are reserved by estimate and settled when
the upstream has said what the call used.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.principal import Principal
from keepstone.policy.compile import LimitRule
from keepstone.policy.model_ids import names_of

SLICES = 20
MAX_WINDOWS = 100_000
ANY = "*"


class SlidingWindow:
    """Counts what happened within the last `length_ns` nanoseconds, in slices."""

    __slots__ = ("_counts", "_expired", "_slice_ns", "total")

    def __init__(self, length_ns: int) -> None:
        self._slice_ns = max(1, length_ns // SLICES)
        self._counts: OrderedDict[int, int] = OrderedDict()
        self._expired = -SLICES
        self.total = 0

    def expire(self, now_ns: int) -> None:
        """Forget the slices that are wholly out of the window."""
        oldest = now_ns // self._slice_ns - SLICES
        if oldest == self._expired:
            return
        self._expired = oldest
        while self._counts and (first := next(iter(self._counts))) < oldest:
            self.total -= self._counts.pop(first)

    def add(self, now_ns: int, amount: int) -> None:
        """Count `amount` at `now_ns`."""
        number = now_ns // self._slice_ns
        self._counts[number] = self._counts.get(number, 0) + amount
        self.total += amount

    def correct(self, at_ns: int, difference: int) -> None:
        """Change what was counted at `at_ns`, unless that has left the window already."""
        number = at_ns // self._slice_ns
        if number in self._counts:
            self._counts[number] += difference
            self.total += difference

    def wait_ns(self, now_ns: int, limit: int, amount: int) -> int:
        """Return how long until `amount` more fits under `limit`, if nothing else comes."""
        total = self.total
        for number, count in self._counts.items():
            total -= count
            if total + amount <= limit:
                return max(1, (number + SLICES + 1) * self._slice_ns - now_ns)
        return self._slice_ns * (SLICES + 1)


class Reservation(Struct, frozen=True):
    """What an admitted call has taken; settled once its real use is known."""

    windows: tuple[SlidingWindow, ...]
    tokens: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Spent:
    """A limit is used up: the refusal, and whole seconds until a try makes sense."""

    decision: Decision
    retry_after: int


class Budget:
    """All windows of one process; a new policy keeps the windows whose limit stayed the same."""

    def __init__(self) -> None:
        self._windows: OrderedDict[tuple[str, str, str, int], SlidingWindow] = OrderedDict()

    def take(
        self, limits: Sequence[LimitRule], principal: Principal, model_id: str, tokens: int, now_ns: int
    ) -> Reservation | Spent:
        """Count one request and reserve `tokens`, or change nothing and say which limit is spent."""
        wanted: list[tuple[SlidingWindow, int]] = []
        token_windows: list[SlidingWindow] = []
        for rule in limits:
            for holder in holders(rule, principal, model_id):
                for unit, limit, amount in (("requests", rule.requests, 1), ("tokens", rule.tokens, tokens)):
                    if limit is None:
                        continue
                    window = self._window(rule, holder, unit, now_ns)
                    if window.total + amount > limit:
                        return _spent(rule, unit, limit, window.wait_ns(now_ns, limit, amount))
                    wanted.append((window, amount))
                    if unit == "tokens":
                        token_windows.append(window)
        for window, amount in wanted:
            window.add(now_ns, amount)
        return Reservation(tuple(token_windows), tokens, now_ns)

    def settle(self, reservation: Reservation, used: int, now_ns: int) -> None:
        """Replace the reserved tokens by those used; a call that never reached a model used none."""
        for window in reservation.windows:
            window.expire(now_ns)
            window.correct(reservation.at_ns, used - reservation.tokens)

    def _window(self, rule: LimitRule, holder: str, unit: str, now_ns: int) -> SlidingWindow:
        key = (rule.name, holder, unit, rule.window_ns)
        window = self._windows.get(key)
        if window is None:
            self._make_room(now_ns)
            window = self._windows[key] = SlidingWindow(rule.window_ns)
        window.expire(now_ns)
        return window

    def _make_room(self, now_ns: int) -> None:
        if len(self._windows) < MAX_WINDOWS:
            return
        for key, window in list(self._windows.items()):
            window.expire(now_ns)
            if window.total <= 0:
                del self._windows[key]
        if len(self._windows) >= MAX_WINDOWS:  # all in use: the oldest goes, its holder starts afresh
            self._windows.popitem(last=False)


def holders(rule: LimitRule, principal: Principal, model_id: str) -> tuple[str, ...]:
    """Return whose windows a call counts in."""
    match rule.scope:
        case "principal":
            return (principal.key_id or principal.id,)
        case "role":
            return tuple(role for role in principal.roles if ANY in rule.roles or role in rule.roles)
        case "model":
            return (names_of(model_id)[-1],)  # an ARN spends what the plain id does
        case "organisation":
            return ("",)


def _spent(rule: LimitRule, unit: str, limit: int, wait_ns: int) -> Spent:
    code = ReasonCode.REQUEST_LIMIT_SPENT if unit == "requests" else ReasonCode.TOKEN_LIMIT_SPENT
    seconds = -(-wait_ns // 1_000_000_000)
    message = (
        f"limit `{rule.name}` of {limit} {unit} per {rule.window_ns / 1e9:g} s is spent, "
        f"try again in {seconds} s"
    )
    return Spent(Decision.refuse(code, message, rule.path), seconds)
