"""What a policy gives its deployment and what is to be said of it, for `deploy init` and `policy check`."""

from collections.abc import Iterator

from keepstone.core.errors import DeployError
from keepstone.deploy.inputs import Input, inputs_of
from keepstone.deploy.models import models_of
from keepstone.deploy.notices import Notice, Weight, notices_of
from keepstone.policy.problems import Fault
from keepstone.policy.schema.document import Policy


def explained(policy: Policy) -> tuple[tuple[Input, ...], tuple[Notice, ...]]:
    """Return the input and the notices about it; raise `DeployError` when nothing says where to build."""
    inputs = inputs_of(policy)
    named = {each.name: each.value for each in inputs}
    by_hand = policy.deployment is not None and "foundation_models" in policy.deployment.variables
    return inputs, notices_of(named, None if by_hand else models_of(policy))


def faults_of(policy: Policy) -> Iterator[Fault]:
    """Yield what keeps the policy from being deployed; nothing for one without a deployment."""
    if policy.deployment is None:
        return
    try:
        inputs, notices = explained(policy)
    except DeployError as error:
        yield Fault(("deployment",), error.message, error.hint)
        return
    because = {each.name: each.because for each in inputs}
    for each in notices:
        if each.weight is Weight.ERROR:
            path = because.get(each.variable, f"deployment.variables.{each.variable}")
            yield Fault(tuple(path.split(".")), f"{each.found}; {each.done}", each.why)
