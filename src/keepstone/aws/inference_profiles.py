"""Where inference profiles compute, asked of Bedrock's control plane: `GetInferenceProfile`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.tokens import FrozenAuthToken

from keepstone.aws.credentials import Source
from keepstone.catalog.places import ANYWHERE, profiles
from keepstone.core.errors import UpstreamError
from keepstone.policy.residency.addresses import shipped

_REGION_IN_ARN = 3


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """How the control plane is reached for one upstream.

    `identity` says in words whose credentials `source` gives; `token` reads a bearer token if there is one.
    """

    region: str
    source: Source
    identity: str = "default"
    endpoint_url: str = ""
    ca_bundle: str = ""
    fips: bool = False
    token: Callable[[], str] | None = None

    @property
    def address(self) -> str:
        """Return who is asked, in words that answers can be kept under."""
        return " ".join((self.region, self.identity, self.endpoint_url or "public"))


class InferenceProfiles:
    """Reads profiles through the upstreams' own credentials; a client is kept as long as those hold."""

    def __init__(self, planes: Mapping[str, ControlPlane]) -> None:
        self._planes = planes
        self._clients: dict[str, tuple[Any, Any]] = {}

    def read(self, upstream: str, profile: str) -> tuple[str, ...]:
        """Return the regions that a profile may compute in; `*` stands for any. Waits for the network.

        An id that AWS knows as no profile computes where it is called, so it has no region of its own.
        """
        try:
            answer = self._client(upstream).get_inference_profile(inferenceProfileIdentifier=profile)
        except botocore.exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "an error"))
            if code == "ResourceNotFoundException" and not _is_profile(profile):
                return ()
            message = f"GetInferenceProfile: {code}"
            raise UpstreamError(message, code="upstream.profile") from error
        except (botocore.exceptions.BotoCoreError, RuntimeError, ValueError) as error:
            message = f"GetInferenceProfile: {type(error).__name__}"
            raise UpstreamError(message, code="upstream.profile") from error
        found = _regions(answer["models"])
        # Whatever is listed: a global profile may use any commercial region (Bedrock User Guide).
        return (*found, ANYWHERE) if shipped(profile) == (ANYWHERE,) and ANYWHERE not in found else found

    def _client(self, upstream: str) -> Any:
        plane = self._planes[upstream]
        found = None if plane.token else plane.source()
        frozen = found.get_frozen_credentials() if found else None
        known = self._clients.get(upstream)
        if known is not None and known[0] == frozen:
            return known[1]
        if known is not None:
            known[1].close()
        client = connect(plane, frozen)
        self._clients[upstream] = frozen, client
        return client


class _Token:
    """A token provider for botocore that knows one token."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def load_token(self, **_: Any) -> FrozenAuthToken:
        return FrozenAuthToken(self._read())


def connect(plane: ControlPlane, frozen: Any) -> Any:
    """Return a client of the control plane, with frozen credentials or with the plane's token."""
    session = botocore.session.Session()
    options: dict[str, Any] = {"retries": {"total_max_attempts": 2}, "connect_timeout": 3, "read_timeout": 10}
    options["use_fips_endpoint"] = plane.fips and not plane.endpoint_url
    if frozen is not None:
        session.set_credentials(frozen.access_key, frozen.secret_key, frozen.token)
    if plane.token is not None:
        session.register_component("token_provider", _Token(plane.token))
        options["signature_version"] = "bearer"
    return session.create_client(
        "bedrock",
        region_name=plane.region,
        endpoint_url=plane.endpoint_url or None,
        verify=plane.ca_bundle or None,
        config=Config(**options),
    )


def _regions(models: list[dict[str, str]]) -> tuple[str, ...]:
    """Return the regions of the models' ARNs; an ARN without one, as global profiles have, means any."""
    found = [each["modelArn"].split(":")[_REGION_IN_ARN] or ANYWHERE for each in models]
    return tuple(dict.fromkeys(found))


def _is_profile(profile: str) -> bool:
    """Say whether the id can be nothing but a profile: an ARN, or the prefix of a known geography."""
    return profile.startswith("arn:") or profile.partition(".")[0] in profiles().geographies
