"""Records as columns: one flat row for each, the same in Parquet files and in queries. Needs pyarrow."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from keepstone.core.errors import LedgerError
from keepstone.ledger.export.source import Entry

if TYPE_CHECKING:
    import pyarrow as pa

INSTALL = "pip install 'keepstone[query]'"


def schema() -> "pa.Schema":
    """Return the columns and their types; times are in UTC, durations in microseconds, sizes in bytes."""
    pa = pyarrow()
    text, word, number = pa.string(), pa.dictionary(pa.int32(), pa.string()), pa.int64()
    reason = pa.struct([("code", text), ("message", text), ("path", text)])
    finding = pa.struct(
        [("where", text), ("type", text), ("action", text), ("count", number), ("detector", text)]
    )
    return pa.schema(
        [
            ("log", word),
            ("index", number),
            ("time", pa.timestamp("us", tz="UTC")),
            ("kind", word),
            ("id", text),
            ("principal", word),
            ("principal_kind", word),
            ("roles", pa.list_(text)),
            ("key_id", word),
            ("operation", word),
            ("model", word),
            ("data_class", word),
            ("class_from", word),
            ("purpose", word),
            ("protocol", word),
            ("client_address", word),
            ("client_agent", word),
            ("policy", word),
            ("outcome", word),
            ("stage", word),
            ("reason", word),
            ("reasons", pa.list_(reason)),
            ("findings", pa.list_(finding)),
            ("input_tokens", number),
            ("output_tokens", number),
            ("cache_read_tokens", number),
            ("cache_write_tokens", number),
            ("cost_billionths", number),
            ("currency", word),
            ("status", pa.int32()),
            ("latency_us", number),
            ("upstream_us", number),
            ("inspect_us", number),
            ("upstream", word),
            ("upstream_model", word),
            ("attempts", pa.int32()),
            ("request_bytes", number),
            ("response_bytes", number),
            ("event", word),
            ("detail", text),
        ]
    )


def pyarrow() -> Any:
    """Return the pyarrow module; raise `LedgerError` with what to install where it is missing."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise LedgerError("Parquet and queries need pyarrow and DuckDB", hint=INSTALL) from error
    return pa


def tables(entries: Iterable[Entry], rows: int) -> "Iterator[pa.Table]":
    """Yield tables of at most `rows` rows."""
    pa, names = pyarrow(), schema().names
    source = iter(entries)
    while batch := [_row(entry) for entry in islice(source, rows)]:
        columns = {name: list(values) for name, values in zip(names, zip(*batch, strict=True), strict=True)}
        yield pa.table(columns, schema=schema())


def _row(entry: Entry) -> tuple[Any, ...]:
    record = entry.record
    caller, tokens, latency, upstream = record.principal, record.tokens, record.latency_us, record.upstream
    return (
        entry.log,
        entry.index,
        entry.when,
        record.kind,
        record.id,
        caller.id,
        caller.kind,
        caller.roles,
        caller.key_id,
        record.operation,
        record.model,
        record.data_class,
        record.class_from,
        record.purpose,
        record.protocol,
        record.client.address,
        record.client.agent,
        record.policy,
        record.outcome,
        record.stage,
        record.reasons[0].code if record.reasons else "",
        [(each.code, each.message, each.path) for each in record.reasons],
        [(each.where, each.type, each.action, each.count, each.detector) for each in record.findings],
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
        record.cost.billionths,
        record.cost.currency,
        record.status,
        latency.total,
        latency.upstream,
        latency.inspect,
        upstream.name,
        upstream.model,
        upstream.attempts,
        record.bytes.request,
        record.bytes.response,
        record.event,
        msgspec.json.encode(record.detail).decode() if record.detail else "",
    )
