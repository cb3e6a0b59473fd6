"""How long a question over a long ledger takes: `python -m bench.query [RECORDS]`, a million by default.

The ledger is made first, in a temporary folder, a call every 7.8 seconds of three months.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keepstone.ledger.export.source import Source
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.query import ask, refresh
from keepstone.ledger.record import Caller, ExchangeRecord, Latency, ReasonNote, Sizes, Tokens, encode
from keepstone.ledger.writer import Ledger

QUESTIONS = (
    "SELECT principal, sum(input_tokens + output_tokens) FROM records GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    "SELECT date_trunc('day', time), reason, count(*) FROM records WHERE outcome = 'refuse' GROUP BY ALL",
    "SELECT model, quantile_cont(latency_us, [0.5, 0.99]) FROM records GROUP BY 1",
    "SELECT * FROM records WHERE id = 'id-4711'",
)
MONTHS = timedelta(days=90)


def make(folder: Path, count: int) -> None:
    """Write `count` records, in batches that the queue holds."""
    start, step = datetime(2026, 8, 1, tzinfo=UTC), MONTHS / count
    ledger = Ledger.open(folder, LedgerKey.create(), notify=lambda _waiters, _error: None)
    for first in range(0, count, 4096):
        numbers = range(first, min(first + 4096, count))
        ledger.submit([(encode(_record(number, start + step * number)), None) for number in numbers])
        ledger.append(encode(ExchangeRecord(kind="event", id="", time=start.isoformat(), event="mark")))
    ledger.close()


def _record(number: int, when: datetime) -> ExchangeRecord:
    refused = number % 50 == 0
    return ExchangeRecord(
        kind="exchange",
        id=f"id-{number}",
        time=when.isoformat(timespec="microseconds"),
        principal=Caller(f"application-{number % 40}", "api-key", ("application",), f"k{number % 40}"),
        operation="Converse",
        model=f"model-{number % 7}",
        data_class="Internal",
        policy="sha256:" + "0" * 64,
        outcome="refuse" if refused else "allow",
        reasons=(ReasonNote("request_limit_spent" if refused else "allowed", "why"),),
        tokens=Tokens(900 + number % 200, 300),
        status=429 if refused else 200,
        latency_us=Latency(900_000 + number % 100_000, 899_000, 60),
        bytes=Sizes(4100, 1300),
    )


def main() -> None:
    """Make a ledger, ask it twice, print the times."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make(folder / "ledger", count)
        source = Source(folder / "ledger")
        started = time.perf_counter()
        refresh(source, folder / "query")
        print(f"{count} records: files written once in {time.perf_counter() - started:.1f} s")
        size = sum(path.stat().st_size for path in (folder / "query").rglob("*.parquet")) >> 20
        print(f"they take {size} MB")
        for sql in QUESTIONS:
            started = time.perf_counter()
            found = ask(source, folder / "query", sql)
            print(f"{time.perf_counter() - started:6.2f} s  {len(found.rows):4} rows  {sql}")


if __name__ == "__main__":
    main()
