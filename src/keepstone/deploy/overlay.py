"""What a deployment made, as an overlay on its policy: where upstreams are called, as whom, how guarded.

Only what the deployment itself made or allows stands in it, so that the gateway can use every line of it.
"""

import json
from collections.abc import Mapping
from typing import Any

from keepstone.core.errors import UsageError
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.upstreams import BedrockUpstream

_HEAD = "# Written by `keepstone deploy overlay`; write it again when an apply has changed one of these.\n"
Outputs = Mapping[str, Any]
Member = dict[str, Any]


def overlay(policy: Policy, outputs: Outputs) -> str:
    """Return the overlay as YAML; raise `UsageError` when no upstream is in the deployment's region."""
    region = outputs["region"]
    here = {
        name: each
        for name, each in policy.upstreams.items()
        if isinstance(each, BedrockUpstream) and each.region == region
    }
    if not here:
        hint = f"add one of kind `bedrock` with `region: {region}` to `upstreams`"
        raise UsageError(f"the policy has no upstream of Bedrock in `{region}`", hint=hint)
    trusts = policy.deployment is not None and bool(policy.deployment.variables.get("trusted_principals"))
    members = {name: _member(each, outputs, trusts=trusts) for name, each in here.items()}
    return _HEAD + "upstreams:\n" + "".join(_lines({name: each for name, each in members.items() if each}, 1))


def _member(upstream: BedrockUpstream, outputs: Outputs, *, trusts: bool) -> Member:
    urls = outputs["endpoint_urls"]
    found: Member = {}
    if "bedrock-runtime" in urls and not upstream.fips:  # a FIPS endpoint is reached by its private name
        found["endpoint_url"] = urls["bedrock-runtime"]
    if "bedrock" in urls:
        found["control_endpoint_url"] = urls["bedrock"]
    role = outputs["bedrock_access_role_arn"]
    own = upstream.assume_role is not None and upstream.assume_role.arn != role
    if trusts and upstream.bearer_token is None and not own:
        found["assume_role"] = {"arn": role}
        if "sts" in urls:
            found["assume_role"]["sts_endpoint_url"] = urls["sts"]
    if outputs["bedrock_guardrail_id"] is not None:
        found["guardrail"] = {
            "id": outputs["bedrock_guardrail_id"],
            "version": outputs["bedrock_guardrail_version"],
        }
    return found


def _lines(members: Member, depth: int) -> list[str]:
    """Return a map as lines of YAML: texts in double quotes, which JSON's form is."""
    lines = []
    for name, value in members.items():
        margin = "  " * depth
        if isinstance(value, dict):
            lines += [f"{margin}{name}:\n", *_lines(value, depth + 1)]
        else:
            lines.append(f"{margin}{name}: {json.dumps(value)}\n")
    return lines
