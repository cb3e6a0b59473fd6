"""The reader of `terraform show -json` for a plan: what there will be after it is applied."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from keepstone.posture.readers.exclusive import without_removed
from keepstone.posture.readers.references import References
from keepstone.posture.readers.state import state_raws
from keepstone.posture.readers.terraform.assembly import assembled
from keepstone.posture.readers.tree import AFTER_APPLY, merged
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Provenance, Snapshot
from keepstone.posture.values import Unknown, Value

_TOLD = 3  # sources that a reason names
_UNSET = Unknown("left to AWS, known after apply", unset=True)


def read_plan(plan: Mapping[str, Any], provenance: Provenance) -> Snapshot:
    """Return the resources of a plan as they will be; what is destroyed is not among them."""
    return assembled(World(read_raws(plan)), provenance)


def read_raws(plan: Mapping[str, Any]) -> Iterator[Raw]:
    """Yield the resources of a plan as Terraform tells them, with what is unknown in its place."""
    changes = [each for each in plan.get("resource_changes") or () if not _gone(each)]
    raws = _planned(plan, changes)
    if _providers(plan) > 1:  # a role of the same name may be another account's
        yield from raws
    else:
        yield from without_removed(raws, {each["address"] for each in changes if _acts(each)})
    yield from _identities(plan)


def _planned(plan: Mapping[str, Any], changes: list[Mapping[str, Any]]) -> Iterator[Raw]:
    references = References(plan.get("configuration") or {}, (each["address"] for each in changes))
    for each in changes:
        change = each["change"]
        values = merged(change.get("after"), change.get("after_unknown"), change.get("after_sensitive"))
        if isinstance(values, Mapping):
            written = references.expressions(each["address"])
            yield Raw(
                each["type"],
                each["address"],
                _traced(values, written, each["address"], references),
                None if written is None else frozenset(written),
            )


def _providers(plan: Mapping[str, Any]) -> int:
    """Return how many providers of AWS the plan has: more than one may be more than one account."""
    providers = (plan.get("configuration") or {}).get("provider_config") or {}
    return sum(each.get("name") == "aws" for each in providers.values())


def _identities(plan: Mapping[str, Any]) -> Iterator[Raw]:
    """Yield what the plan found out of whose account it is, if there is one provider, so that it is one."""
    if _providers(plan) > 1:
        return
    before = ((plan.get("prior_state") or {}).get("values") or {}).get("root_module") or {}
    yield from (raw for raw in state_raws(before) if raw.type == "aws_caller_identity")


def _gone(change: Mapping[str, Any]) -> bool:
    return change["change"]["actions"] in (["delete"], ["forget"])


def _acts(change: Mapping[str, Any]) -> bool:
    return bool({"create", "update"} & set(change["change"]["actions"]))


def _traced(
    values: Mapping[str, Value], written: Mapping[str, Any] | None, address: str, references: References
) -> Mapping[str, Value]:
    """Return the values with the sources of what is unknown."""
    if written is None:
        return values
    traced = {}
    for name, value in values.items():
        if value is AFTER_APPLY and name not in written:
            traced[name] = _UNSET
        else:
            traced[name] = _followed(value, written.get(name), address, references)
    return MappingProxyType(traced)


def _followed(value: Value, written: Any, address: str, references: References) -> Value:
    """Walk a value and the expression that gives it side by side, as far as they have the same shape."""
    if isinstance(written, list) and len(written) == 1 and isinstance(value, Mapping):
        written = written[0]
    if isinstance(written, dict) and "references" in written:
        return _sourced(value, references.sources(address, written["references"]))
    match value, written:
        case Mapping(), dict():
            return MappingProxyType(
                {
                    name: _followed(each, written.get(name), address, references)
                    for name, each in value.items()
                }
            )
        case tuple(), list() if len(value) == len(written):
            return tuple(
                _followed(each, how, address, references) for each, how in zip(value, written, strict=True)
            )
        case tuple(), dict() if len(value) == 1:
            return (_followed(value[0], written, address, references),)
    return value


def _sourced(value: Value, sources: tuple[str, ...]) -> Value:
    """Give the sources of an expression to the unknown value that it stands for.

    In a list of several, each unknown part comes from one of them too.
    """
    if value is AFTER_APPLY and sources:
        more = f" or {len(sources) - _TOLD} others" if len(sources) > _TOLD else ""
        return Unknown(f"known after apply, from `{'` or `'.join(sources[:_TOLD])}`{more}", sources)
    if isinstance(value, Mapping):
        return MappingProxyType({name: _sourced(each, sources) for name, each in value.items()})
    if isinstance(value, tuple):
        return tuple(_sourced(each, sources) for each in value)
    return value
