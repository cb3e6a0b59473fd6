"""Times Keepstone's own parts one by one: `python -m bench.micro`.

Each part is measured alone, in CPU microseconds per operation; the best of five batches counts, since other
work on the machine can only add. A part that this version does not have is named and left out.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench import payload

Operation = Callable[[], object]
_POLICY = Path(__file__).parent / "policies" / "strict.yaml"
_BATCHES = 5
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


def _policy() -> Any:
    load = import_module("keepstone.policy.load").load
    return import_module("keepstone.policy.compile").compile_policy(load(_POLICY))


def _principal() -> Any:
    principal = import_module("keepstone.core.principal").Principal
    return principal("key:bench", "api-key", ("developer",))


@contextmanager
def policy_admit() -> Iterator[Operation]:
    """Roles, models, operations and data classes against one call, remembered after the first time."""
    policy, exchange = _policy(), import_module("keepstone.core.exchange")
    facts = import_module("keepstone.policy.admission").CallFacts
    call = facts(_principal(), exchange.Operation.CONVERSE, payload.MODEL, exchange.DataClass.INTERNAL)
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
    policy, principal = _policy(), _principal()
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
    policy, principal = _policy(), _principal()
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
    rules = _policy().document.guardrails["default"]
    engine = compiled.compile_guardrail("default", rules)
    texts = [guardrail.Text(payload.CONVERSE_REQUEST.decode(), "user")]
    yield lambda: engine.inspect(texts, guardrail.Direction.INPUT)


@contextmanager
def guard_varied() -> Iterator[Operation]:
    """4 kB, each time of another text: prose and code of Python's own library, ever new to the scanner."""
    compiled = import_module("keepstone.guard.compile")
    guardrail = import_module("keepstone.guard.guardrail")
    engine = compiled.compile_guardrail("default", _policy().document.guardrails["default"])
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    whole = "".join(path.read_text(errors="replace") for path in sources)
    pieces = [guardrail.Text(whole[at : at + 4096], "user") for at in range(0, len(whole), 4096)]
    random.Random(1).shuffle(pieces)
    texts = itertools.cycle(pieces)
    yield lambda: engine.inspect([next(texts)], guardrail.Direction.INPUT)


@contextmanager
def sigv4_sign() -> Iterator[Operation]:
    """The signature of a 4 kB request to Bedrock."""
    signing = import_module("keepstone.aws.signing")
    pair = signing.Credentials("AKIABENCHMARK0EXAMPLE", "benchmark/not/a/real/secret/EXAMPLE")
    signer, now = signing.Signer("us-east-1"), time.time()
    path = f"/model/{payload.MODEL.replace(':', '%3A')}/converse"
    host = "bedrock-runtime.us-east-1.amazonaws.com"
    yield lambda: signer.sign(pair, host, path, payload.CONVERSE_REQUEST, now)


@contextmanager
def forward_one() -> Iterator[Operation]:
    """One call to an upstream that answers at once: order, breakers, retry budget, deadline, leaving."""
    routing = import_module("keepstone.gateway.routing.deadline")
    patience = import_module("keepstone.gateway.patience")
    metrics, now = import_module("keepstone.gateway.metrics").Metrics(), time.perf_counter_ns
    ports = import_module("keepstone.gateway.ports")
    operation = import_module("keepstone.core.exchange").Operation.CONVERSE

    class Upstream:
        attempts = 2

        def __init__(self, name: str) -> None:
            self.name = name

        def supports(self, _: object) -> bool:
            return True

        async def send(self, _: object) -> object:
            return ports.UpstreamReply(200, body=b"{}")

    policy = _policy()
    upstreams = {name: Upstream(name) for name in policy.document.upstreams}
    active = import_module("keepstone.gateway.active").Active(policy, {}, upstreams, None)
    call = import_module("keepstone.gateway.call").new_call(active, {b"host": b"x"})
    call.model = policy.model(payload.MODEL)
    call.candidates = call.model.upstreams
    request = ports.UpstreamRequest(operation, payload.MODEL, b"{}", {})
    forwarder = import_module("keepstone.gateway.forward").Forwarder(metrics, now, lambda _: None)

    async def one(watch: Any, scope: dict[str, Any]) -> None:
        moment = now()
        left = routing.seconds_left(call.headers, 600.0, 1000, 0)
        waiting = patience.Patience(watch, scope, left, moment)
        waiting.start()
        try:
            await forwarder.forward(call, request, moment)
        finally:
            waiting.stop()

    async def batch() -> None:
        watch, scope = patience.Watch(now), {patience.CONNECTION: patience._Unknown()}  # noqa: SLF001
        for _ in range(1000):
            await one(watch, scope)

    with asyncio.Runner() as runner:
        yield lambda: runner.run(batch())


@contextmanager
def token_remembered() -> Iterator[Operation]:
    """A provider's token that was verified before: its issuer is read, its hash is looked up."""
    with _token() as (verifier, token, now):
        issuer = verifier.source.config.issuer
        callers = import_module("keepstone.gateway.identify.callers").Callers({issuer: verifier}, None, None)
        yield lambda: callers.bearer(token, now, None, None)


@contextmanager
def token_verified() -> Iterator[Operation]:
    """A provider's token from the ground: RS256, its claims, its roles."""
    with _token() as (verifier, token, now):
        yield lambda: verifier.verified(token, now / 1e9)


@contextmanager
def _token() -> Iterator[tuple[Any, bytes, int]]:
    identify = "keepstone.gateway.identify"
    source, tokens = import_module(f"{identify}.key_source"), import_module(f"{identify}.tokens")
    jwk, jws = import_module("joserfc.jwk"), import_module("joserfc.jws")
    issuer, key, now = "https://id.example", jwk.RSAKey.generate_key(2048, {"kid": "a"}), time.time_ns()
    config = import_module("keepstone.policy.schema.callers").OidcProvider(
        issuer=issuer, audiences=("keepstone",), roles={"eng": ("developer",)}
    )
    metrics = import_module("keepstone.gateway.metrics").Metrics()
    answer = {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", "keys": [key.as_dict(private=False)]}
    keys = source.KeySource("corp", config, metrics, time.monotonic_ns, lambda *_, **__: answer)
    asyncio.run(keys.refetch())
    claims = {"iss": issuer, "aud": "keepstone", "sub": "ada", "exp": now / 1e9 + 3600, "groups": ["eng"]}
    token = jws.serialize_compact({"alg": "RS256", "kid": "a"}, json.dumps(claims), key).encode()
    yield tokens.TokenVerifier("corp", config, keys), token, now


@contextmanager
def sigv4_verify() -> Iterator[Operation]:
    """The signature of a 4 kB request towards us, with the day's signing key at hand."""
    signing = import_module("keepstone.aws.signing")
    sigv4 = import_module("keepstone.gateway.identify.sigv4")
    secret, host, path = (
        "benchmark/not/a/real/secret/EXAMPLE",
        "gateway:8080",
        f"/model/{payload.MODEL}/converse",
    )
    pair, now = signing.Credentials("KSAKBENCHMARK0EXAMPLE", secret), time.time()
    signed = signing.Signer("us-east-1").sign(pair, host, path, payload.CONVERSE_REQUEST, now)
    headers = {name.encode(): value.encode() for name, value in [*signed, ("host", host)]}
    request = sigv4.SignedRequest("POST", path.encode(), b"", headers, payload.CONVERSE_REQUEST)
    verifier = sigv4.SigV4Verifier(import_module("keepstone.policy.schema.callers").SigV4Rules())

    def verify() -> object:
        refusal = verifier.verify(request, verifier.claimed(request, now), secret)
        assert refusal is None
        return refusal

    yield verify


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
    keep, policy = import_module("keepstone.gateway.stages").keep, _policy()
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
    work = Path(__file__).parent / ".work"
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
    work = Path(__file__).parent / ".work"
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        ledger = writer.Ledger.open(Path(folder), key.LedgerKey.create(), notify=notify)
        try:
            yield ledger, record
        finally:
            ledger.close()


PARTS: tuple[tuple[str, Callable[[], Any], int], ...] = (
    ("policy admit", policy_admit, 1),
    ("residency route", residency_route, 1),
    ("budget take and settle", budget_take, 1),
    ("Valkey take and settle, 32 at once", shared_take, 32),
    ("guard inspect 4 kB", guard_inspect, 1),
    ("guard inspect 4 kB, varied", guard_varied, 1),
    ("SigV4 sign 4 kB", sigv4_sign, 1),
    ("forward to one upstream", forward_one, 1000),
    ("token, remembered", token_remembered, 1),
    ("token, verified (RS256)", token_verified, 1),
    ("SigV4 verify 4 kB", sigv4_verify, 1),
    ("ledger append, one at a time", ledger_append, 1),
    ("ledger append, 64 in flight", ledger_append_64, 64),
    ("content not kept", content_off, 1),
    ("content seal 4 kB", content_seal, 1),
    ("content keep 2 x 4 kB, 64 at once", content_keep_64, 64),
)


def timed(operation: Operation, seconds: float) -> tuple[float, float]:
    """CPU and wall seconds of one operation: the best of some batches that take `seconds` together."""
    operation()
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds / _BATCHES:
        operation()
        count += 1
    best = (float("inf"), float("inf"))
    for _ in range(_BATCHES):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            operation()
        spent = ((time.process_time() - cpu) / count, (time.perf_counter() - wall) / count)
        best = min(best, spent)
    return best


def main() -> int:
    """Times every part and prints a row for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each part")
    parser.add_argument("--only", default="", help="the parts whose name has this in it")
    options = parser.parse_args()
    print(f"{'part':36}{'CPU µs':>10}{'wall µs':>10}")
    for name, prepare, each in (part for part in PARTS if options.only in part[0]):
        with ExitStack() as stack:
            try:
                operation = stack.enter_context(prepare())
            except ModuleNotFoundError as error:
                print(f"{name:36}{'-':>10}{'-':>10}  this version has no `{error.name}`")
                continue
            cpu, wall = timed(operation, options.seconds)
            print(f"{name:36}{cpu / each * 1e6:>10.1f}{wall / each * 1e6:>10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
