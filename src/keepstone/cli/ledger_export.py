"""`keepstone ledger export | serve-trail | query`: the record in other people's formats, and SQL over it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.output import emit, format_option, safe, talk
from keepstone.core.errors import UsageError
from keepstone.core.settings import from_environment

if TYPE_CHECKING:
    from keepstone.ledger.export.digest import Trail
    from keepstone.ledger.export.sink import Sink
    from keepstone.ledger.export.source import Source

_ledger_option = click.option(
    "--ledger",
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=lambda: from_environment().ledger,
    show_default="`ledger` in KEEPSTONE_HOME, .keepstone",
    help="Folder of the ledger.",
)
_keys_option = click.option(
    "--keys",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the signing keys.  [default: `keys` beside the ledger]",
)


@click.command(
    epilog="""\b
Examples:
  keepstone ledger export --format jsonl --since 2026-11-01 > november.jsonl
  keepstone ledger export --format parquet --to november/
  keepstone ledger export --format cloudtrail --to s3://audit-trail --account 123456789012 \\
      --region eu-central-1 --lock-days 400

\b
A trail in CloudTrail's format is checked with the AWS CLI: see `keepstone ledger serve-trail --help`."""
)
@click.option(
    "--format", "form", type=click.Choice(["cloudtrail", "ocsf", "jsonl", "parquet"]), required=True
)
@click.option(
    "--to",
    "target",
    metavar="PLACE",
    help="cloudtrail: a folder or s3://BUCKET/PREFIX; parquet: a folder; jsonl, ocsf: a file, else stdout.",
)
@_ledger_option
@_keys_option
@click.option("--since", default="", help="Only records from this time on, RFC 3339 or a date, UTC.")
@click.option("--until", default="", help="Only records before this time.  [default: now]")
@click.option("--account", default="000000000000", show_default=True, help="AWS account id (cloudtrail).")
@click.option("--region", default="us-east-1", show_default=True, help="AWS region (cloudtrail).")
@click.option(
    "--trail", "name", default="keepstone", show_default=True, help="Name of the trail (cloudtrail)."
)
@click.option(
    "--lock-days", type=click.IntRange(0, 36_500), default=0, help="S3 Object Lock, COMPLIANCE mode."
)
@click.option("--endpoint-url", default="", help="Another endpoint of S3, such as a VPC endpoint.")
def export(
    form: str,
    target: str | None,
    directory: Path,
    keys: Path | None,
    since: str,
    until: str,
    account: str,
    region: str,
    name: str,
    lock_days: int,
    endpoint_url: str,
) -> int:
    """Write the record as CloudTrail log files, OCSF events, JSON lines or Parquet.

    A CloudTrail export goes on where the last one into the same place stopped, and signs a digest for every
    hour; the other formats write what lies between `--since` and `--until`.
    """
    from keepstone.ledger.export.digest import Trail
    from keepstone.ledger.export.source import Source

    source = Source(directory)
    if form == "cloudtrail":
        if target is None or since:
            raise UsageError("a trail needs `--to`, and begins where the last export stopped")
        sink, prefix = _sink(target, region=region, lock_days=lock_days, endpoint=endpoint_url)
        trail = Trail(name, account, region, prefix)
        emit(_trail(source, sink, keys or directory.parent / "keys", trail, _time(until)))
    elif form == "parquet":
        if target is None or target.startswith("s3://"):
            raise UsageError(
                "Parquet is written into a folder", hint="`--to FOLDER`; copy it to S3 from there"
            )
        emit(_parquet(source, Path(target), _bound(since), _bound(until)))
    else:
        _lines(source, form, target, (_bound(since), _bound(until)))
    if source.foreign:
        talk(f"note: {source.foreign} entries are no records of this version and were left out")
    return 0


def _trail(source: "Source", sink: "Sink", keys: Path, whose: "Trail", until: datetime) -> dict[str, Any]:
    from keepstone.ledger.export.digest import SigningKey
    from keepstone.ledger.export.trail import TrailExport

    run = TrailExport(source, sink, whose, SigningKey.load_or_create(keys))

    def told(end: datetime, records: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{end:%Y-%m-%d %H:%M}, {records} records", nl=False, err=True)

    written = run.run(until, told)
    if sys.stderr.isatty():
        click.echo(err=True)
    end = f"{written.end:%Y-%m-%dT%H:%M:%SZ}" if written.end else "nothing to write"
    return {
        "trail": whose.arn,
        "digests": written.digests,
        "log_files": written.logs,
        "records": written.records,
        "up_to": end,
    }


def _parquet(source: "Source", folder: Path, since: str, until: str) -> dict[str, Any]:
    from keepstone.ledger.export.columns import pyarrow, tables

    pa = pyarrow()
    rows = files = 0
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for table in tables(source.between(since, until), 250_000):
            pa.parquet.write_table(table, folder / f"records-{files:05d}.parquet", compression="zstd")
            rows, files = rows + len(table), files + 1
    return {"files": files, "records": rows}


def _lines(source: "Source", form: str, target: str | None, span: tuple[str, str]) -> None:
    if target is not None and target.startswith("s3://"):
        raise UsageError(f"{form} is written to a file or stdout", hint="pipe it into `aws s3 cp - s3://...`")
    lines = _encoded(source, form, span)
    if target is None:
        for line in lines:
            click.echo(line)
        return
    with _writing(Path(target)), Path(target).open("w", encoding="utf-8") as file:
        count = sum(1 for line in lines if file.write(line + "\n"))
    talk(f"{count} records written to {target}")


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Say it plainly when a place cannot be written."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        hint = "`--to` names another place; the folder above has to exist"
        raise UsageError(f"`{target}` cannot be written: {reason}", hint=hint) from error


def _encoded(source: "Source", form: str, span: tuple[str, str]) -> Iterator[str]:
    import msgspec

    from keepstone.ledger.export import ocsf

    for entry in source.between(*span):
        if form == "ocsf":
            row = ocsf.event_of(entry)
        else:
            row = {"log": entry.log, "index": entry.index, **msgspec.to_builtins(entry.record)}
        yield msgspec.json.encode(row).decode()


@click.command(
    "serve-trail",
    epilog="""\b
Example, in two terminals:
  keepstone ledger serve-trail trail/ --bucket trail --port 8079
  AWS_ENDPOINT_URL=http://127.0.0.1:8079 AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none \\
      aws cloudtrail validate-logs --region us-east-1 --s3-bucket trail \\
      --trail-arn arn:aws:cloudtrail:us-east-1:000000000000:trail/keepstone --start-time 2026-11-01

\b
The CLI wants a region and credentials, at which nobody looks here. For a trail in a bucket only the key has
to be served: set AWS_ENDPOINT_URL_CLOUDTRAIL instead, your own credentials, and the prefix, if there is one,
by `--s3-prefix`.""",
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--bucket", help="Name of the bucket.  [default: the folder's name]")
@_ledger_option
@_keys_option
@click.option("--port", type=click.IntRange(0, 65535), default=8079, show_default=True)
def serve_trail(folder: Path, bucket: str | None, directory: Path, keys: Path | None, port: int) -> int:
    """Serve an exported trail, and the key that signed it, to the unmodified AWS CLI, on loopback."""
    from keepstone.ledger.export.digest import SigningKey
    from keepstone.ledger.export.serve import TrailServer

    key = SigningKey.load(keys or directory.parent / "keys")
    name = bucket or folder.resolve().name
    try:
        server = TrailServer(("127.0.0.1", port), folder, name, key)
    except OSError as error:
        raise UsageError(f"cannot listen on port `{port}`: {error.strerror}", hint="`--port 0`") from error
    click.echo(f"export AWS_ENDPOINT_URL=http://127.0.0.1:{server.server_address[1]}")
    talk(f"bucket `{name}`, key {key.fingerprint}; stop with Ctrl-C")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


@click.command(
    epilog="""\b
Examples:
  keepstone ledger query "SELECT reason, count(*) FROM records WHERE outcome = 'refuse' GROUP BY 1"
  keepstone ledger query "SELECT principal, sum(input_tokens + output_tokens) AS tokens FROM records
      WHERE time >= '2026-11-01' GROUP BY 1 ORDER BY 2 DESC" --format json
  keepstone ledger query "DESCRIBE records\""""
)
@click.argument("sql")
@_ledger_option
@click.option("--most", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Rows.")
@format_option
def query(sql: str, directory: Path, most: int, output_format: str) -> int:
    """Ask the record in SQL (DuckDB); the table is `records`, one row for each.

    The first query over a long ledger writes Parquet files into `query` beside it, later ones read them.
    They are a copy for speed: what must be certain is proven by `verify` and `prove`.
    """
    from keepstone.ledger.export.source import Source
    from keepstone.ledger.query import ask, refresh

    def told(done: int, total: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\rpreparing {done} of {total} files", nl=done == total, err=True)

    source, folder = Source(directory), directory.parent / "query"
    refresh(source, folder, told)
    answer = ask(source, folder, sql, most=most)
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    if output_format == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False, default=str))
    else:
        emit([{safe(name): value for name, value in row.items()} for row in rows], columns=answer.columns)
    if answer.more:
        talk(f"only the first {most} rows are shown; `--most` shows more")
    return 0


def _sink(target: str, *, region: str, lock_days: int, endpoint: str) -> "tuple[Sink, str]":
    """Return where a trail goes, and what its keys begin with: digests state whole keys."""
    if not target.startswith("s3://"):
        if lock_days:
            raise UsageError("`--lock-days` is for buckets", hint="a folder cannot be locked")
        from keepstone.ledger.export.sink import FolderSink

        return FolderSink(Path(target)), ""
    from keepstone.aws.s3 import S3Sink

    bucket, _, prefix = target.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    if not bucket:
        raise UsageError(f"expected `s3://BUCKET/PREFIX`, got `{target}`")
    sink = S3Sink(bucket, region=region, endpoint=endpoint, lock_days=lock_days)
    return sink, f"{prefix}/" if prefix else ""


def _time(text: str) -> datetime:
    if not text:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"`{text}` is no time", hint="such as 2026-11-01 or 2026-11-01T12:00:00Z") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _bound(text: str) -> str:
    return _time(text).isoformat() if text else ""
