"""Variables of a deployment that lead nowhere."""

import pytest

from keepstone.policy.semantics.deployment import deployment_faults
from tests.unit.deploy.documents import PLACE, policy


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"log_retention_day": 90}, "did you mean `log_retention_days`?"),
        ({"zzz": 1}, "keepstone deploy variables"),
        ({"vpc_id": "vpc-1"}, "`deployment.vpc_id`"),
    ],
)
def test_a_variable_that_leads_nowhere(variables, says) -> None:
    (fault,) = deployment_faults(policy(deployment={**PLACE, "variables": variables}))
    assert says in f"{fault.message} {fault.hint}"


def test_variables_of_the_module() -> None:
    assert (
        list(deployment_faults(policy(deployment={**PLACE, "variables": {"log_retention_days": 90}}))) == []
    )
