"""From the policy's words to a guardrail that is ready to look at texts."""

from types import MappingProxyType

from keepstone.guard.guardrail import Guardrail
from keepstone.guard.plan import Direction, build_plan
from keepstone.guard.window import window_of
from keepstone.policy.schema import guardrails as schema


def compile_guardrail(name: str, config: schema.Guardrail) -> Guardrail:
    """Compile a guardrail of the policy; raise `GuardError` naming a regex that RE2 does not accept."""
    plans = {each: build_plan(f"guardrails.{name}", config, each) for each in Direction}
    return Guardrail(name, config, MappingProxyType(plans), window_of(plans[Direction.OUTPUT]))
