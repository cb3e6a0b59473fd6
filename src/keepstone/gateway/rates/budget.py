"""Limits counted in this process, pure but for what it counts: all lines of a call are taken, or none.

Requests are counted when admitted. Tokens and money are reserved by estimate and settled when the upstream
has said what the call used; streams and concurrent calls are held until the call ends. So a limit is exceeded
by at most what the calls that were in flight together used above their reservations.
"""

from collections import OrderedDict
from collections.abc import Sequence

from keepstone.core.principal import Principal
from keepstone.gateway.rates.lines import LimitAlert, Line, LineBook, Reservation, Spent, spent
from keepstone.gateway.rates.windows import Window, new_window
from keepstone.policy.limits import Amounts, LimitRule

MAX_WINDOWS = 100_000

Counted = list[tuple[Line, Window]]


class Budget:
    """All windows of one process; a new policy keeps the windows whose limit stayed the same.

    `offset_ns` leads from the monotonic times that it is given to wall time, which calendar periods are cut
    by; it is fixed at start, so that a clock that jumps opens no new period.
    """

    def __init__(self, offset_ns: int = 0) -> None:
        self._windows: OrderedDict[tuple[str, str, int, str], Window] = OrderedDict()
        self._lines: dict[tuple[str, str, int, str], Line] = {}
        self.offset_ns = offset_ns
        self._book = LineBook()

    def lines(self, limits: tuple[LimitRule, ...], principal: Principal, model_id: str) -> tuple[Line, ...]:
        """Return what a call counts in."""
        return self._book.lines(limits, principal, model_id)

    def take(
        self,
        limits: tuple[LimitRule, ...],
        principal: Principal,
        model_id: str,
        amounts: Amounts,
        now_ns: int,
    ) -> Reservation | Spent:
        """Count one call and reserve `amounts`, or change nothing and say which limit is spent."""
        return self.take_lines(self._book.lines(limits, principal, model_id), amounts, now_ns)

    def take_lines(
        self, lines: Sequence[Line], amounts: Amounts, now_ns: int, share: int = 100
    ) -> Reservation | Spent:
        """Take what fits under `share` percent of each limit."""
        wanted: Counted = []
        watched = False
        for line in lines:
            amount = amounts[line.unit]
            if not amount and line.unit.is_lease:
                continue
            window = self._windows.get(line.key)
            if window is None:
                window = self._open(line, now_ns)
            window.expire(now_ns)
            bound = line.limit if share == 100 else line.limit * share // 100
            if window.total + amount > bound:
                alerts = self._reached([(line, window)], now_ns, refused=True)
                return spent(line, window.wait_ns(now_ns, bound, amount), alerts)
            wanted.append((line, window))  # also for nothing: what is settled later may be more
            watched = watched or bool(line.rule.alert_at)
        for line, window in wanted:
            window.add(now_ns, amounts[line.unit])
        return Reservation(wanted, amounts, now_ns, self._reached(wanted, now_ns) if watched else ())

    def count(self, lines: Sequence[Line], amounts: Amounts, now_ns: int) -> Reservation:
        """Count a call that was admitted elsewhere."""
        wanted: Counted = []
        for line in lines:
            amount = amounts[line.unit]
            if not amount and line.unit.is_lease:
                continue
            window = self._windows.get(line.key)
            if window is None:
                window = self._open(line, now_ns)
            window.expire(now_ns)
            window.add(now_ns, amount)
            wanted.append((line, window))
        return Reservation(wanted, amounts, now_ns)

    def settle(self, reservation: Reservation, used: Amounts, now_ns: int) -> None:
        """Replace what was reserved by what was used; a call that never reached a model used nothing."""
        reserved, at_ns = reservation.amounts, reservation.at_ns
        for line, window in reservation.counted:
            difference = used[line.unit] - reserved[line.unit]
            if difference:
                window.expire(now_ns)
                window.correct(at_ns, difference)

    def restore(self, line: Line, counts: Sequence[tuple[int, int]], now_ns: int) -> None:
        """Count what was spent before this process began, the oldest first; its alerts were told then."""
        window = self._windows.get(line.key) or self._open(line, now_ns)
        window.expire(now_ns)
        for at_ns, amount in counts:
            window.restore(at_ns, amount)
        window.expire(now_ns)
        for percent in line.rule.alert_at:
            if window.total * 100 >= line.limit * percent:
                window.alert(now_ns, percent)

    def contents(self, now_ns: int) -> list[tuple[Line, list[tuple[int, int]]]]:
        """Return what is counted, by line and slice or period; what is held is not in it."""
        found = []
        for key, window in self._windows.items():
            window.expire(now_ns)
            fields = [each for each in window.fields() if each[1]]
            if fields:
                found.append((self._lines[key], fields))
        return found

    def _reached(self, counted: Counted, now_ns: int, *, refused: bool = False) -> tuple[LimitAlert, ...]:
        """Return the thresholds that are reached for the first time; a refusal reaches all of them."""
        return tuple(
            LimitAlert(line, percent, window.total)
            for line, window in counted
            for percent in line.rule.alert_at
            if (refused or window.total * 100 >= line.limit * percent) and window.alert(now_ns, percent)
        )

    def _open(self, line: Line, now_ns: int) -> Window:
        self._make_room(now_ns)
        self._lines[line.key] = line
        window = self._windows[line.key] = new_window(line.rule, line.unit, self.offset_ns)
        return window

    def _make_room(self, now_ns: int) -> None:
        if len(self._windows) < MAX_WINDOWS:
            return
        for key, window in list(self._windows.items()):
            window.expire(now_ns)
            if window.total <= 0:
                del self._windows[key], self._lines[key]
        if len(self._windows) >= MAX_WINDOWS:  # all in use: the oldest goes, its holder starts afresh
            models = (each for each in self._windows if self._lines[each].rule.scope == "model")
            key = next(models, next(iter(self._windows)))  # callers choose models, so theirs go first
            del self._windows[key], self._lines[key]
