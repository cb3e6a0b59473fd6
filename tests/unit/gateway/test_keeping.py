"""Whose content is, what the keeper does with it, and what happens when it cannot be kept."""

import asyncio
import threading
from dataclasses import replace

import msgspec
import pytest

from keepstone.core.decision import ReasonCode
from keepstone.core.errors import LedgerError
from keepstone.core.exchange import Operation
from keepstone.core.principal import Principal
from keepstone.gateway.keeping import Keeper, own_subject, subject_of
from keepstone.gateway.kept import Kept
from keepstone.gateway.metrics import Metrics
from keepstone.ledger.record import NOTHING_SEALED, Sealed
from keepstone.policy.compile import ContentRule
from tests.unit.gateway.calls import active, admitted

# --- whose the content is ---------------------------------------------------------------------------------


def in_force_keeping(**subject):
    """Return a policy that keeps content of such subjects."""
    rule = ContentRule(
        **{"header": b"", "metadata": "", "tenant": False, "or_principal": False, "may_fail": False} | subject
    )
    found = active()
    return replace(found, policy=replace(found.policy, content=rule))


@pytest.mark.parametrize(
    ("rule", "header", "metadata", "tenant", "expected"),
    [
        ({"or_principal": True}, b"", None, "", "key:k1"),
        ({"header": b"x-subject"}, b" ann ", None, "", "ann"),
        ({"header": b"x-subject"}, b"", None, "", None),
        ({"header": b"x-subject", "or_principal": True}, b"", None, "", "key:k1"),
        ({"header": b"x-subject"}, b"principal:root", None, "", None),
        ({"header": b"x-subject"}, b"tenant:acme", None, "", None),
        ({"header": b"x-subject"}, b"key:k1", None, "", None),
        ({"header": b"x-subject"}, b"a" * 1025, None, "", None),
        ({"metadata": "customer"}, b"ann", {"customer": "bea"}, "", "bea"),
        ({"metadata": "customer"}, b"ann", {"other": "bea"}, "", None),
        ({"metadata": "customer"}, b"", {"customer": 7}, "", None),
        ({"metadata": "customer"}, b"", "customer", "", None),
        ({"tenant": True}, b"ann", {"customer": "bea"}, "acme", "tenant:acme"),
        ({"tenant": True}, b"", None, "", None),
    ],
)
def test_whose_the_content_is(rule, header, metadata, tenant, expected):
    call = admitted(Operation.CONVERSE, "a-model", in_force_keeping(**rule))
    call.headers = {b"x-subject": header} if header else {}
    call.document = {"messages": []} | ({} if metadata is None else {"requestMetadata": metadata})
    call.principal = msgspec.structs.replace(call.principal, tenant=tenant)
    refusal = subject_of(call)
    assert (call.kept.subject if call.kept else None) == expected
    assert (refusal is None) == (expected is not None)
    if refusal is not None:
        assert refusal.reason.code == ReasonCode.SUBJECT_MISSING


def test_no_two_callers_share_a_subject():
    callers = [
        Principal("bot", "api-key", (), key_id="k1"),
        Principal("bot", "api-key", (), key_id="k2"),
        Principal("bot", "mtls", ()),
        Principal("bot", "oidc", ()),
        Principal("bot", "oidc", (), tenant="a"),
        Principal("b:bot", "oidc", (), tenant="a"),
        Principal("bot", "oidc", (), tenant="a:b"),
        Principal("bot", "oidc", (), tenant="a%3Ab"),
        Principal("a:bot", "oidc", ()),
        Principal("k1", "key", ()),
    ]
    assert len({own_subject(each) for each in callers}) == len(callers)
    assert own_subject(callers[4]) == "principal:oidc:a:bot"


def test_nothing_is_kept_without_a_rule_and_of_what_goes_to_no_model():
    assert subject_of(admitted(Operation.CONVERSE, "a-model")) is None
    call = admitted(Operation.APPLY_GUARDRAIL, "a-model", in_force_keeping())
    assert subject_of(call) is None
    assert call.kept is None


# --- the keeper -------------------------------------------------------------------------------------------


class Store:
    """Notes batches of pieces; waits or fails where told."""

    def __init__(self):
        self.batches, self.error, self.closed = [], None, False
        self.free = threading.Event()
        self.free.set()

    def keep(self, pieces, now_ns):
        assert self.free.wait(5)
        if self.error is not None:
            raise self.error
        self.batches.append([each.id for each in pieces])
        return [Sealed(each.subject, "a-segment", each.request.decode()) for each in pieces]

    def forget_destroyed(self):
        self.batches.append("forgotten")

    def close(self):
        self.closed = True


def calling(number, **rule):
    call = admitted(Operation.CONVERSE, "a-model", in_force_keeping(**rule))
    call.id = f"r-{number}"
    call.kept = Kept("ann", b"asked %d" % number, b"said")
    return call


def keeping(use):
    """Run `use(keeper, store, metrics)`."""

    async def run():
        store, metrics = Store(), Metrics()
        keeper = Keeper(lambda: store, metrics, lambda name: f"hash of {name}")
        try:
            return await use(keeper, store, metrics)
        finally:
            await keeper.close()

    return asyncio.run(run())


def test_what_comes_while_a_batch_is_written_goes_together():
    async def use(keeper, store, _metrics):
        store.free.clear()
        calls = [calling(number) for number in range(5)]
        waiting = [asyncio.ensure_future(keeper.keep(each, request=True, response=True)) for each in calls]
        await asyncio.sleep(0.01)
        store.free.set()
        assert await asyncio.gather(*waiting) == [None] * 5
        assert store.batches == [["r-0"], ["r-1", "r-2", "r-3", "r-4"]]
        assert [each.sealed.request for each in calls] == [f"asked {number}" for number in range(5)]
        assert calls[0].sealed.subject == "hash of ann"
        return store

    assert keeping(use).closed


@pytest.mark.parametrize("error", [LedgerError("the disk", code="ledger.full"), ValueError("a fault")])
@pytest.mark.parametrize("may_fail", [False, True])
def test_content_that_cannot_be_kept_refuses_the_call_or_stands_in_its_record(error, may_fail):
    async def use(keeper, store, metrics):
        store.error = error
        call = calling(1, may_fail=may_fail)
        refusal = await keeper.keep(call, request=True, response=True)
        code = "ledger.full" if isinstance(error, LedgerError) else "content.fault"
        if may_fail:
            assert refusal is None
            assert call.sealed == Sealed("hash of ann", failure=code)
            assert b"keepstone_content_not_kept_total 1.0" in metrics.render()
        else:
            assert refusal.reason.code == ReasonCode.CONTENT_UNAVAILABLE
            assert call.sealed is NOTHING_SEALED
        store.error = None
        assert await keeper.keep(calling(2), request=True, response=True) is None

    keeping(use)


def test_a_call_of_which_nothing_was_sent_asks_for_no_key():
    async def use(keeper, store, _metrics):
        call = calling(1)
        call.kept = Kept("ann")
        assert await keeper.keep(call, request=True, response=True) is None
        await keeper.forget_destroyed()  # nothing is open yet
        assert store.batches == []

    keeping(use)


def test_a_streamed_answer_is_its_texts_by_channel():
    kept = Kept("ann")
    assert kept.response() == b""
    for channel, text in (("0:text", "it "), ("1:tool", "{}"), ("0:text", "says"), ("0:text", "")):
        kept.stream(channel, text)
    assert msgspec.json.decode(kept.response()) == {"0:text": "it says", "1:tool": "{}"}
