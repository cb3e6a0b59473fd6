"""Roles, policies and to whom they are attached, keys of users, permissions of functions."""

from collections.abc import Iterator

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import given, pick
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value


def _role(raw: Raw, world: World) -> Iterator[Resource]:
    yield Resource(
        Kind.ROLE,
        raw.address,
        {
            "trust": world.policy(raw.values, "assume_role_policy"),
            "boundary": given(raw.values, "permissions_boundary"),
            "policies": _held(raw, world),
        },
        raw.names(),
    )
    yield from _inline(raw, world)
    for number, arn in enumerate(_parts(given(raw.values, "managed_policy_arns"))):
        yield Resource(
            Kind.ATTACHMENT,
            f"{raw.address}.managed_policy_arns[{number}]",
            {"policy": arn, "to": pick(raw.values, "name")},
        )


def _held(raw: Raw, world: World) -> Value:
    """Return the addresses of the policies in this document that the role has."""
    inline = world.satellites("aws_iam_role_policy", "role", raw)
    attached = world.satellites("aws_iam_role_policy_attachment", "role", raw)
    for each in (inline, attached):
        if isinstance(each, Unknown):
            return each
    found: list[Value] = [each.address for each in inline]
    for each in attached:
        arn = each.values.get("policy_arn")
        if isinstance(arn, Unknown):
            found.append(arn.sources[0] if len(arn.sources) == 1 else arn)
        else:
            found += (one.address for one in world.named("aws_iam_policy", arn))
    blocks = _parts(given(raw.values, "inline_policy"))
    return (*found, *(f"{raw.address}.inline_policy[{number}]" for number, _ in enumerate(blocks)))


def _inline(raw: Raw, world: World) -> Iterator[Resource]:
    for number, block in enumerate(_parts(given(raw.values, "inline_policy"))):
        address = f"{raw.address}.inline_policy[{number}]"
        yield Resource(Kind.POLICY, address, {"policy": world.policy(block)})


def _parts(blocks: Value) -> tuple[Value, ...]:
    if blocks is None:
        return ()
    return blocks if isinstance(blocks, tuple) else (blocks,)


def _policy(raw: Raw, world: World) -> Iterator[Resource]:
    yield Resource(Kind.POLICY, raw.address, {"policy": world.policy(raw.values)}, raw.names())


def _attachment(raw: Raw, _: World) -> Iterator[Resource]:
    to = next((raw.values.get(name) for name in ("role", "user", "group") if name in raw.values), None)
    yield Resource(Kind.ATTACHMENT, raw.address, {"policy": pick(raw.values, "policy_arn"), "to": to})


def _api_key(raw: Raw, _: World) -> Iterator[Resource]:
    """The password of it is not looked at."""
    yield Resource(
        Kind.API_KEY,
        raw.address,
        {
            "service": pick(raw.values, "service_name"),
            "expires_in_days": given(raw.values, "credential_age_days"),
        },
    )


def _grant(raw: Raw, _: World) -> Iterator[Resource]:
    names = ("principal", "source_arn", "source_account")
    yield Resource(Kind.LAMBDA_GRANT, raw.address, {name: given(raw.values, name) for name in names})


MAPPERS = {
    "aws_iam_group_policy": _policy,
    "aws_iam_group_policy_attachment": _attachment,
    "aws_iam_policy": _policy,
    "aws_iam_policy_attachment": _attachment,
    "aws_iam_role": _role,
    "aws_iam_role_policy": _policy,
    "aws_iam_role_policy_attachment": _attachment,
    "aws_iam_service_specific_credential": _api_key,
    "aws_iam_user_policy": _policy,
    "aws_iam_user_policy_attachment": _attachment,
    "aws_lambda_permission": _grant,
}
SATELLITES = ("aws_iam_policy_document",)
