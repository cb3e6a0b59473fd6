"""Parts that keep: the ledger, and content that is sealed."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench import payload
from bench.parts.subject import Operation, compiled_policy


@contextmanager
def ledger_append() -> Iterator[Operation]:
    """One record, waited for until it is on disk; CPU of the writer's thread included."""
    with _ledger(lambda *_: None) as (ledger, record):
        yield lambda: ledger.append(record)


@contextmanager
def ledger_append_64() -> Iterator[Operation]:
    """64 records in flight at once, waited for together; the figure is for one record of them."""
    told: list[int] = []
    with _ledger(lambda waiters, _: told.append(len(waiters))) as (ledger, record):

        def batch() -> object:
            told.clear()
            for number in range(64):
                ledger.submit([(record, number)])
            while sum(told) < 64:
                time.sleep(0.0001)
            return told

        yield batch


@contextmanager
def content_off() -> Iterator[Operation]:
    """What a call pays where no content is kept: one stage and four looks at `call.kept`."""
    keep, policy = import_module("keepstone.gateway.stages").keep, compiled_policy()
    call = SimpleNamespace(active=SimpleNamespace(policy=policy), kept=None)

    def look() -> object:
        refusal = keep(call, None)
        return (refusal, call.kept is None, call.kept is None, call.kept is None, call.kept is None)

    yield look


@contextmanager
def content_seal() -> Iterator[Operation]:
    """4 kB under AES-256-GCM with its label and the hash for the record; no disk."""
    sealing = import_module("keepstone.ledger.sealing")
    label = sealing.Label("bench", "00000000-0000-4000-8000-000000000000", "request", "a" * 64, "b" * 16)
    key = bytes(32)
    yield lambda: sealing.digest(sealing.seal(key, label, payload.CONVERSE_REQUEST))


@contextmanager
def content_keep_64() -> Iterator[Operation]:
    """64 calls of one subject, 4 kB asked and answered, made durable by one sync; the figure is for one."""
    vaults, keys = import_module("keepstone.ledger.vault"), import_module("keepstone.ledger.subject_keys")
    body = payload.CONVERSE_REQUEST
    pieces = [vaults.Piece(f"call-{number}", "a" * 64, body, body) for number in range(64)]
    work = Path(__file__).parents[1] / ".work"
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        subjects = keys.SubjectKeys(Path(folder) / "content-keys", keys.EnvelopeKeyFile(Path(folder)))
        vault = vaults.Vault(Path(folder), "bench", subjects)
        try:
            yield lambda: vault.keep(pieces, time.time_ns())
        finally:
            vault.close()


@contextmanager
def _ledger(notify: Callable[..., None]) -> Iterator[tuple[Any, bytes]]:
    writer, key = import_module("keepstone.ledger.writer"), import_module("keepstone.ledger.key")
    records = import_module("keepstone.ledger.record")
    record = records.encode(
        records.ExchangeRecord(
            kind="exchange",
            id="00000000-0000-4000-8000-000000000000",
            time="2026-01-01T00:00:00.000000Z",
            operation="Converse",
            model=payload.MODEL,
            data_class="Internal",
            policy="sha256:" + "0" * 64,
            outcome="allow",
            status=200,
            tokens=records.Tokens(),
        )
    )
    # Not in /tmp, which is often memory: the price of a sync is what this is about.
    work = Path(__file__).parents[1] / ".work"
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        ledger = writer.Ledger.open(Path(folder), key.LedgerKey.create(), notify=notify)
        try:
            yield ledger, record
        finally:
            ledger.close()
