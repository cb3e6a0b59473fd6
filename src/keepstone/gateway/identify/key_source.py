"""The signing keys of an identity provider: found by discovery, kept, fetched anew before they are stale.

A call never waits for a key that is there. A token of an unknown key asks for one fetch, at most every few
seconds whoever asks; while the provider cannot be reached the last keys hold for a bounded time, and then
nobody can be identified by them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from keepstone.core.errors import IdentityError
from keepstone.gateway.identify.fetch import fetch_json
from keepstone.gateway.metrics import Metrics
from keepstone.policy.duration import parse_duration, seconds
from keepstone.policy.schema.callers import OidcProvider

APART_S = 5.0
"""At least this long between two fetches, so that made-up key ids cannot make us ask without end."""
WAIT_S = 6.0
"""How long a call waits for a fetch at most."""
RETRY_S = 15.0
MIN_RSA_BITS = 2048
MAX_KEYS = 100
LOG = logging.getLogger("keepstone.identify")

PublicKey = RSAKey | ECKey | OKPKey
Fetch = Callable[..., dict[str, Any]]


class KeySource:
    """The keys of one provider; `refetch` and `run` belong to the event loop, all else is plain reading."""

    def __init__(
        self,
        name: str,
        config: OidcProvider,
        metrics: Metrics,
        now_ns: Callable[[], int],
        fetch: Fetch = fetch_json,
    ) -> None:
        self.name = name
        self.config = config
        self.keys: Mapping[str, PublicKey] = {}
        self.version = 0
        self.endpoints: dict[str, str] = {}
        self._metrics = metrics
        self._now_ns = now_ns
        self._fetch = fetch
        self._hold_ns = parse_duration(config.keys_hold)
        self._max_age_s = seconds(config.keys_max_age)
        self._fetched_ns: int | None = None
        self._tried_ns: int | None = None
        self._flight: asyncio.Task[bool] | None = None
        self._background: asyncio.Task[None] | None = None

    @property
    def fresh(self) -> bool:
        """Say whether the keys may still be used."""
        return self._fetched_ns is not None and self._now_ns() - self._fetched_ns <= self._hold_ns

    def start(self) -> None:
        """Keep the keys fresh from now on; must run in the event loop."""
        if self._background is None:
            self._background = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop fetching."""
        for task in (self._background, self._flight):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def refetch(self) -> None:
        """Wait for a fetch under way, or for a new one if the last is some seconds old; never raises."""
        if self._flight is None or self._flight.done():
            if self._tried_ns is not None and self._now_ns() - self._tried_ns < APART_S * 1e9:
                return
            self._tried_ns = self._now_ns()
            self._flight = asyncio.get_running_loop().create_task(self._update())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._flight), WAIT_S)

    async def _run(self) -> None:
        while True:
            await self.refetch()
            done = self._flight is not None and self._flight.done() and self._flight.result()
            await asyncio.sleep(self._max_age_s if done else min(RETRY_S, self._max_age_s))

    async def _update(self) -> bool:
        """Fetch once; say whether it worked, and keep what is known if it did not."""
        try:
            endpoints, keys = await asyncio.to_thread(self._ask)
        except IdentityError as error:
            self._metrics.key_fetches(self.name, "failed").inc()
            LOG.error("keys of identity provider `%s` cannot be fetched: %s", self.name, error.message)  # noqa: TRY400
            return False
        self._metrics.key_fetches(self.name, "fetched").inc()
        before = {kid: key.thumbprint() for kid, key in self.keys.items()}
        if before != {kid: key.thumbprint() for kid, key in keys.items()}:
            self.version += 1  # what was verified with the keys before has to be verified again
        self.keys, self.endpoints, self._fetched_ns = keys, endpoints, self._now_ns()
        return True

    def _ask(self) -> tuple[dict[str, str], dict[str, PublicKey]]:
        config, endpoints = self.config, {}
        address = config.jwks_uri
        if not address:
            endpoints = discover(config, self._fetch)
            address = endpoints["jwks_uri"]
        return endpoints, usable_keys(self._fetch(address, config.ca_bundle))


def discover(config: OidcProvider, fetch: Fetch) -> dict[str, str]:
    """Return the provider's addresses (OpenID Connect Discovery 1.0, 4); raise `IdentityError`."""
    document = fetch(f"{config.issuer.rstrip('/')}/.well-known/openid-configuration", config.ca_bundle)
    if document.get("issuer") != config.issuer:  # 4.3: it must be exactly the one asked for
        raise IdentityError("the discovery document names another issuer than the policy")
    found = {key: value for key, value in document.items() if isinstance(value, str)}
    if "jwks_uri" not in found:
        raise IdentityError("the discovery document names no `jwks_uri`")
    if config.issuer.startswith("https:"):
        for name, value in found.items():
            if name.endswith(("_endpoint", "_uri")) and urlsplit(value).scheme != "https":
                raise IdentityError(f"the discovery document's `{name}` is not an https address")
    return found


def usable_keys(document: Mapping[str, Any]) -> dict[str, PublicKey]:
    """Return the public signing keys by id; raise `IdentityError` when there is none.

    Keys for encryption, symmetric and weak ones and those that cannot be read are left out.
    """
    listed = document.get("keys")
    found: dict[str, PublicKey] = {}
    for each in listed[:MAX_KEYS] if isinstance(listed, list) else ():
        if (
            isinstance(each, dict)
            and each.get("kty") in ("RSA", "EC", "OKP")
            and _may_verify(each)
            and not _is_weak(each)
        ):
            try:
                key = JWKRegistry.import_key({k: v for k, v in each.items() if k not in _PRIVATE})
                if not isinstance(key, RSAKey | ECKey | OKPKey):
                    continue
                kid = each.get("kid", key.thumbprint())
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            if isinstance(kid, str):
                found.setdefault(kid, key)
    if not found:
        raise IdentityError("the provider publishes no usable signing key")
    return found


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def _may_verify(key: Mapping[str, Any]) -> bool:
    operations = key.get("key_ops")
    return key.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )


def _is_weak(key: Mapping[str, Any]) -> bool:
    """Say whether an RSA modulus is too short, by its text in base64url: six bits a character."""
    modulus = key.get("n")
    return key["kty"] == "RSA" and (
        not isinstance(modulus, str) or len(modulus.lstrip("A")) * 6 < MIN_RSA_BITS
    )
