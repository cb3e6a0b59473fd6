"""What a well-formed document still gets wrong.

Names that lead nowhere, rules that can never apply, bounds that contradict each other. Each check is a
function from the document to faults; `CHECKS` lists them all, subject by subject.
"""

from collections.abc import Callable, Iterator

from keepstone.policy.problems import Fault
from keepstone.policy.schema.document import Policy
from keepstone.policy.semantics.admission import ADMISSION_CHECKS
from keepstone.policy.semantics.bounds import BOUND_CHECKS
from keepstone.policy.semantics.callers import CALLER_CHECKS
from keepstone.policy.semantics.changes import CHANGE_CHECKS
from keepstone.policy.semantics.conditions import CONDITION_CHECKS
from keepstone.policy.semantics.copies import COPY_CHECKS
from keepstone.policy.semantics.deployment import deployment_faults
from keepstone.policy.semantics.guardrails import GUARDRAIL_CHECKS
from keepstone.policy.semantics.limits import LIMIT_CHECKS
from keepstone.policy.semantics.models import MODEL_CHECKS
from keepstone.policy.semantics.record import RECORD_CHECKS
from keepstone.policy.semantics.residency import residency_faults
from keepstone.policy.semantics.routing import ROUTING_CHECKS
from keepstone.policy.semantics.upstreams import UPSTREAM_CHECKS


def faults_of_meaning(policy: Policy) -> Iterator[Fault]:
    """Yield every fault that needs more than one field to be seen."""
    for check in CHECKS:
        yield from check(policy)


CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    *MODEL_CHECKS,
    *LIMIT_CHECKS,
    *CHANGE_CHECKS,
    *GUARDRAIL_CHECKS,
    *UPSTREAM_CHECKS,
    *BOUND_CHECKS,
    *ROUTING_CHECKS,
    *ADMISSION_CHECKS,
    *CALLER_CHECKS,
    *CONDITION_CHECKS,
    residency_faults,
    deployment_faults,
    *RECORD_CHECKS,
    *COPY_CHECKS,
)
