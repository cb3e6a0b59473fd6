"""A stream on its way out: nothing leaves before it was scanned, and chunking changes nothing.

Each channel of text (a content block's text, its reasoning, ...) has a scanner per guardrail. A scanner gives
back what is safe to release; this file puts that into events of the same shape as those that came. A tool
call's JSON is held until its block stops, because a piece of it means nothing. The events from the message's
end on are held for `finish`, so that the record can be durable before the caller sees the end.
"""

import time
from collections.abc import Sequence
from functools import partial

import msgspec

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import UpstreamError
from keepstone.gateway import answer
from keepstone.gateway.admit import admit_answer, answer_findings
from keepstone.gateway.bodies import Body, Document, StreamState
from keepstone.gateway.call import Call
from keepstone.gateway.findings import blocking, note_findings
from keepstone.gateway.inspection import inspect_slots, output_blocked, shown_place
from keepstone.gateway.leaks import leaked, note_leaks
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.restoring import may_see_originals, note_restored, restore_slots
from keepstone.gateway.transforms import note_answer
from keepstone.gateway.wire.deltas import Delta, HeldDocument, Kind, held_event, joined, with_text
from keepstone.gateway.wire.eventstream import WireEvent
from keepstone.gateway.wire.slots import Slot
from keepstone.gateway.wire.usage import METRICS
from keepstone.guard.guardrail import Direction, Outcome
from keepstone.guard.leak import LeakStream
from keepstone.guard.stream import StreamScanner
from keepstone.guard.surrogates import StreamRestorer, Surrogates
from keepstone.policy.detected import Found
from keepstone.policy.schema.guardrails import StreamScan
from keepstone.policy.schema.transforms import AppendText, DropReasoning

MAX_HELD_CHARS = 8 * 1024 * 1024
"""The most text that may wait for its end: tool calls, and streams of unknown families."""


class Blocked(Exception):  # noqa: N818 - a turn of the way, not an error
    """A guardrail ends the stream; `released` are the frames of what it had let pass before."""

    def __init__(self, decision: Decision, released: bytes = b"") -> None:
        super().__init__()
        self.decision = decision
        self.released = released


class _Channel:
    """One flow of text: its scanners in a row, and the last event it came in."""

    __slots__ = ("delta", "document", "event_type", "held", "keep", "leaks", "restorer", "scanners")

    def __init__(self, call: Call, surrogates: Surrogates | None, name: str) -> None:
        self.keep = partial(call.kept.stream, name) if call.kept is not None else None
        self.scanners = [StreamScanner(guardrail) for guardrail in call.guardrails]
        self.leaks = [LeakStream(prompt) for _, prompt in call.prompts]
        self.restorer = StreamRestorer(surrogates) if surrogates else None
        self.held: list[str] = []
        self.event_type = ""
        self.document: Document = {}
        self.delta = Delta(Kind.OTHER)

    def feed(self, text: str) -> str:
        for scanner in self.scanners:
            text = scanner.feed(text)
        for leak in self.leaks:
            text = leak.feed(text)
        if self.keep is not None:
            self.keep(text)
        return text if self.restorer is None else self.restorer.feed(text)

    def finish(self) -> str:
        rest = ""
        stages: list[StreamScanner | LeakStream] = [*self.scanners, *self.leaks]
        for stage in stages:
            rest = (stage.feed(rest) if rest else "") + stage.finish()
        if self.keep is not None:
            self.keep(rest)
        return rest if self.restorer is None else self.restorer.feed(rest) + self.restorer.finish()


class GovernedStream:
    """The state of one stream; `feed` each upstream event, then `finish`."""

    def __init__(self, call: Call, body: Body, metrics: Metrics) -> None:
        self.over = False
        self.scan_ns = 0
        self.released_bytes = 0
        self.released_chars = 0
        self._call = call
        self._body = body
        self._metrics = metrics
        self._channels: dict[str, _Channel] = {}
        self._masked: set[str] = set()
        self._held_chars = 0
        self._surrogates = call.surrogates if may_see_originals(call) else None
        self._behind = any(each.config.stream is StreamScan.ASYNC for each in call.guardrails)
        self._drops_reasoning = any(isinstance(each, DropReasoning) for each in call.changes)
        self._dropped: set[str] = set()
        self._state = StreamState()
        self._ending: list[bytes] = []
        self._ended = False
        self._buffered: list[tuple[str, Document, Delta]] = []

    def feed(self, event: WireEvent) -> bytes:
        """Return the frames that may leave now; `over` is set when a guardrail has ended the stream.

        Raises `UpstreamError` for an event that is broken, or that says that the upstream failed.
        """
        if event.kind == "exception":
            raise UpstreamError(f"the stream ended with `{event.type}`", code="upstream.stream")
        started = time.perf_counter_ns()
        try:
            frames = self._take(event)
        except Blocked as stop:
            self._stop(stop.decision)
            frames = stop.released
        self.scan_ns += time.perf_counter_ns() - started
        self.released_bytes += len(frames)
        return frames

    def finish(self) -> bytes:
        """Return the last frames, to be sent once the record is durable.

        Raises `UpstreamError` when the upstream ended its stream before the message's end.
        """
        if self.over:
            return b"".join(self._ending) + self._body.last()
        started = time.perf_counter_ns()
        try:
            if self._buffered:
                self._ending.append(self._release_buffered())
            elif self._body.has_end and not self._ended:
                raise UpstreamError("the stream ended before its message did", code="upstream.malformed")
            else:
                self._ending.insert(0, self._close_channels(""))
        except Blocked as stop:
            self._stop(stop.decision)
        if not self.over:
            self.settle()
        self.scan_ns += time.perf_counter_ns() - started
        return b"".join(self._ending) + self._body.last()

    def settle(self) -> None:
        """Note what was found in the text so far; for the end, and for a stream that breaks off."""
        for channel in self._channels.values():
            self._keep_findings(channel)
        self._channels.clear()
        note_restored(self._call, self._metrics)
        if self._masked:
            self._call.transform(
                ReasonCode.OUTPUT_MASKED, f"guardrail masks {', '.join(sorted(self._masked))}"
            )
            self._masked.clear()

    # --- one event

    def _take(self, event: WireEvent) -> bytes:
        document, delta = self._body.read_event(event)
        self._note_usage(document)
        if METRICS in document:  # InvokeModel's last chunk, whatever else is in it
            self._add_trace(document)
        if self._drops_reasoning and self._is_reasoning(document, delta):
            return b""
        if delta.uninspectable:
            self._refuse_uninspectable(delta)
        if self._body.buffer_all:
            self._hold(len(event.payload))
            self._buffered.append((event.type, document, delta))
            return b""
        if delta.slots:
            self._inspect(list(delta.slots))
        frames = self._by_kind(event.type, document, delta)
        if self._ended and frames:
            self._ending.append(frames)
            return b""
        return frames

    def _by_kind(self, event_type: str, document: Document, delta: Delta) -> bytes:
        match delta.kind:
            case Kind.TEXT:
                return self._text(event_type, document, delta)
            case Kind.HELD:
                return self._held(event_type, document, delta)
            case Kind.STOP:
                frames = self._close_channels(f"{delta.block}:")
                self._state.open_block = None
                return frames + self._body.write_event(event_type, document)
            case Kind.END:
                frames = self._close_channels("") + self._appended()
                self._ended = True
                return frames + self._body.write_event(event_type, document)
            case Kind.START | Kind.METADATA | Kind.OTHER:
                if delta.kind is Kind.METADATA and self._ended:
                    self._add_trace(document)
                self._mark(delta)
                return self._body.write_event(event_type, document)

    def _text(self, event_type: str, document: Document, delta: Delta) -> bytes:
        channel = self._channel(event_type, document, delta)
        released = channel.feed(delta.text) + (channel.finish() if delta.final else "")
        self._check_class(channel)
        if delta.final:
            self._keep_findings(self._channels.pop(delta.channel))
            self._ended = True
            self._check(channel)  # the family's last event: its end must not stand before the block
        elif not released:
            self._check(channel)
            return b""
        self._mark(delta)
        self._released(released)
        frames = self._body.write_event(event_type, with_text(document, delta, released))
        self._check(channel, frames)
        return frames

    def _held(self, event_type: str, document: Document, delta: Delta) -> bytes:
        """Hold a piece of a tool call; the first one's event, which may name the tool, carries the whole."""
        channel = self._channels.get(delta.channel)
        if channel is None:
            channel = self._channel(event_type, document, delta)
        elif delta.final:
            self._ending.append(self._body.write_event(event_type, with_text(document, delta, "")))
        self._ended = self._ended or delta.final
        self._hold(len(delta.text))
        channel.held.append(delta.text)
        return b""

    def _close_channels(self, prefix: str) -> bytes:
        """Release what the channels of a block, or of all, still hold."""
        frames = []
        for name in [name for name in self._channels if name.startswith(prefix)]:
            channel = self._channels[name]
            if channel.held:
                text = self._whole_tool_call("".join(channel.held), name)
                frames.append(
                    self._body.write_event(
                        channel.event_type, held_event(channel.document, channel.delta, text)
                    )
                )
            else:
                text = channel.finish()
                self._check_class(channel)
                self._check(channel)
                if text:
                    self._mark(channel.delta)
                    frames.append(
                        self._body.write_event(
                            channel.event_type, with_text(channel.document, channel.delta, text)
                        )
                    )
            self._released(text)
            self._keep_findings(self._channels.pop(name))
        return b"".join(frames)

    def _whole_tool_call(self, text: str, name: str) -> str:
        held = HeldDocument(text)
        slots = list(held.slots)
        self._judge(slots)
        if self._call.kept is not None:
            self._call.kept.stream(name, held.render())
        restore_slots(self._call, slots)
        return held.render()

    # --- changes of the policy's

    def _is_reasoning(self, document: Document, delta: Delta) -> bool:
        """Say whether an event belongs to a block of reasoning."""
        if delta.kind is Kind.STOP:
            return delta.block in self._dropped
        piece = document.get("delta")
        if type(piece) is not dict or "reasoningContent" not in piece:
            return False
        if not self._dropped:
            note_answer(self._call)
        self._dropped.add(delta.block)
        return True

    def _appended(self) -> bytes:
        """Return the blocks that the policy adds behind the answer."""
        frames = []
        for change in self._call.changes:
            if isinstance(change, AppendText):
                index = self._state.next_block
                self._state.next_block += 1
                delta = {"contentBlockIndex": index, "delta": {"text": change.text}}
                frames.append(self._body.write_event("contentBlockDelta", delta))
                frames.append(self._body.write_event("contentBlockStop", {"contentBlockIndex": index}))
                note_answer(self._call)
        return b"".join(frames)

    # --- guardrails

    def _channel(self, event_type: str, document: Document, delta: Delta) -> _Channel:
        channel = self._channels.get(delta.channel)
        if channel is None:
            channel = self._channels[delta.channel] = _Channel(self._call, self._surrogates, delta.channel)
        channel.event_type, channel.document, channel.delta = event_type, document, delta
        return channel

    def _inspect(self, slots: list[Slot]) -> None:
        self._judge(slots)
        restore_slots(self._call, slots)

    def _judge(self, slots: list[Slot]) -> None:
        refusal = inspect_slots(self._call, slots, Direction.OUTPUT, self._metrics)
        if refusal is not None:
            raise Blocked(output_blocked(self._call, refusal))
        self._admit(answer_findings(self._call))

    def _check_class(self, channel: _Channel) -> None:
        """End the stream before a find leaves whose class the caller may not see."""
        for scanner in channel.scanners:
            if scanner.has_findings and not scanner.blocked:
                self._admit(scanner.findings)

    def _admit(self, findings: Sequence[Found]) -> None:
        refusal = admit_answer(self._call, findings)
        if refusal is not None:
            raise Blocked(refusal)

    def _check(self, channel: _Channel, released: bytes = b"") -> None:
        for guardrail, scanner in zip(self._call.guardrails, channel.scanners, strict=True):
            if scanner.blocked:
                self._call.blocker = guardrail
                raise Blocked(output_blocked(self._call, blocking(scanner.findings)), released)
        for (guardrail, prompt), leak in zip(self._call.prompts, channel.leaks, strict=True):
            if leak.blocked:
                self._call.blocker = guardrail
                raise Blocked(output_blocked(self._call, leaked(prompt, max(1, leak.count))), released)

    def _keep_findings(self, channel: _Channel) -> None:
        for scanner in channel.scanners:
            if scanner.findings:
                note_findings(self._call, scanner.findings, Direction.OUTPUT, self._metrics)
                self._masked.update(
                    each.type for each in scanner.findings if each.action is Outcome.ANONYMIZED
                )
        for (guardrail, prompt), leak in zip(self._call.prompts, channel.leaks, strict=True):
            count = max(leak.count, leak.blocked)
            note_leaks(self._call, guardrail, leaked(prompt, count), self._metrics)

    def _stop(self, decision: Decision) -> None:
        """End the stream in the guardrail's words; nothing that was held leaves."""
        self.settle()
        self.over = True
        call = self._call
        call.refuse(decision, "inspect")
        message = (call.blocker or call.guardrails[0]).messages.output
        trace = answer.trace(call)
        self._ending = [self._body.blocked_frames(message, call.usage, trace, self._state)]

    def _refuse_uninspectable(self, delta: Delta) -> None:
        if any(each.config.uninspectable == "block" for each in self._call.guardrails):
            message = (
                f"the answer holds `{shown_place(delta.uninspectable[0])}`, which cannot be read as text"
            )
            raise Blocked(Decision.refuse(ReasonCode.CONTENT_NOT_INSPECTABLE, message))
        self._metrics.uninspected.inc(len(delta.uninspectable))

    # --- buffered streams of unknown families

    def _release_buffered(self) -> bytes:
        slots = joined([(document, delta) for _, document, delta in self._buffered])
        self._judge(slots)
        if self._call.kept is not None:
            documents = [document for _, document, _ in self._buffered]
            self._call.kept.answer = msgspec.json.encode(documents)
        restore_slots(self._call, slots)
        frames = [self._body.write_event(name, document) for name, document, _ in self._buffered]
        return b"".join(frames)

    def _hold(self, chars: int) -> None:
        self._held_chars += chars
        if self._held_chars > MAX_HELD_CHARS:
            message = f"more than {MAX_HELD_CHARS} characters have to be held to be inspected whole"
            raise UpstreamError(message, code="upstream.malformed")

    # --- bookkeeping

    def _released(self, text: str) -> None:
        self.released_chars += len(text)
        if self._behind:
            self._metrics.unscanned.inc(len(text))

    def _mark(self, delta: Delta) -> None:
        self._state.started = True
        if delta.block.isdigit():
            self._state.open_block = int(delta.block)
            self._state.next_block = max(self._state.next_block, int(delta.block) + 1)

    def _note_usage(self, document: Document) -> None:
        found = self._body.usage(document, {})
        if found is not None:
            self._call.usage = answer.merged(self._call.usage, found)

    def _add_trace(self, document: Document) -> None:
        trace = answer.trace(self._call)
        if trace:
            self._body.add_trace(document, trace)
