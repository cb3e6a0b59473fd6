"""An account lies in one partition of AWS, and so has to be what is deployed into it."""

from collections.abc import Iterator, Mapping
from typing import Any

from keepstone.catalog.places import partition_of
from keepstone.core.errors import DeployError
from keepstone.deploy.models import models_of
from keepstone.policy.schema.deployment import Deployment, S3State
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.upstreams import BedrockUpstream

# By botocore's list of endpoints; a test holds the two together.
WITHOUT: Mapping[str, frozenset[str]] = {
    "bedrock": frozenset({"aws-cn", "aws-iso-e"}),
    "budgets": frozenset({"aws-eusc", "aws-us-gov"}),
    "ce": frozenset({"aws-eusc", "aws-iso-e", "aws-us-gov"}),
}
"""Partitions in which a service does not answer, by the service's name in IAM."""


def require_one_partition(policy: Policy, place: Deployment) -> None:
    """Raise `DeployError` when what is deployed would lie in two partitions, which no account does."""
    here = partition_of(place.region)
    if not here:
        hint = "expected a region of AWS; a newer Keepstone knows newer ones"
        raise DeployError(f"nobody knows the region `{place.region}` of `deployment.region`", hint=hint)
    for path, value in _somewhere(policy, place):
        there = value.split(":")[1] if value.startswith("arn:") else partition_of(value)
        if there != here:
            where = f"in the partition `{there}`" if there else "in no known partition"
            raise DeployError(
                f"`{value:.200}` of `{path}` is {where}, and `deployment.region` in `{here}`",
                hint="an account is in one partition: a document for each, or an overlay for the environment",
            )


def _somewhere(policy: Policy, place: Deployment) -> Iterator[tuple[str, str]]:
    """Yield every region and ARN that the deployment is about, and where the policy says it."""
    for name, each in policy.upstreams.items():
        if isinstance(each, BedrockUpstream):
            yield f"upstreams.{name}.region", each.region
            if each.assume_role is not None:
                yield f"upstreams.{name}.assume_role.arn", each.assume_role.arn
    yield from (("models", each) for each in models_of(policy).arns)
    if isinstance(place.state, S3State) and place.state.region:
        yield "deployment.state.region", place.state.region
    for name, value in place.variables.items():
        yield from ((f"deployment.variables.{name}", each) for each in _arns(value))


def _arns(value: Any) -> Iterator[str]:
    """Yield the ARNs in a variable's value, however deep."""
    match value:
        case str() if value.startswith("arn:"):
            yield value
        case list() | tuple():
            yield from (arn for each in value for arn in _arns(each))
        case dict():
            yield from (arn for each in value.values() for arn in _arns(each))
        case _:
            return
