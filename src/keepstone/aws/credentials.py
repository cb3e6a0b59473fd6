"""Whose credentials sign a call: those of the AWS chain, or those of a role that they may assume.

botocore finds, assumes and renews them; it waits for files and servers, so that all happens in threads.
Credentials are renewed in the background while they are still good: after the first call none waits.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session

from keepstone.aws.signing import Credentials
from keepstone.core.errors import UpstreamError

AGE_S = 60.0
"""After this the source is asked again; botocore renews what ends within the next quarter of an hour."""
AGAIN_S = 5.0
"""When the source is asked again after it failed, while the credentials at hand are still good."""
LOG = logging.getLogger("keepstone.aws")

_REFUSALS = (
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
    RuntimeError,  # botocore's own word for credentials that are over when they come
)

Source = Callable[[], Any]
"""Returns botocore's credentials, or `None`."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role to assume, as STS wants to know it; `endpoint` overrides that of STS."""

    arn: str
    session_name: str
    duration_s: int
    external_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    endpoint: str = ""


def chain(profile: str = "") -> Source:
    """Return the AWS chain as a source: environment, profile, container, instance, ..."""
    session = botocore.session.Session(profile=profile or None)

    def find() -> Any:
        return session.get_credentials()

    return find


def assumed(role: Role, region: str, profile: str = "") -> Source:
    """Return a source of credentials for `role`, which the AWS chain's own identity assumes."""
    session = botocore.session.Session(profile=profile or None)
    patience = botocore.config.Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
    client = partial(
        session.create_client, region_name=region, endpoint_url=role.endpoint or None, config=patience
    )

    def find() -> Any:
        own = session.get_credentials()
        if own is None:
            return None
        fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
            client, own, role.arn, extra_args=_arguments(role)
        )
        return botocore.credentials.DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    return find


def _arguments(role: Role) -> dict[str, Any]:
    found: dict[str, Any] = {"RoleSessionName": role.session_name, "DurationSeconds": role.duration_s}
    if role.external_id:
        found["ExternalId"] = role.external_id
    if role.tags:
        found["Tags"] = [{"Key": key, "Value": value} for key, value in role.tags.items()]
    return found


class Renewed:
    """The credentials at hand, renewed in the background."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: Any = None
        self._now: Credentials | None = None
        self._look_at = 0.0
        self._lock = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    async def get(self) -> Credentials:
        """Return credentials; wait only when there are none, or none that are still good."""
        now = time.monotonic()
        if self._now is not None and now < self._look_at:
            return self._now
        if self._now is None or self._expired():
            return await self._first(now)
        self._look_at = now + AGE_S
        self._renewal = asyncio.get_running_loop().create_task(self._renew())
        return self._now

    def _expired(self) -> bool:
        needed = getattr(self._found, "refresh_needed", None)  # credentials that last for ever have none
        return bool(needed is not None and needed(0))

    async def _first(self, now: float) -> Credentials:
        """Read credentials while the call waits, once for all calls that do."""
        async with self._lock:
            if self._now is None or now >= self._look_at:
                self._now = await self._read()
                self._look_at = time.monotonic() + AGE_S
            return self._now

    async def _renew(self) -> None:
        try:
            self._now = await self._read()
        except UpstreamError as error:
            self._look_at = time.monotonic() + AGAIN_S
            LOG.warning("%s; those at hand are used while they are good", error.message)

    async def _read(self) -> Credentials:
        try:
            return await asyncio.to_thread(self._frozen)
        except _REFUSALS as error:
            what = type(error).__name__  # its text may quote the service's answer
            if isinstance(error, botocore.exceptions.ClientError):
                what = f"{error.operation_name}: {error.response.get('Error', {}).get('Code', 'unknown')}"
            message = f"no AWS credentials could be had ({what})"
            raise UpstreamError(message, code="upstream.credentials") from error

    def _frozen(self) -> Credentials:
        if self._found is None or getattr(self._found, "method", "") != "assume-role":
            self._found = self._source()
        if self._found is None:
            hint = "set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give the upstream a `bearer_token`"
            message = "the AWS credential chain has no credentials"
            raise UpstreamError(message, hint=hint, code="upstream.credentials")
        frozen = self._found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")
