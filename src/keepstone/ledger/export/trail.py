"""An export in CloudTrail's format that goes on where the last one stopped, hour by hour.

What was reached stands in `keepstone-trail.json` beside the objects, written after each digest: an export
that was killed begins its unfinished hour again and writes the same objects. A record whose clock had been
set back lands in a later hour's digest than its time says; none is left out.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from keepstone.core.errors import LedgerError
from keepstone.ledger.export.cloudtrail import Event, event_of
from keepstone.ledger.export.digest import Link, LogFile, SigningKey, Trail, write_digest, write_log
from keepstone.ledger.export.sink import Sink
from keepstone.ledger.export.source import Entry, Source

STATE = "keepstone-trail.json"
LOG_RECORDS = 10_000
HOUR = timedelta(hours=1)

Told = Callable[[datetime, int], None]


class State(Struct):
    """How far an export has come: its trail, the end of its last digest, and the next index of each log."""

    trail: str
    fingerprint: str
    end: datetime | None = None
    previous: Link | None = None
    following: dict[str, int] = {}


class Written(Struct, frozen=True):
    """What one run added."""

    digests: int
    logs: int
    records: int
    end: datetime | None


class _Waiting:
    """The records of one log in order; `before` takes those that belong to the hour."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._next: Entry | None = next(entries, None)

    @property
    def oldest(self) -> datetime | None:
        """Return when the next record was made."""
        return self._next.when if self._next else None

    def before(self, end: datetime) -> Iterator[Entry]:
        """Yield records until one is not older than `end`."""
        while self._next is not None and self._next.when < end:
            yield self._next
            self._next = next(self._entries, None)


class TrailExport:
    """Writes a source's records into a sink as one trail."""

    def __init__(self, source: Source, sink: Sink, trail: Trail, key: SigningKey) -> None:
        self._source = source
        self._sink = sink
        self._trail = trail
        self._key = key

    def run(self, until: datetime, told: Told = lambda _end, _records: None) -> Written:
        """Write a digest for every whole hour up to `until`, and for what is left of the last one.

        Raise `LedgerError` when the sink holds another trail, or cannot be written.
        """
        state = self._state()
        waiting = {
            log: _Waiting(self._source.entries(log, state.following.get(log, 0)))
            for log in self._source.sizes
        }
        start = state.end or _first_hour(waiting)
        digests = logs = records = 0
        while start is not None and start < until:
            end = min(_hour(start) + HOUR, until)
            files = self._write_hour(waiting, state, end)
            state.previous = write_digest(
                self._sink, self._trail, self._key, start=start, end=end, logs=files, previous=state.previous
            )
            state.end = start = end
            self._sink.put(self._trail.prefix + STATE, msgspec.json.encode(state), {})
            done = sum(state.following.values())
            digests, logs, records = digests + 1, logs + len(files), done
            told(end, done)
        return Written(digests, logs, records, state.end)

    def _write_hour(self, waiting: dict[str, _Waiting], state: State, end: datetime) -> list[LogFile]:
        files: list[LogFile] = []
        events: list[Event] = []
        for log, queue in waiting.items():
            for entry in queue.before(end):
                events.append(event_of(entry, account=self._trail.account, region=self._trail.region))
                state.following[log] = entry.index + 1
                if len(events) == LOG_RECORDS:
                    files.append(write_log(self._sink, self._trail, end, events))
                    events = []
        if events:
            files.append(write_log(self._sink, self._trail, end, events))
        return files

    def _state(self) -> State:
        found = self._sink.get(self._trail.prefix + STATE)
        if found is None:
            return State(self._trail.arn, self._key.fingerprint)
        try:
            state = msgspec.json.decode(found, type=State)
        except msgspec.MsgspecError as error:
            raise LedgerError(
                f"`{STATE}` of the export is malformed", hint="export to another place"
            ) from error
        if (state.trail, state.fingerprint) != (self._trail.arn, self._key.fingerprint):
            raise LedgerError(
                f"the place holds an export of `{state.trail}`, or one signed by another key",
                hint="export to another place, or with the same `--trail`, `--account` and `--region`",
            )
        return state


def _first_hour(waiting: dict[str, _Waiting]) -> datetime | None:
    oldest = [each.oldest for each in waiting.values() if each.oldest is not None]
    return _hour(min(oldest)) if oldest else None


def _hour(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
