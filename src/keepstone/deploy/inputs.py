"""The module's input: read out of the policy, overridden by name, each value with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keepstone.catalog.places import partition_of
from keepstone.core.errors import DeployError
from keepstone.deploy.models import models_of
from keepstone.deploy.partition import WITHOUT, require_one_partition
from keepstone.policy.schema.deployment import Deployment
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import (
    Action,
    BlockAction,
    CustomWord,
    Directions,
    Guardrail,
    Injection,
)
from keepstone.policy.schema.upstreams import BedrockUpstream

RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922)
"""What CloudWatch Logs takes, up to eight years."""
_WATCHED = {"budgets": "enable_budget_monitoring", "ce": "enable_budget_anomaly_detection"}
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Input:
    """One variable's value, and what in the document it comes from."""

    name: str
    value: Any
    because: str


def inputs_of(policy: Policy) -> tuple[Input, ...]:
    """Return every variable that is set, by name; raise `DeployError` when nothing says where to build."""
    place = policy.deployment
    if place is None:
        hint = "`keepstone deploy init --help` shows how to add one"
        raise DeployError("the policy has no section `deployment`", hint=hint)
    require_one_partition(policy, place)
    found = {each.name: each for each in (*_place(place), *_read(policy, place))}
    found |= {
        name: Input(name, value, f"deployment.variables.{name}") for name, value in place.variables.items()
    }
    return tuple(found[name] for name in sorted(found))


def _place(place: Deployment) -> list[Input]:
    return [
        Input("environment", place.environment, "deployment.environment"),
        Input("vpc_id", place.vpc_id, "deployment.vpc_id"),
        Input("subnet_ids", list(place.subnet_ids), "deployment.subnet_ids"),
    ]


def _read(policy: Policy, place: Deployment) -> list[Input]:
    """Return what the document says elsewhere."""
    models = models_of(policy)
    regions = sorted({*models.regions, *models.reached, place.region})
    found = [
        Input(
            "allowed_model_regions",
            regions,
            "deployment.region, where models are called, and where profiles lead",
        ),
        Input("log_retention_days", _retention(policy.retention.ledger_days), "retention.ledger_days"),
    ]
    if models.arns:
        found.append(
            Input("foundation_models", list(models.arns), "models on Bedrock, which all are exact ids")
        )
    upstreams = [each for each in policy.upstreams.values() if isinstance(each, BedrockUpstream)]
    if any(each.fips for each in upstreams):
        found.append(Input("use_fips_endpoints", True, "upstreams with `fips`"))
    found += _money(policy, partition_of(place.region))
    guardrail = policy.guardrails.get(_DEFAULT)
    return [*found, *(_guardrail(guardrail) if guardrail is not None else ())]


def _retention(days: int) -> int:
    return next((each for each in RETENTION_DAYS if each >= days), RETENTION_DAYS[-1])


def _money(policy: Policy, partition: str) -> Iterator[Input]:
    """Yield what AWS is to watch: the whole organisation's money of a month, if a limit says it."""
    for service, variable in _WATCHED.items():
        if partition in WITHOUT[service]:
            yield Input(variable, False, f"`{service}` does not answer in the partition `{partition}`")
    for number, limit in enumerate(policy.limits):
        whole = limit.scope == "organisation" and limit.models == ("*",) and limit.roles == ("*",)
        if whole and limit.per == "month" and limit.cost is not None and limit.currency == "USD":
            yield Input("bedrock_monthly_budget_limit", f"{limit.cost:g}", f"limits[{number}].cost")
            return


def _guardrail(guardrail: Guardrail) -> list[Input]:
    where = f"guardrails.{_DEFAULT}"
    actions = {_inward(each) for each in guardrail.pii.values()}
    found = [
        Input("blocked_input_message", guardrail.messages.input, f"{where}.messages.input"),
        Input("blocked_output_message", guardrail.messages.output, f"{where}.messages.output"),
    ]
    if actions == {Action.BLOCK}:
        found.append(Input("pii_entities_action", "BLOCK", f"{where}.pii, which blocks all it names"))
    elif actions:
        found.append(Input("pii_entities_action", "ANONYMIZE", f"{where}.pii, which masks some of it"))
    words = [each.text if isinstance(each, CustomWord) else each for each in guardrail.words]
    if words:
        found.append(Input("denied_words", words, f"{where}.words"))
    strength = guardrail.injection.strength if guardrail.injection.action is BlockAction.BLOCK else "NONE"
    if strength != Injection().strength:  # what nobody chose is the module's: HIGH
        filters = {"prompt_attack": {"input_strength": strength, "output_strength": "NONE"}}
        found.append(Input("content_filters", filters, f"{where}.injection"))
    return found


def _inward(action: Action | Directions) -> Action:
    return action.input if isinstance(action, Directions) else action
