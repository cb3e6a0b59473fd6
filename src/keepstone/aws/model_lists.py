"""Which models and inference profiles Bedrock's control plane lists; asked rarely, remembered for minutes."""

import asyncio
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import botocore.exceptions

from keepstone.aws.inference_profiles import ControlPlane, connect
from keepstone.core.errors import UpstreamError
from keepstone.gateway.ports import Offer

AGE_S = 300.0
"""How long an answer is believed; models come and go in weeks."""
_HINT = "its credentials need `bedrock:ListFoundationModels` and `bedrock:ListInferenceProfiles`"


class ModelLists:
    """What one upstream's control plane lists."""

    def __init__(
        self, name: str, plane: ControlPlane, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._plane = plane
        self._clock = clock
        self._known: tuple[float, Offer] | None = None
        self._lock = asyncio.Lock()

    async def offered(self) -> Offer:
        """Return what there is; raise `UpstreamError` when it cannot be asked."""
        async with self._lock:
            if self._known is not None and self._clock() - self._known[0] < AGE_S:
                return self._known[1]
            try:
                offer = await asyncio.to_thread(self._ask)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                message = f"the control plane of upstream `{self._name}` does not answer; {_HINT}"
                raise UpstreamError(message, code="upstream.control_plane") from error
            self._known = (self._clock(), offer)
            return offer

    def _ask(self) -> Offer:
        found = None if self._plane.token else self._plane.source()
        if found is None and self._plane.token is None:
            raise botocore.exceptions.NoCredentialsError
        client = connect(self._plane, found.get_frozen_credentials() if found else None)
        try:
            models = client.list_foundation_models()["modelSummaries"]
            profiles: list[dict[str, Any]] = []
            for page in client.get_paginator("list_inference_profiles").paginate():
                profiles += page["inferenceProfileSummaries"]
        finally:
            client.close()
        return Offer(tuple(map(_plain, models)), tuple(map(_plain, profiles)))


def _plain(value: Any) -> Any:
    """Return a summary as JSON has it: times as text."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
