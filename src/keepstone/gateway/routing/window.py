"""Counting what happened lately, cheaply: a ring of slices, moved on when somebody looks or counts."""

SLICES = 10


class Window:
    """Counts over the last `length_ns`; what is counted leaves after at most a tenth less than that."""

    __slots__ = ("_at", "_counts", "_slice_ns", "_started", "_total")

    def __init__(self, length_ns: int) -> None:
        self._slice_ns = max(1, length_ns // SLICES)
        self._counts = [0] * SLICES
        self._at = 0
        self._started = 0
        self._total = 0

    def add(self, now_ns: int, amount: int = 1) -> None:
        """Count `amount` at `now_ns`."""
        if now_ns - self._started >= self._slice_ns:
            self._turn(now_ns)
        self._counts[self._at] += amount
        self._total += amount

    def total(self, now_ns: int) -> int:
        """Return what was counted within the window that ends now."""
        if now_ns - self._started >= self._slice_ns:
            self._turn(now_ns)
        return self._total

    def clear(self) -> None:
        """Forget everything."""
        self._counts = [0] * SLICES
        self._total = 0

    def _turn(self, now_ns: int) -> None:
        """Make the slice that holds `now_ns` the current one; those that fall out are forgotten."""
        steps = (now_ns - self._started) // self._slice_ns
        self._started += steps * self._slice_ns
        if steps >= SLICES:
            self.clear()
            return
        for _ in range(steps):
            self._at = (self._at + 1) % SLICES
            self._total -= self._counts[self._at]
            self._counts[self._at] = 0
