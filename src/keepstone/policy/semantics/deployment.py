"""What a well-formed `deployment` section still gets wrong: variables that the module does not have."""

from collections.abc import Iterator
from difflib import get_close_matches

from keepstone.catalog.terraform_module import terraform_module
from keepstone.policy.problems import Fault
from keepstone.policy.schema.document import Policy

OWN_FIELDS = {"environment": "environment", "vpc_id": "vpc_id", "subnet_ids": "subnet_ids"}
"""Variables that have a field of their own in the section."""


def deployment_faults(policy: Policy) -> Iterator[Fault]:
    """Yield a fault for each variable that leads nowhere or is said twice."""
    if policy.deployment is None:
        return
    known = terraform_module().variables
    for name in policy.deployment.variables:
        path = ("deployment", "variables", name)
        if name in OWN_FIELDS:
            yield Fault(path, f"`{name}` has a field of its own, expected `deployment.{OWN_FIELDS[name]}`")
        elif name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "`keepstone deploy variables` lists them"
            yield Fault(path, f"the module has no variable `{name}`", hint=hint)
