"""Parts that speak: who calls, by token or signature, and the call to an upstream."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from bench import payload
from bench.parts.subject import Operation, compiled_policy


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

    policy = compiled_policy()
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
