"""Parts that decide: admission, residency, budgets, the guardrail."""

import asyncio
import itertools
import random
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import payload
from bench.parts.subject import Operation, caller, compiled_policy

_RESIDENCY = """\
version: 1
organisation: {{name: Benchmark, jurisdictions: [EU]}}
identities: {{roles: {{developer: {{allow: [{{models: ["*"]}}]}}}}}}
purposes: {{support: {{description: answers to customers}}}}
upstreams:
  eu: {{kind: bedrock, region: eu-central-1}}
  us: {{kind: bedrock, region: us-east-1}}
models: [{{id: "*", upstreams: [eu, us]}}]
residency:
  consent: {{register: "{register}", needed_for: [support]}}
  transfers:
    - {{name: certified, kind: dpf, jurisdictions: [EU], upstreams: [us], countries: [US], since: 2024-01-01,
       until: 2099-01-01}}
"""


@contextmanager
def policy_admit() -> Iterator[Operation]:
    """Roles, models, operations and data classes against one call, remembered after the first time."""
    policy, exchange = compiled_policy(), import_module("keepstone.core.exchange")
    facts = import_module("keepstone.policy.admission").CallFacts
    call = facts(caller(), exchange.Operation.CONVERSE, payload.MODEL, exchange.DataClass.INTERNAL)
    yield lambda: policy.admit(call)


@contextmanager
def residency_route() -> Iterator[Operation]:
    """Which upstreams a call may use: two of them, an instrument, and a consent of the register."""
    rooms = ("policy.load", "policy.compile", "gateway.residency", "gateway.profiles", "gateway.consents")
    load, compiled, guards, profiles, consents = (import_module(f"keepstone.{room}") for room in rooms)
    with tempfile.TemporaryDirectory() as folder:
        register = Path(folder) / "consents.jsonl"
        given = '"event": "given", "time": "2026-01-01T00:00:00Z", "purposes": ["support"]'
        register.write_text(f'{{"receipt": "r-1", {given}}}\n')
        (Path(folder) / "keepstone.yaml").write_text(_RESIDENCY.format(register=register))
        policy = compiled.compile_policy(load.load(Path(folder) / "keepstone.yaml"))
        rules, model = policy.residency, policy.model(payload.MODEL)
        known = profiles.ProfileDestinations(
            Path(folder) / "none.json", lambda *_: (), {}, max_age_ns=rules.max_age_ns, shipped_table=False
        )
        guard = guards.ResidencyGuard(rules, known, consents.ConsentFile(register))
        headers = {b"x-keepstone-consent": b"r-1", b"content-type": b"application/json"}
        now = time.time_ns()

        def ask() -> object:
            roles, upstreams = ("developer",), model.upstreams
            question = guards.Question(roles, payload.MODEL, model, upstreams, "support", headers)
            return guard.route(question, now)

        yield ask


@contextmanager
def budget_take() -> Iterator[Operation]:
    """One call against the policy's two limits, and its settling."""
    policy, principal = compiled_policy(), caller()
    budget = import_module("keepstone.gateway.rates.budget").Budget()
    limits = policy.limits_of(principal, payload.MODEL)
    expected, used = (1, 1000, 900, 100, 0, 0, 1), (1, 900, 850, 50, 0, 0, 0)

    def spend() -> object:
        now = time.monotonic_ns()
        return budget.settle(budget.take(limits, principal, payload.MODEL, expected, now), used, now)

    yield spend


@contextmanager
def shared_take() -> Iterator[Operation]:
    """32 calls at once against the policy's two limits in a real Valkey, and their settling; for one of them.

    The CPU is the gateway's own; the server's share is in the wall time.
    """
    policy, principal = compiled_policy(), caller()
    server_of = import_module("tests.services.valkey").valkey
    shared, resp = (
        import_module("keepstone.gateway.rates.shared"),
        import_module("keepstone.gateway.rates.resp"),
    )
    metrics = import_module("keepstone.gateway.metrics").Metrics()
    lines = import_module("keepstone.gateway.rates.lines")
    clock = import_module("keepstone.core.clock").SystemClock()
    limits = policy.limits_of(principal, payload.MODEL)
    demand = lines.Demand(
        lines.LineBook().lines(limits, principal, payload.MODEL), (1, 1000, 900, 100, 0, 0, 1)
    )
    loop = import_module("uvloop").new_event_loop()

    async def opened(url: str) -> Any:
        store = shared.SharedBudget(resp.Address.parse(url), "bench", metrics, clock, grace_s=0.0)
        await store.start()
        return store

    with tempfile.TemporaryDirectory() as folder, server_of(Path(folder)) as server:
        store = loop.run_until_complete(opened(server.url))

        async def batch() -> None:
            calls = [store.take(demand, policy.rates) for _ in range(32)]
            for taken in await asyncio.gather(*calls):
                store.settle(taken, (1, 900, 850, 50, 0, 0, 0))

        try:
            yield lambda: loop.run_until_complete(batch())
        finally:
            loop.run_until_complete(store.close())
            loop.close()


@contextmanager
def guard_inspect() -> Iterator[Operation]:
    """4 kB of clean prose through the whole guardrail, as input."""
    compiled = import_module("keepstone.guard.compile")
    guardrail = import_module("keepstone.guard.guardrail")
    rules = compiled_policy().document.guardrails["default"]
    engine = compiled.compile_guardrail("default", rules)
    texts = [guardrail.Text(payload.CONVERSE_REQUEST.decode(), "user")]
    yield lambda: engine.inspect(texts, guardrail.Direction.INPUT)


@contextmanager
def guard_varied() -> Iterator[Operation]:
    """4 kB, each time of another text: prose and code of Python's own library, ever new to the scanner."""
    compiled = import_module("keepstone.guard.compile")
    guardrail = import_module("keepstone.guard.guardrail")
    engine = compiled.compile_guardrail("default", compiled_policy().document.guardrails["default"])
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    whole = "".join(path.read_text(errors="replace") for path in sources)
    pieces = [guardrail.Text(whole[at : at + 4096], "user") for at in range(0, len(whole), 4096)]
    random.Random(1).shuffle(pieces)
    texts = itertools.cycle(pieces)
    yield lambda: engine.inspect([next(texts)], guardrail.Direction.INPUT)
