"""A ledger of plausible calls, hour after hour."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from keepstone.ledger.record import (
    Caller,
    ExchangeRecord,
    FindingNote,
    Latency,
    ReasonNote,
    Sizes,
    Tokens,
    UpstreamNote,
    encode,
)
from tests.unit.ledger.support import KEY, opened

START = datetime(2026, 3, 1, 9, 59, tzinfo=UTC)


def record_at(number: int, *, minutes: int = 7) -> ExchangeRecord:
    """Return the nth call: every fifth is refused, every eleventh is an event."""
    time = (START + timedelta(minutes=minutes * number)).isoformat(timespec="microseconds")
    if number % 11 == 10:
        event = "policy.loaded"
        return ExchangeRecord(kind="event", id=f"id-{number}", time=time, event=event, detail={"file": "x"})
    refused = number % 5 == 4
    return ExchangeRecord(
        kind="exchange",
        id=f"id-{number}",
        time=time,
        principal=Caller("alice" if number % 2 else "bob", "api-key", ("engineer",), "k1"),
        operation="Converse",
        model="anthropic.claude-v2:1",
        data_class="Internal",
        policy="sha256:0",
        outcome="refuse" if refused else "allow",
        stage="admit" if refused else "record",
        reasons=(ReasonNote("no_rule_allows" if refused else "allowed", "because"),),
        findings=(FindingNote("input", "EMAIL", "ANONYMIZED", 2, "email"),) if number % 3 == 0 else (),
        tokens=Tokens(100 + number, 10),
        status=403 if refused else 200,
        latency_us=Latency(1500, 1000, 50),
        upstream=UpstreamNote("signed", "anthropic.claude-v2:1", 1),
        bytes=Sizes(400, 300),
    )


def fill(directory: Path, count: int, *, first: int = 0, minutes: int = 7) -> None:
    """Append calls to the ledger in `directory`."""
    with opened(directory, KEY) as ledger:
        for number in range(first, first + count):
            ledger.append(encode(record_at(number, minutes=minutes)))
