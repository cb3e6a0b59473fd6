"""Endpoints, security groups and what they let in."""

import re
from collections.abc import Iterator

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import given, pick, rows
from keepstone.posture.readers.world import Raw, World, together
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value

_SERVICE = re.compile(r"^(?:com\.amazonaws|cn\.com\.amazonaws|aws\.api)\.[a-z0-9-]+\.(.+)$")


def _endpoint(raw: Raw, world: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.ENDPOINT,
        raw.address,
        {
            "service": _service(pick(tree, "service_name")),
            "interface": pick(tree, "vpc_endpoint_type"),
            "policy": together(world.documents("aws_vpc_endpoint_policy", "vpc_endpoint_id", raw)),
            "private_dns": given(tree, "private_dns_enabled"),
            "subnets": given(tree, "subnet_ids"),
            "security_groups": given(tree, "security_group_ids"),
        },
        raw.names(),
    )


def _service(name: Value) -> Value:
    """Return a service's short name: `bedrock-runtime` of `com.amazonaws.us-east-1.bedrock-runtime-fips`."""
    if not isinstance(name, str):
        return name
    found = _SERVICE.match(name)
    return found[1].removesuffix("-fips") if found else name


def _group(raw: Raw, world: World) -> Iterator[Resource]:
    yield Resource(Kind.SECURITY_GROUP, raw.address, {}, raw.names())
    inline = given(raw.values, "ingress")
    blocks = (
        (inline,) if isinstance(inline, Unknown) else inline or ()
    )  # rules that nobody knows are some rules
    for number, block in enumerate(blocks):
        yield Resource(
            Kind.INGRESS,
            f"{raw.address}.ingress[{number}]",
            {
                "group": Unknown("its own", (raw.address,)),
                "protocol": pick(block, "protocol"),
                "from_port": pick(block, "from_port"),
                "to_port": pick(block, "to_port"),
                "ranges": _ranges(block, world),
            },
        )


def _rule(raw: Raw, world: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.INGRESS,
        raw.address,
        {
            "group": pick(tree, "security_group_id"),
            "protocol": pick(tree, "ip_protocol"),
            "from_port": given(tree, "from_port"),
            "to_port": given(tree, "to_port"),
            "ranges": _joined(
                rows(tree, "cidr_ipv4"),
                rows(tree, "cidr_ipv6"),
                *_listed(rows(tree, "prefix_list_id"), world),
            ),
        },
    )


def _old_rule(raw: Raw, world: World) -> Iterator[Resource]:
    tree = raw.values
    if pick(tree, "type") == "egress":
        return
    yield Resource(
        Kind.INGRESS,
        raw.address,
        {
            "group": pick(tree, "security_group_id"),
            "protocol": pick(tree, "protocol"),
            "from_port": pick(tree, "from_port"),
            "to_port": pick(tree, "to_port"),
            "ranges": _ranges(tree, world),
        },
    )


def _ranges(block: Value, world: World) -> Value:
    return _joined(
        rows(block, "cidr_blocks"),
        rows(block, "ipv6_cidr_blocks"),
        *_listed(rows(block, "prefix_list_ids"), world),
    )


def _listed(lists: Value, world: World) -> Iterator[Value]:
    """Yield the ranges of prefix lists, or that a list is not there to be looked into."""
    for each in lists if isinstance(lists, tuple) else (lists,):
        if not (isinstance(each, Unknown) and each.unset):
            yield _entries(each, world)


def _entries(prefix_list: Value, world: World) -> Value:
    found = world.one("aws_ec2_managed_prefix_list", prefix_list)
    if found is None:
        return Unknown("a prefix list that is not of this source, so it is not looked into")
    blocks = rows(found.values, "entry")
    more = world.satellites("aws_ec2_managed_prefix_list_entry", "prefix_list_id", found)
    unknown = next((each for each in (blocks, more) if isinstance(each, Unknown)), None)
    if unknown is not None and not unknown.unset:
        return unknown
    trees = (*(blocks if isinstance(blocks, tuple) else ()), *(each.values for each in more))
    return tuple(pick(each, "cidr") for each in trees)


def _joined(*parts: Value) -> Value:
    found: tuple[Value, ...] = ()
    for part in parts:
        found += part if isinstance(part, tuple) else (part,)
    return tuple(each for each in found if not (isinstance(each, Unknown) and each.unset))


MAPPERS = {
    "aws_default_security_group": _group,
    "aws_security_group": _group,
    "aws_security_group_rule": _old_rule,
    "aws_vpc_endpoint": _endpoint,
    "aws_vpc_security_group_ingress_rule": _rule,
}
SATELLITES = (
    "aws_ec2_managed_prefix_list",
    "aws_ec2_managed_prefix_list_entry",
    "aws_vpc_endpoint_policy",
    "aws_vpc_security_group_egress_rule",
)
