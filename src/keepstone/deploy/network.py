"""The ids of VPCs and subnets, as AWS gives them out: a plan may name others, AWS has none of them."""

import re

from keepstone.core.errors import UsageError
from keepstone.policy.schema.deployment import Deployment

_SUBNET = re.compile(r"subnet-([0-9a-f]{8}|[0-9a-f]{17})")
_VPC = re.compile(r"vpc-([0-9a-f]{8}|[0-9a-f]{17})")


def is_subnet(identifier: str) -> bool:
    """Say whether AWS could have given a subnet this id."""
    return _SUBNET.fullmatch(identifier) is not None


def is_vpc(identifier: str) -> bool:
    """Say whether AWS could have given a VPC this id."""
    return _VPC.fullmatch(identifier) is not None


def require_ids_of_aws(place: Deployment | None) -> None:
    """Raise `UsageError` for ids that AWS never gives; it would say so when half of all is built."""
    if place is None:
        return
    strange = {} if is_vpc(place.vpc_id) else {place.vpc_id: "deployment.vpc_id"}
    strange |= {each: "deployment.subnet_ids" for each in place.subnet_ids if not is_subnet(each)}
    for identifier, field in strange.items():
        kind = "VPC" if field.endswith("vpc_id") else "subnet"
        azure = "; `snet-` is how Azure names subnets" if identifier.startswith("snet-") else ""
        raise UsageError(
            f"`{identifier}` cannot be the id of a {kind} of AWS (at `{field}`){azure}",
            hint="expected `vpc-…` or `subnet-…` with 8 or 17 hexadecimal digits; nothing was changed",
        )
