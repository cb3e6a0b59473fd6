"""What a well-formed document still gets wrong about upstreams."""

from collections.abc import Callable, Iterator

from keepstone.policy.bedrock_endpoint import bedrock_faults, url_faults
from keepstone.policy.duration import parse_duration
from keepstone.policy.problems import Fault, Path
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.upstreams import BedrockUpstream, DevBehaviour, DevUpstream, OpenAIUpstream
from keepstone.policy.semantics.references import warning


def _upstreams_are_sound(policy: Policy) -> Iterator[Fault]:
    used = {name for model in policy.models for name in model.upstreams}
    trials = [each for model in policy.models for each in (model.canary, model.shadow) if each]
    used |= {each.upstream for each in trials if each.upstream}
    for name, upstream in policy.upstreams.items():
        path: Path = ("upstreams", name)
        if name not in used:
            yield warning(path, f"upstream `{name}` is used by no model")
        if parse_duration(upstream.connect_timeout) > parse_duration(upstream.timeout):
            yield Fault((*path, "connect_timeout"), "`connect_timeout` is longer than `timeout`")
        match upstream:
            case BedrockUpstream():
                yield from bedrock_faults(upstream, path)
                yield from _one_source(upstream, "bearer_token", path)
            case OpenAIUpstream():
                yield from url_faults(upstream.base_url, (*path, "base_url"))
                yield from _one_source(upstream, "api_key", path)
            case DevUpstream():
                if upstream.behaviour is DevBehaviour.SCRIPTED and not upstream.script:
                    yield warning((*path, "behaviour"), f"upstream `{name}` is scripted but has no `script`")


def _one_source(upstream: BedrockUpstream | OpenAIUpstream, name: str, path: Path) -> Iterator[Fault]:
    secret = getattr(upstream, name)
    if secret is not None and (secret.env is None) == (secret.file is None):
        got = "neither" if secret.env is None else "both"
        yield Fault((*path, name), f"expected one of `env` and `file`, got {got}", "write `{env: NAME}`")


UPSTREAM_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (_upstreams_are_sound,)
