"""How calls find their way, in plain sentences: roles, quotas, hedges, trials, what leaves more than once."""

from collections.abc import Iterator

from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.routing import Canary, CircuitBreaker, Quota, Shadow, Spread
from keepstone.policy.schema.upstreams import BedrockUpstream, Model


def explain_routing(policy: Policy) -> Iterator[str]:
    """Yield what a reader should know beyond the order of upstreams."""
    rules = policy.gateway
    yield (
        f"A call is given up {rules.deadline} after it came, a stream after {rules.stream_deadline}, unless "
        "its model says otherwise; a caller may ask for less."
    )
    for name, upstream in policy.upstreams.items():
        if isinstance(upstream, BedrockUpstream):
            yield from _ways(name, upstream)
        if not isinstance(upstream.breaker, CircuitBreaker):
            yield f"Upstream `{name}` is asked every time, however often it fails."
    for model in policy.models:
        yield from _model(model)


def _ways(name: str, upstream: BedrockUpstream) -> Iterator[str]:
    if upstream.assume_role is not None:
        yield f"Calls to upstream `{name}` are signed by role `{upstream.assume_role.arn}`."
    if upstream.guardrail is not None:
        bound = upstream.guardrail
        yield (
            f"Calls to upstream `{name}` go with Bedrock's guardrail `{bound.id}`, version {bound.version}; "
            "what that one does stands in the answers, not in the record."
        )
    if upstream.endpoint_url:
        yield f"Calls to upstream `{name}` go to {upstream.endpoint_url}."
    if upstream.fips:
        yield f"Calls to upstream `{name}` go to the region's FIPS endpoint."


def _model(model: Model) -> Iterator[str]:
    if model.deadline or model.stream_deadline:
        own = [f"a call {model.deadline}"] * bool(model.deadline)
        own += [f"a stream {model.stream_deadline}"] * bool(model.stream_deadline)
        yield f"`{model.id}`: {' and '.join(own)} at most."
    if model.spread is Spread.QUOTA:
        shares = [f"`{name}` ({_quota(model.quotas.get(name, Quota()))})" for name in model.upstreams]
        yield f"Calls of `{model.id}` go where most is left: {', '.join(shares)}."
    if model.hedge_after is not None:
        yield (
            f"When `{model.id}` does not begin to answer within {model.hedge_after}, a second upstream is "
            "asked, too; both are billed."
        )
    if model.canary is not None:
        share = f"{model.canary.percent:g} % of principals"
        yield f"{share} get {_trial(model.canary)} when they ask for `{model.id}`."
    if model.shadow is not None:
        yield (
            f"A copy of {model.shadow.percent:g} % of answered calls of `{model.id}` goes to "
            f"{_trial(model.shadow)}, under the same rules on data; its answer is thrown away."
        )


def _quota(quota: Quota) -> str:
    known = [f"{quota.requests} requests"] * bool(quota.requests)
    known += [f"{quota.tokens} tokens"] * bool(quota.tokens)
    return f"{' and '.join(known)} a minute" if known else f"weight {quota.weight}"


def _trial(trial: Canary | Shadow) -> str:
    what = f"`{trial.upstream_id}`" if trial.upstream_id else "the model"
    return f"{what} at upstream `{trial.upstream}`" if trial.upstream else what
