"""What an apply takes off roles: policies that somebody added and that a list of the only ones leaves out.

Terraform tells a role's policies as it found them, although a list beside it will have some of them removed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from keepstone.posture.readers.tree import given, pick
from keepstone.posture.readers.world import Raw
from keepstone.posture.values import Value

_ROLE = "aws_iam_role"
# Type of the list, its argument, what it is of the role, and what names one of those.
_LISTS = (
    ("aws_iam_role_policies_exclusive", "policy_names", "inline_policy", "name"),
    ("aws_iam_role_policy_attachments_exclusive", "policy_arns", "managed_policy_arns", ""),
)


def without_removed(raws: Iterable[Raw], acting: Collection[str]) -> Iterator[Raw]:
    """Yield resources as they will be, roles without the policies that a list takes off.

    `acting` are the addresses that the plan creates or updates: a list that does nothing removes nothing.
    What is in doubt stays: a list not known whole, a role that is not known, policies that its code gives.
    """
    known = tuple(raws)
    for each in known:
        found = each
        for kind, argument, held, name in _LISTS if each.type == _ROLE else ():
            lists = [one for one in known if one.type == kind and one.address in acting and _of(one, each)]
            if lists and held not in (each.written or ()):
                found = _kept(found, held, name, [one.values.get(argument) for one in lists])
        yield found


def _of(one: Raw, role: Raw) -> bool:
    name, of = role.values.get("name"), one.values.get("role_name")
    return isinstance(name, str) and isinstance(of, str) and name == of


def _kept(role: Raw, held: str, name: str, lists: list[Value]) -> Raw:
    """Return the role with what one of the lists names, or all that it has where a list is not known."""
    parts = given(role.values, held)
    if not isinstance(parts, tuple) or not all(map(_whole, lists)):
        return role
    names = {each for one in lists for each in one}
    kept = tuple(each for each in parts if _stays(pick(each, name) if name else each, names))
    values: Mapping[str, Value] = MappingProxyType({**role.values, held: kept})
    return replace(role, values=values)


def _whole(value: Value) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


def _stays(name: Value, names: Collection[Value]) -> bool:
    return not isinstance(name, str) or name in names
