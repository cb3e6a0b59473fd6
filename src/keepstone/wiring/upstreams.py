"""What calls are passed on to: each kind of upstream with its adapter, credentials and control plane."""

from typing import assert_never

from keepstone.aws.bedrock import BearerToken, BedrockRuntime, SigV4, endpoint
from keepstone.aws.bound_guardrail import BoundGuardrail
from keepstone.aws.credentials import Role, Source, assumed, chain
from keepstone.aws.inference_profiles import ControlPlane
from keepstone.aws.model_lists import ModelLists
from keepstone.gateway.ports import Upstream
from keepstone.gateway.upstreams.dev import DevelopmentModel
from keepstone.gateway.upstreams.http import Origin
from keepstone.gateway.upstreams.openai import OpenAIServer
from keepstone.policy.duration import seconds
from keepstone.policy.schema import upstreams as schema
from keepstone.policy.schema.document import Policy
from keepstone.wiring.secrets import secret

UpstreamCache = dict[str, tuple[schema.Upstream, Upstream]]


def open_upstreams(document: Policy, cache: UpstreamCache) -> dict[str, Upstream]:
    """Open the policy's upstreams; one whose configuration is unchanged keeps its pool."""
    fresh: UpstreamCache = {}
    for name, config in document.upstreams.items():
        known = cache.get(name)
        fresh[name] = known if known and known[0] == config else (config, build_upstream(name, config))
    cache.clear()
    cache.update(fresh)
    return {name: upstream for name, (_, upstream) in fresh.items()}


def model_lists(document: Policy) -> dict[str, ModelLists]:
    """Return what tells which models an upstream offers, for each upstream that has a control plane."""
    return {
        name: ModelLists(name, control_plane(name, config))
        for name, config in document.upstreams.items()
        if isinstance(config, schema.BedrockUpstream)
        and (config.control_endpoint_url or not config.endpoint_url)
    }


def control_planes(document: Policy) -> dict[str, ControlPlane]:
    """Return how the control plane of each Bedrock upstream is reached."""
    return {
        name: control_plane(name, config)
        for name, config in document.upstreams.items()
        if isinstance(config, schema.BedrockUpstream)
    }


def control_plane(name: str, config: schema.BedrockUpstream) -> ControlPlane:
    """Return how Bedrock's control plane is reached for an upstream: with the upstream's own credentials."""
    role = config.assume_role
    return ControlPlane(
        config.region,
        _credentials(config),
        (role.arn if role else config.profile) or "default",
        config.control_endpoint_url,
        config.ca_bundle,
        config.fips,
        secret(config.bearer_token, name) if config.bearer_token else None,
    )


def build_upstream(name: str, config: schema.Upstream) -> Upstream:
    """Return the adapter of one upstream; raise `PolicyError` for a secret that is not where it should be."""
    match config:
        case schema.BedrockUpstream():
            url = endpoint(config.region, config.endpoint_url, fips=config.fips)
            origin = _origin(config, url, config.ca_bundle)
            token = config.bearer_token
            authorizer = (
                BearerToken(secret(token, name)) if token else SigV4(config.region, _credentials(config))
            )
            bound = config.guardrail
            guardrail = BoundGuardrail(bound.id, bound.version) if bound else None
            return BedrockRuntime(name, config.attempts, origin, authorizer, guardrail=guardrail)
        case schema.OpenAIUpstream():
            origin = _origin(config, config.base_url, config.ca_bundle)
            api_key = secret(config.api_key, name) if config.api_key else None
            return OpenAIServer(name, config.attempts, origin, api_key)
        case schema.DevUpstream():
            delay = seconds(config.delay)
            return DevelopmentModel(name, config.attempts, config.behaviour, config.script, delay)
        case _:
            assert_never(config)


def _credentials(config: schema.BedrockUpstream) -> Source:
    if config.assume_role is None:
        return chain(config.profile)
    role = config.assume_role
    duration = int(seconds(role.duration))
    assumable = Role(
        role.arn, role.session_name, duration, role.external_id, role.tags, role.sts_endpoint_url
    )
    return assumed(assumable, config.region, config.profile)


def _origin(config: schema.BedrockUpstream | schema.OpenAIUpstream, url: str, ca_bundle: str) -> Origin:
    return Origin(
        url,
        connect_timeout=seconds(config.connect_timeout),
        timeout=seconds(config.timeout),
        max_connections=config.max_connections,
        ca_bundle=ca_bundle,
    )
