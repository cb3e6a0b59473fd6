"""Lines as the scripts of the shared store take them: keys of one slot, and whole numbers of microseconds."""

from hashlib import blake2b

from keepstone.gateway.rates.lines import Line
from keepstone.gateway.rates.windows import SLICES

MEMO_SIZE = 20_000
LEASE_S = 15.0
LEASE_US = int(LEASE_S * 1e6)


class Encoder:
    """Names the keys of one organisation, and says how each line is counted; its memo is bounded."""

    def __init__(self, organisation: str) -> None:
        # The braces keep all keys in one slot. Holders may be people, so the store sees digests only.
        self._prefix = f"keepstone:{{{_digest(organisation)}}}:"
        self._keys: dict[tuple[str, str, int, str], str] = {}
        self._periods: dict[object, tuple[int, int]] = {}
        self.epoch_key = f"{self._prefix}epoch"

    def key(self, line: Line) -> str:
        """Return the key of a line."""
        found = self._keys.get(line.key)
        if found is None:
            if len(self._keys) >= MEMO_SIZE:
                self._keys.clear()
            found = self._keys[line.key] = self._prefix + _digest(*map(str, line.key))
        return found

    def arguments(self, line: Line, amount: int, now_us: int) -> tuple[object, ...]:
        """Return what the script that takes wants to know of a line."""
        alerts = ",".join(map(str, line.rule.alert_at)) if line.rule.alert_at else ""
        if line.unit.is_lease:
            return "h", line.limit, amount, LEASE_US, 0, alerts
        if line.rule.period is not None:
            return "p", line.limit, amount, *self._bounds(line, now_us), alerts
        return "w", line.limit, amount, slice_us(line), 0, alerts

    def field(self, line: Line, at_us: int) -> tuple[str, int]:
        """Return how a line is counted, and under which number what was taken at `at_us` stands."""
        if line.unit.is_lease:
            return "h", 0
        if line.rule.period is not None:
            return "p", self._bounds(line, at_us)[0]
        return "w", at_us // slice_us(line)

    def life_ms(self, line: Line) -> int:
        """Return how long the counts of a line matter at most."""
        if line.rule.period is not None:
            return 32 * 86_400_000
        return slice_us(line) * (SLICES + 2) // 1000

    def _bounds(self, line: Line, now_us: int) -> tuple[int, int]:
        period = line.rule.period
        assert period is not None  # noqa: S101 - the callers have looked
        found = self._periods.get(period)
        if found is None or not found[0] <= now_us < found[1]:
            start, end = period.bounds(now_us * 1000)
            found = self._periods[period] = start // 1000, end // 1000
        return found


def slice_us(line: Line) -> int:
    """Return the length of a slice of a sliding window."""
    return max(1, line.rule.window_ns // SLICES // 1000)


def _digest(*texts: str) -> str:
    return blake2b("\0".join(texts).encode(), digest_size=12).hexdigest()
