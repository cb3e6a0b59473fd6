"""Input explained before Terraform runs: what will be understood otherwise than written, and what cannot be.

The module says the same at every plan (`notices.tf`); here it takes no provider and no account.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from keepstone.catalog.places import partition_of
from keepstone.catalog.terraform_module import terraform_module
from keepstone.deploy.inputs import RETENTION_DAYS
from keepstone.deploy.models import Models
from keepstone.deploy.network import is_subnet, is_vpc
from keepstone.deploy.partition import WITHOUT

_RANGES = ("management_allowed_cidrs", "runtime_allowed_cidrs")
_WIDEST = 16
_LEGACY = frozenset(
    {
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "amazon.titan-text-express-v1:0",
        "amazon.titan-text-express-v1",
    }
)
_DEFAULT_RANGES = {
    "management_allowed_cidrs": ["10.20.0.0/16"],
    "runtime_allowed_cidrs": ["10.30.0.0/16", "10.40.0.0/16"],
    "vpc_cidr": "10.0.0.0/16",
}
_KINDS: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "list": (list, tuple),
    "map": (dict,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
_WORDS = {
    "bool": "`true` or `false`",
    "list": "a list",
    "map": "a map",
    "number": "a number",
    "object": "a map",
    "string": "text",
}
Values = Mapping[str, Any]
Network = IPv4Network | IPv6Network


class Weight(StrEnum):
    """How bad it is: `error` stops, `warning` is likely not meant, `note` is only told."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Notice:
    """What was found in one variable, what is done about it, and why."""

    weight: Weight
    variable: str
    found: str
    done: str
    why: str


def notices_of(values: Values, models: Models | None = None) -> tuple[Notice, ...]:
    """Return every notice about the input, the worst first; with `models`, about those of the policy, too."""
    order = list(Weight)
    found = list(_types(values))  # values of a wrong kind say nothing else
    if not found:
        found = [each for look in _LOOKS for each in look(values)]
        found += _unlisted(models) if models is not None else ()
    return tuple(sorted(found, key=lambda each: (order.index(each.weight), each.variable)))


def _types(values: Values) -> Iterator[Notice]:
    """Look whether each value is of its variable's kind; what is inside of it is Terraform's to judge."""
    for name, variable in terraform_module().variables.items():
        value = values.get(name)
        head = variable.type.partition("(")[0]
        if value is not None and not isinstance(value, _KINDS[head]):
            why = f"expected {_WORDS[head]}"
            yield Notice(Weight.ERROR, name, f"`{value!r:.60}`", "nothing is built", why)
        elif head == "number" and isinstance(value, bool):
            yield Notice(Weight.ERROR, name, f"`{value}`", "nothing is built", "expected a number")


def _cidrs(values: Values) -> Iterator[Notice]:
    for name in (*_RANGES, "vpc_cidr"):
        for given in _given(values, name):
            try:
                network = ip_network(given, strict=False)
            except ValueError:
                why = "EC2 takes blocks such as `10.20.0.0/16`"
                yield Notice(Weight.ERROR, name, f"`{given}` is no CIDR block", "nothing is built", why)
                continue
            if str(network) != given:
                strict = bool(values.get("strict_cidrs"))
                yield Notice(
                    Weight.ERROR if strict else Weight.WARNING,
                    name,
                    f"`{given}` has host bits",
                    "nothing is built (`strict_cidrs`)"
                    if strict
                    else f"it is read as `{network}`, as EC2 does",
                    f"that is {network.num_addresses:,} addresses; was a smaller range meant?",
                )
            if network.prefixlen == 0:
                why = "name the ranges that need it"
                yield Notice(Weight.ERROR, name, f"`{given}` is every address", "nothing is built", why)


def _overlaps(values: Values) -> Iterator[Notice]:
    management, runtime = (_networks(values, name) for name in _RANGES)
    for left in management:
        if left.version == 4 and left.prefixlen < _WIDEST:
            why = "control plane and runtime are hardly apart"
            found = f"`{left}` is wider than /{_WIDEST}"
            yield Notice(Weight.WARNING, _RANGES[0], found, "it is used as it is", why)
        for right in runtime:
            if left.version == right.version and left.overlaps(right):
                yield Notice(
                    Weight.WARNING,
                    _RANGES[0],
                    f"`{left}` overlaps `{right}` of `{_RANGES[1]}`",
                    "both are used as they are",
                    "who may invoke models may reach the control plane, too: the segments are not apart",
                )


def _ids(values: Values) -> Iterator[Notice]:
    for subnet in values.get("subnet_ids", ()):
        if subnet.startswith("snet-"):
            why = "`snet-` is how Azure names subnets; AWS names them `subnet-…`"
            yield Notice(Weight.WARNING, "subnet_ids", f"`{subnet}`", "it is passed on as it is", why)
        elif not is_subnet(subnet):
            why = "AWS ids have 8 or 17 hexadecimal digits"
            yield Notice(Weight.WARNING, "subnet_ids", f"`{subnet}`", "it is passed on as it is", why)
    vpc = values.get("vpc_id", "")
    if vpc and not is_vpc(vpc):
        why = "AWS ids have 8 or 17 hexadecimal digits"
        yield Notice(Weight.WARNING, "vpc_id", f"`{vpc}`", "it is passed on as it is", why)
    if len(values.get("subnet_ids", ())) == 1:
        why = "when that Availability Zone fails, models are out of reach"
        yield Notice(
            Weight.WARNING, "subnet_ids", "there is one subnet only", "endpoints stand in one zone", why
        )


def _guardrail(values: Values) -> Iterator[Notice]:
    strength = values.get("content_filters", {}).get("prompt_attack", {}).get("output_strength", "NONE")
    if strength != "NONE":
        why = "Bedrock looks for prompt attacks in input only and refuses another output strength"
        found = f"`prompt_attack.output_strength` is `{strength}`"
        yield Notice(Weight.NOTE, "content_filters", found, "`NONE` is set", why)
    if values.get("pii_entities_action") == "ANONYMIZE":
        why = "a masked secret has reached the model's side already"
        found = "`ANONYMIZE` for personal data"
        yield Notice(Weight.NOTE, "pii_entities_action", found, "secrets are blocked whatever it says", why)


def _logs(values: Values) -> Iterator[Notice]:
    prefix = values.get("s3_log_prefix", "")
    if prefix != prefix.strip("/"):
        why = "Bedrock adds a slash itself, and `//AWSLogs` would be another folder"
        done = f"`{prefix.strip('/')}` is used"
        yield Notice(Weight.NOTE, "s3_log_prefix", f"`{prefix}` has a slash at an end", done, why)
    days = values.get("log_retention_days", 90)
    if days not in (*RETENTION_DAYS, 3288, 3653):
        near = next((each for each in RETENTION_DAYS if each >= days), RETENTION_DAYS[-1])
        why = f"CloudWatch takes certain numbers only, the next one is {near}"
        found = f"`{days}` days"
        yield Notice(Weight.ERROR, "log_retention_days", found, "nothing is built", why)


def _models(values: Values) -> Iterator[Notice]:
    for arn in values.get("foundation_models", ()):
        _, _, name = arn.partition("foundation-model/")
        if name in _LEGACY:
            why = "check its life cycle: `aws bedrock get-foundation-model` says `LEGACY` or `ACTIVE`"
            yield Notice(
                Weight.NOTE, "foundation_models", f"`{name}` is of the legacy era", "it is allowed", why
            )


def _unlisted(models: Models) -> Iterator[Notice]:
    """Tell which models of the policy the list of models does not name, and what follows from that."""
    for each in models.elsewhere:
        done = "it is left out, and no region is allowed for it"
        yield Notice(Weight.NOTE, "foundation_models", f"`{each.model}` is not on Bedrock", done, each.why)
    if models.unnamed:
        found = ", ".join(f"`{each.model}` is {each.why}" for each in models.unnamed)
        done = "the list is left empty: every model in the allowed regions may be invoked"
        why = "name exact ids, or the ARNs in `deployment.variables.foundation_models`"
        yield Notice(Weight.NOTE, "foundation_models", found, done, why)
    if not models.regions:
        done = "every model in the deployment's region may be invoked"
        why = "the environment is for models on Bedrock, and no upstream of kind `bedrock` has one"
        yield Notice(Weight.WARNING, "foundation_models", "the policy has no model on Bedrock", done, why)


def _readers(values: Values) -> Iterator[Notice]:
    if values.get("enable_alerting", True) and not values.get("critical_alert_subscriptions"):
        why = "set it, for instance `{ ops: { protocol: email, endpoint: ops@example.com } }`"
        found = "nobody is subscribed"
        yield Notice(
            Weight.WARNING, "critical_alert_subscriptions", found, "alarms go off and nobody hears them", why
        )


def _given(values: Values, name: str) -> list[str]:
    value = values.get(name, _DEFAULT_RANGES[name])
    return [value] if isinstance(value, str) else list(value)


def _networks(values: Values, name: str) -> list[Network]:
    found = []
    for given in _given(values, name):
        try:
            found.append(ip_network(given, strict=False))
        except ValueError:
            continue  # `_cidrs` tells of it
    return found


def _partition(values: Values) -> Iterator[Notice]:
    """Warn where there is no Bedrock: of China, for one, no region has an endpoint of it."""
    for region in values.get("allowed_model_regions", ()):
        partition = partition_of(region) if isinstance(region, str) else ""
        if partition in WITHOUT["bedrock"]:
            found = f"`{region}` is in the partition `{partition}`"
            why = "no endpoint of Bedrock is known there: what needs one will not be built"
            yield Notice(Weight.WARNING, "allowed_model_regions", found, "it is used as it is", why)


_LOOKS: tuple[Callable[[Values], Iterator[Notice]], ...] = (
    _cidrs,
    _overlaps,
    _ids,
    _guardrail,
    _logs,
    _models,
    _partition,
    _readers,
)
