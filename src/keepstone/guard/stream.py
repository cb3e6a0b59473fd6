"""Streamed text, scanned before any of it is released, and the same whatever chunks it came in.

The scanner moves along the text in steps. A step begins at the last cut and runs only when the window behind
it is complete, so which windows there are depends on the text alone. It scans the window and what stands
before it, finds the last clean place to cut, commits the spans before that place, and releases the masked
text. When no place is clean, as inside a long key, the window doubles. A find that blocks ends the stream:
nothing of its step is released, nor of any later one. A guardrail whose `stream` is `async` gives that up:
text leaves as it comes, unmasked, and the scan that follows can only end the stream.
"""

from collections import Counter

from keepstone.detect.span import Span
from keepstone.guard.guardrail import Direction, Finding, Guardrail, Outcome, scan
from keepstone.guard.masking import mask, resolve
from keepstone.guard.window import SPACES, Window, best_cut
from keepstone.policy.schema.guardrails import StreamScan

FIRST_STRIDE = 32  # how far a first step may get; short, so that the first words come soon
LAST_STRIDE = 256  # later steps are longer: fewer scans for the same text
_SLACK = 64  # how far the look-back is stretched to begin at a word


class StreamScanner:
    """Scans the text of one channel of one streamed answer."""

    def __init__(self, guardrail: Guardrail) -> None:
        self._plan = guardrail.plans[Direction.OUTPUT]
        buffered = guardrail.config.stream is StreamScan.BUFFERED
        self._behind = guardrail.config.stream is StreamScan.ASYNC
        self._window: Window | None = None if buffered else guardrail.output_window
        self._text = ""  # from the look-back of the last cut on
        self._cut = 0  # where in `_text` the last cut is
        self._stride = FIRST_STRIDE
        self._grown = 1
        self._counts: Counter[tuple[str, str]] = Counter()
        self.blocked = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what was found in the text up to the last cut."""
        return tuple(
            Finding(kind, detector, self._outcome(detector), count)
            for (kind, detector), count in sorted(self._counts.items())
        )

    def _outcome(self, detector: str) -> Outcome:
        """Return what became of a find: what has left already was not masked."""
        outcome = self._plan.rules[detector].outcome
        return Outcome.NONE if self._behind and outcome is Outcome.ANONYMIZED else outcome

    @property
    def has_findings(self) -> bool:
        """Say whether anything was found up to the last cut."""
        return bool(self._counts)

    @property
    def buffered(self) -> bool:
        """Say whether everything is held until the end, as asked or because a pattern has no bound."""
        return self._window is None

    def feed(self, text: str) -> str:
        """Take the next piece of text; return what may be released now, masked.

        A scanner that runs behind returns the piece itself, until it has found what blocks.
        """
        if self.blocked:
            return ""
        self._text += text
        window = self._window
        released = ""
        while window is not None and len(self._text) - self._cut >= self._reach(window):
            released += self._step(window)
            if self.blocked:
                break
        return text if self._behind and not self.blocked else released

    def finish(self) -> str:
        """Return the rest, masked; the text is over."""
        if self.blocked:
            return ""
        spans = self._scan(len(self._text))
        rest = self._release(spans, len(self._text))
        return "" if self._behind else rest

    def _reach(self, window: Window) -> int:
        return (window.after_space + self._stride) * self._grown

    def _step(self, window: Window) -> str:
        end = self._cut + self._reach(window)
        spans = self._scan(end)
        cut = best_cut(self._text, [(each.start, each.end) for each in spans], self._cut, end, window)
        if cut == self._cut:
            self._grown *= 2
            return ""
        released = self._release([each for each in spans if each.start < cut], cut)
        self._grown = 1
        self._stride = min(self._stride * 2, LAST_STRIDE)
        self._forget(window)
        return released

    def _scan(self, end: int) -> list[Span]:
        """Return the spans in the text up to `end` that reach past the last cut, clipped to it.

        No span can reach over a clean cut. Should one do so, because more of a text without an end is seen
        now, what has not been released of it is still masked.
        """
        spans = scan(self._plan, self._text[:end], attackable=False)
        return [
            Span(max(each.start, self._cut), each.end, each.type, each.detector)
            for each in spans
            if each.end > self._cut
        ]

    def _release(self, spans: list[Span], cut: int) -> str:
        rules = self._plan.rules
        kept = resolve(spans, rules)
        self._counts.update((each.type, each.detector) for each in kept)
        if any(rules[each.detector].outcome is Outcome.BLOCKED for each in kept):
            self.blocked = True
            return ""
        start, self._cut = self._cut, cut
        return mask(self._text[start:cut], _moved(spans, start), _moved(kept, start), rules)

    def _forget(self, window: Window) -> None:
        """Drop text that no later step looks back on; the rest begins at a word, if there is one near."""
        earliest = self._cut - window.look_back
        if earliest <= _SLACK:
            return
        start = earliest - _SLACK
        while start < earliest and self._text[start - 1] not in SPACES:
            start += 1
        if start == earliest:
            start = earliest - _SLACK
        self._text = self._text[start:]
        self._cut -= start


def _moved(spans: list[Span], by: int) -> list[Span]:
    return [Span(each.start - by, each.end - by, each.type, each.detector) for each in spans]
