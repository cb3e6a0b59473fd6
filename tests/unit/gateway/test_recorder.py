import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.decision import Decision, Reason, ReasonCode
from keepstone.core.errors import LedgerError, LedgerFull
from keepstone.core.exchange import DataClass, Operation, TokenUsage
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.recorder import Recorder, _rfc3339
from keepstone.ledger.record import FindingNote, decode
from tests.unit.gateway.calls import admitted


class Log:
    """A ledger that keeps what it is given and settles it when it is told to."""

    def __init__(self, error=None):
        self.records, self.waiters, self._error = [], [], error

    def submit(self, entries):
        if self._error is not None:
            raise self._error
        self.records += [record for record, _ in entries]
        self.waiters += [waiter for _, waiter in entries]


def recording(use, log=None):
    """Run `use(recorder, log)` with a recorder whose commitments are lengths."""

    async def run():
        recorder = Recorder(lambda data: f"hash-{len(data)}", Metrics())
        if log is not None:
            recorder.attach(log)
        return await use(recorder, log)

    return asyncio.run(run())


def test_a_batch_wakes_all_its_waiters_and_only_those():
    async def use(recorder, log):
        recorder.load = 8  # so that four gather
        calls = [asyncio.create_task(recorder.append(b"%d" % number)) for number in range(4)]
        await asyncio.sleep(0)
        assert log.records == [b"0", b"1", b"2", b"3"]
        calls[1].cancel()
        await asyncio.sleep(0)
        await asyncio.to_thread(recorder.notify, log.waiters[:3], None)
        await asyncio.gather(calls[0], calls[2])
        assert not calls[3].done()
        recorder.notify(log.waiters[3:], LedgerFull("the disk is full"))
        with pytest.raises(LedgerFull, match="full"):
            await calls[3]
        return recorder._metrics.registry.get_sample_value("keepstone_ledger_failures_total")

    assert recording(use, Log()) == 1


def test_what_comes_while_a_batch_is_under_way_follows_as_the_next_one():
    async def use(recorder, log):
        calls = [asyncio.create_task(recorder.append(b"%d" % number)) for number in range(3)]
        await asyncio.sleep(0.01)
        assert log.records == [b"0"]
        recorder.notify(log.waiters, None)
        await calls[0]
        await asyncio.sleep(0.01)
        assert log.records == [b"0", b"1", b"2"]
        recorder.notify(log.waiters[1:], LedgerFull("the disk is full"))
        with pytest.raises(LedgerFull):
            await calls[1]
        late = asyncio.create_task(recorder.append(b"3"))
        await asyncio.sleep(0)
        recorder.notify(log.waiters[3:], None)
        await late
        with pytest.raises(LedgerFull):
            await calls[2]

    recording(use, Log())


@pytest.mark.parametrize("log", [None, Log(LedgerError("the ledger is closed"))], ids=["not open", "closed"])
def test_a_record_that_is_not_taken_is_an_error(log):
    async def use(recorder, _):
        with pytest.raises(LedgerError, match="the ledger is"):
            await recorder.append(b"record")

    recording(use, log)


def written(call, kind="exchange"):
    async def use(recorder, log):
        task = asyncio.create_task(recorder.record(call, kind, call.started_ns + 2_500_000))
        await asyncio.sleep(0)
        recorder.notify(log.waiters, None)
        await task
        return decode(log.records[0])

    return recording(use, Log())


def test_a_record_says_what_happened_and_nothing_of_what_was_said():
    call = admitted(Operation.CONVERSE, "anthropic.claude-v2:1")
    call.body, call.answer, call.status = b"secret words", b"secret answer!", 200
    call.usage = TokenUsage(3, 4, 1, 2, estimated=True)
    call.data_class = DataClass.CONFIDENTIAL
    call.findings = [FindingNote("input", "EMAIL", "ANONYMIZED", 2, "email")]
    call.refuse(Decision.refuse(ReasonCode.OUTPUT_BLOCKED, "because", "guardrails.default"), "inspect")
    call.upstream, call.upstream_model, call.attempts = "a", "m", 2
    record = written(call)
    assert (record.kind, record.id, record.outcome, record.stage, record.status) == (
        "exchange",
        call.id,
        "refuse",
        "inspect",
        200,
    )
    assert [each.code for each in record.reasons] == ["output_blocked", "allowed"]
    assert (record.principal.id, record.principal.key_id, record.data_class) == (
        "alice",
        "k1",
        "Confidential",
    )
    assert (record.tokens.input, record.tokens.cache_write, record.tokens.estimated) == (3, 2, True)
    assert (record.content.request, record.content.response) == ("hash-12", "hash-14")
    assert (record.bytes.request, record.bytes.response) == (12, 14)
    assert record.findings == (FindingNote("input", "EMAIL", "ANONYMIZED", 2, "email"),)
    assert record.latency_us.total == 2500
    assert (record.upstream.name, record.upstream.model, record.upstream.attempts) == ("a", "m", 2)
    assert record.policy == call.active.policy.hash


def test_a_call_of_a_stranger_has_no_class_and_no_hashes():
    call = admitted(Operation.CONVERSE, "m")
    call.principal, call.route, call.decision = type(call.principal)("", "", ()), None, None
    call.notes = [Reason(ReasonCode.INTERNAL, "x")]
    record = written(call)
    assert (record.data_class, record.operation, record.model, record.outcome) == ("", "", "", "")
    assert (record.content.request, record.content.response) == ("", "")


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), st.integers(0, 999))  # noqa: DTZ001
def test_times_are_rfc_3339_with_microseconds(moment, nanoseconds):
    aware = moment.replace(tzinfo=UTC)
    wall_ns = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000 + nanoseconds
    text = _rfc3339(wall_ns)
    assert len(text) == 27
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == aware


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (b"Boto3/1.43 md/Botocore#1.43", "Boto3/1.43 md/Botocore#1.43"),
        (b'x\r\n\x1b[31m<b>\xff"', "x????31m?b???"),
        (b"ab " * 500, ("ab " * 60)[:160]),
        (b"a" * 500, "(hidden)"),
        (b"Mozilla/5.0 (X11) Chrome/120.0.6099.109", "Mozilla/5.0 (X11) Chrome/120.0.6099.109"),
        (b"tool/1 kari@example.org 4111-1111 1111 1111", "tool/1 (hidden) (hidden)"),
        (b"tool/1 sk-ant-api03-" + b"a1" * 20, "tool/1 (hidden)"),
    ],
    ids=[
        "a program",
        "what a terminal would obey",
        "without end",
        "one long word",
        "a browser",
        "a person",
        "a secret",
    ],
)
def test_where_a_call_came_from(agent, told):
    async def use(recorder, _log):
        call = admitted(Operation.CONVERSE, "any")
        call.scope = {"client": ("192.0.2.7", 4711)}
        call.headers[b"user-agent"] = agent
        return recorder._describe(call, "exchange", call.started_ns)

    client = recording(use).client
    assert (client.address, len(client.agent)) == ("192.0.2.7", len(told))
    assert client.agent == told


def test_a_stream_s_end_has_its_own_time():
    async def use(recorder, _log):
        call = admitted(Operation.CONVERSE_STREAM, "any")
        later = call.started_ns + 2_500_000_000
        return [recorder._describe(call, kind, later).time for kind in ("opened", "closed")]

    opened, closed = map(datetime.fromisoformat, recording(use))
    assert closed - opened == timedelta(seconds=2.5)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nobody.knows-v1:0", "nobody.knows-v1:0"),
        ("jane.doe@example.com 4111111111111111", "(not an identifier)"),
        ("078051120999", "(not an identifier)"),
    ],
)
def test_a_name_that_nobody_knows_is_kept_only_if_it_is_a_name(name, told):
    async def use(recorder, _log):
        call = admitted(Operation.CONVERSE, name)
        call.model = None
        call.decision = Decision.refuse(ReasonCode.MODEL_UNKNOWN, f"the policy has no model `{name}`")
        return recorder._describe(call, "exchange", call.started_ns)

    record = recording(use)
    assert record.model == told
    assert record.reasons[0].message == f"the policy has no model `{told}`"
