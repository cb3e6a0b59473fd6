"""What limits had spent is found again in the ledger: each record that took from them, and nothing else."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from keepstone.core.principal import Principal
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.rates.lines import Reservation
from keepstone.gateway.refill import Refill, refill
from keepstone.ledger.record import (
    Caller,
    Cost,
    ExchangeRecord,
    ReasonNote,
    Sizes,
    Tokens,
    UpstreamNote,
    encode,
)
from keepstone.policy.compile import compile_policy
from keepstone.policy.limits import Unit
from tests.unit.ledger.support import KEY, opened
from tests.unit.policy.documents import MINIMAL, loaded

SECOND = 1_000_000_000
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WALL_NS = int(NOW.timestamp()) * SECOND
MONOTONIC_NS = 5 * SECOND
ANN = Caller("ann", "api-key", ("application",), "k1")
POLICY = """
limits:
  - {name: hour, window: 1h, requests: 100, tokens: 1000}
  - {name: purse, scope: organisation, cost: 1, per: day}
"""


def compiled(more):
    return compile_policy(loaded(f"{MINIMAL}{more}\n"))


def record(**more):
    fields = {
        "kind": "exchange",
        "id": "1",
        "time": NOW.isoformat(),
        "principal": ANN,
        "operation": "Converse",
        "model": "keepstone.echo",
        "outcome": "allow",
        "stage": "inspect",
        "tokens": Tokens(30, 12),
        "cost": Cost(7, "USD"),
        "upstream": UpstreamNote("dev", "keepstone.echo", 1),
        "bytes": Sizes(400, 300),
    } | more
    return encode(ExchangeRecord(**fields))


def ago(**how_long):
    return (NOW - timedelta(**how_long)).isoformat()


def found(*newest_first, policy=POLICY, caller=ANN):
    """Requests, tokens and billionths that are spent."""
    compiled_policy = compiled(policy)
    budget = Budget(WALL_NS - MONOTONIC_NS)
    work = Refill(compiled_policy, budget, MONOTONIC_NS)
    work.feed(newest_first)
    work.pour()
    sums = {}
    for line, fields in budget.contents(MONOTONIC_NS):
        sums[line.unit] = sums.get(line.unit, 0) + sum(amount for _, amount in fields)
    return tuple(sums.get(unit, 0) for unit in (Unit.REQUESTS, Unit.TOKENS, Unit.COST))


def because(code):
    return (ReasonNote(code),)


@pytest.mark.parametrize(
    ("records", "spent"),
    [
        ([record()], (1, 42, 7)),
        ([record(), record(time=ago(minutes=50))], (2, 84, 14)),
        ([record(time=ago(hours=2))], (0, 0, 7)),
        ([record(time=ago(hours=13))], (0, 0, 0)),
        ([record(time=ago(hours=-3))], (1, 42, 7)),
        ([record(outcome="refuse", stage="budget", tokens=Tokens(), cost=Cost())], (0, 0, 0)),
        ([record(outcome="refuse", stage="identify", principal=Caller())], (0, 0, 0)),
        ([record(outcome="refuse", stage="inspect", tokens=Tokens(), cost=Cost())], (1, 0, 0)),
        ([record(kind="closed"), record(kind="opened", tokens=Tokens(), cost=Cost())], (1, 42, 7)),
        ([record(kind="opened", tokens=Tokens(), cost=Cost())], (1, 101, 0)),
        (
            [
                record(
                    outcome="refuse",
                    stage="forward",
                    reasons=because("upstream_timed_out"),
                    tokens=Tokens(),
                    cost=Cost(),
                )
            ],
            (1, 101, 0),
        ),
        (
            [
                record(
                    outcome="refuse",
                    stage="forward",
                    reasons=because("upstream_unavailable"),
                    tokens=Tokens(),
                    cost=Cost(),
                )
            ],
            (1, 0, 0),
        ),
        ([record(cost=Cost(7, "EUR"))], (1, 42, 0)),
        ([record(upstream=UpstreamNote("dev", "m", 1, hedged_tokens=8))], (1, 50, 7)),
        ([encode(ExchangeRecord(kind="event", id="", time=NOW.isoformat(), event="x"))], (0, 0, 0)),
        ([b"no record", record()], (1, 42, 7)),
    ],
)
def test_what_a_record_tells(records, spent):
    assert found(*records) == spent


def test_callers_count_apart_by_key_and_by_tenant():
    other = msgspec.structs.replace(ANN, id="ben", key_id="k2")
    mine = [record(), record(principal=other), record(principal=other)]
    policy = compiled("limits: [{name: each, requests: 2, window: 1h}]")
    budget = Budget(WALL_NS - MONOTONIC_NS)
    work = Refill(policy, budget, MONOTONIC_NS)
    work.feed(mine)
    work.pour()
    one = (1, 0, 0, 0, 0, 0, 1)
    for key, fits in (("k1", True), ("k2", False)):
        who = Principal("x", "api-key", ("application",), key_id=key)
        taken = budget.take(policy.limits, who, "keepstone.echo", one, MONOTONIC_NS)
        assert isinstance(taken, Reservation) is fits


def test_a_window_ends_when_it_would_have_ended():
    policy = compiled("limits: [{name: each, requests: 1, window: 1h}]")
    budget = Budget(WALL_NS - MONOTONIC_NS)
    work = Refill(policy, budget, MONOTONIC_NS)
    work.feed([record(time=ago(minutes=30))])
    work.pour()
    who = Principal("ann", "api-key", ("application",), key_id="k1")
    one = (1, 0, 0, 0, 0, 0, 1)
    for minutes, fits in ((29, False), (34, True)):
        taken = budget.take(policy.limits, who, "m", one, MONOTONIC_NS + minutes * 60 * SECOND)
        assert isinstance(taken, Reservation) is fits


def test_the_bound_is_told_and_zero_reads_nothing(tmp_path):
    with opened(tmp_path / "ledger", KEY) as ledger:
        for number in range(10):
            ledger.append(record(id=str(number)))
    now = MONOTONIC_NS
    for bound, counted, why in ((4, 4, "more than `rates.refill_at_most` (4)"), (10, 10, ""), (0, 0, "")):
        policy = compiled(f"{POLICY}\nrates: {{refill_at_most: {bound}}}")
        done = refill(tmp_path / "ledger", policy, Budget(WALL_NS - now), now)
        assert (done.counted, done.why.startswith(why), bool(done.why)) == (counted, True, bool(why))


def test_a_log_that_cannot_be_read_is_told(tmp_path):
    with opened(tmp_path / "ledger", KEY) as ledger:
        ledger.append(record())
    (tmp_path / "ledger/checkpoint").write_text("nonsense")
    done = refill(tmp_path / "ledger", compiled(POLICY), Budget(WALL_NS - MONOTONIC_NS), MONOTONIC_NS)
    assert done.why.startswith("log `main` cannot be read")
