"""Models and the upstreams that serve them, in plain sentences."""

from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.upstreams import BedrockUpstream, DevUpstream, Model, OpenAIUpstream, Upstream


def explain_model(model: Model, policy: Policy) -> str:
    """Return where a model's calls go, in order, and up to which class."""
    ways = [
        f"`{name}` ({_where(policy.upstreams[name])})" for name in model.upstreams if name in policy.upstreams
    ]
    only = f", which must be in {' or '.join(model.regions)}" if model.regions else ""
    return (
        f"`{model.id}` is reached by {', then '.join(ways)}{only}; cleared up to {model.max_data_class}; "
        f"inspected by guardrail `{model.guardrail}`."
    )


def _where(upstream: Upstream) -> str:
    cleared = f", cleared up to {upstream.max_data_class}" if upstream.max_data_class else ""
    match upstream:
        case BedrockUpstream():
            return f"Amazon Bedrock in {upstream.region}{cleared}"
        case OpenAIUpstream():
            return f"the server at {upstream.base_url}{cleared}"
        case DevUpstream():
            return f"the development model, {upstream.behaviour}{cleared}"
