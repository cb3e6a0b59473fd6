"""Policy documents of IAM, keys, buckets, topics and endpoints, as statements that checks can ask.

A statement's parts may be unknown. A document that cannot be parsed is unknown as a whole.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from keepstone.posture.binding import Condition, bound
from keepstone.posture.values import Unknown, Value, every, known, some


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. `principals` are pairs of type and identifier, `("*", "*")` is anybody."""

    sid: str = ""
    effect: Value = "Allow"
    actions: Value = ()
    not_actions: Value = ()
    resources: Value = ()
    not_resources: Value = ()
    principals: Value = ()
    not_principals: Value = ()
    conditions: Value = ()

    def __str__(self) -> str:
        """Return how reasons and evidence name it."""
        return self.sid or "a statement without sid"


def parsed(text: Value) -> Value:
    """Return the statements of a document's JSON; `None` for none, `Unknown` where it cannot be told."""
    if text is None or isinstance(text, Unknown):
        return text
    try:
        document = json.loads(text)
        statements = _listed(document["Statement"])
        return tuple(_statement(each) for each in statements)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Unknown("the policy document cannot be read")


def _statement(each: Mapping[str, Value]) -> Statement:
    return Statement(
        sid=str(each.get("Sid", "")),
        effect=each["Effect"],
        actions=_listed(each.get("Action", ())),
        not_actions=_listed(each.get("NotAction", ())),
        resources=_listed(each.get("Resource", ())),
        not_resources=_listed(each.get("NotResource", ())),
        principals=_principals(each.get("Principal")),
        not_principals=_principals(each.get("NotPrincipal")),
        conditions=tuple(
            Condition(test, key, tuple(str(value) for value in _listed(values)))
            for test, keys in each.get("Condition", {}).items()
            for key, values in keys.items()
        ),
    )


def _listed(value: Value) -> tuple[Value, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _principals(value: Value) -> tuple[tuple[str, Value], ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return ((value, value),)
    return tuple((kind, each) for kind, ids in value.items() for each in _listed(ids))


def allows(statement: Statement) -> bool:
    """Say whether the statement grants something."""
    return bool(statement.effect == "Allow")


def grants(statement: Statement, action: str) -> bool:
    """Say whether the statement allows `action`, by name or wildcard."""
    if not allows(statement):
        return False
    if statement.not_actions:
        return not some(statement.not_actions, lambda each: _fits(action, each))
    return names(statement, action)


def names(statement: Statement, action: str) -> bool:
    """Say whether the statement is about `action`, whatever its effect."""
    return some(statement.actions, lambda each: _fits(action, each))


def _fits(text: str, pattern: Value) -> bool:
    """Say whether a pattern of IAM fits: it knows `*` and `?` only, and here no case."""
    return fnmatchcase(text.lower(), known(pattern).lower().replace("[", "[[]"))


_FAR_APART = ("InvokeModel", "DeleteGuardrail", "PutUseCaseForModelAccess")


def broad(statement: Statement, service: str) -> bool:
    """Say whether the statement allows all actions of a service, or of all services."""
    if not allows(statement):
        return False
    if statement.not_actions:
        return True
    actions = [f"{service}:{name}" for name in _FAR_APART]
    return some(statement.actions, lambda each: all(_fits(action, each) for action in actions))


def anywhere(statement: Statement, *arns: str) -> bool:
    """Say whether the statement is about every resource: `*`, or patterns that fit all of `arns`."""
    return bool(statement.not_resources) or covers(statement, *(arns or ("*",)))


def covers(statement: Statement, *arns: str) -> bool:
    """Say whether the resources that the statement names fit all of `arns`."""
    return every(arns, lambda arn: some(statement.resources, lambda each: _fits(arn, each)))


def reaches_any(statement: Statement, arn: str) -> bool:
    """Say whether the statement is about every resource like `arn`, be it of one account or region only."""
    return bool(statement.not_resources) or some(statement.resources, lambda each: _is_like(arn, known(each)))


def _is_like(arn: str, pattern: str) -> bool:
    wanted, written = arn.split(":", 5), pattern.split(":", 5)
    if len(written) < len(wanted):
        return _fits(arn, pattern)
    return _fits(wanted[2], written[2]) and _fits(wanted[5], written[5])


def to_anybody(statement: Statement) -> bool:
    """Say whether the statement allows something to anybody at all, before conditions."""
    return allows(statement) and (
        bool(statement.not_principals) or some(statement.principals, lambda each: each[1] == "*")
    )


def services(statement: Statement) -> tuple[str, ...]:
    """Return the services that the statement names as principals."""
    return tuple(known(name) for kind, name in statement.principals if kind == "Service")


def bound_by(statement: Statement, *keys: str) -> bool:
    """Say whether a condition binds the statement to values of one of `keys` that not everybody has."""
    return bound(statement.conditions, *keys)


_DEPUTY = (
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceOrgID",
    "aws:SourceOwner",
    "kms:EncryptionContext:aws:logs:arn",
)
_OWNER = (
    *_DEPUTY,
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "kms:CallerAccount",
)


def confused(statement: Statement) -> tuple[str, ...]:
    """Return the services that may act for anybody: allowed, and bound to no account or resource."""
    if not allows(statement):
        return ()
    found = services(statement)
    return () if not found or bound_by(statement, *_DEPUTY) else found


def open_to_all(statement: Statement) -> bool:
    """Say whether the statement allows something to anybody, bound to no account, organisation or network."""
    return to_anybody(statement) and not bound_by(statement, *_OWNER)


def offending(statements: Value, holds: Callable[[Statement], bool]) -> str:
    """Return the name of a statement that holds, or nothing; what is not known of others does not hide it."""
    found: list[str] = []

    def note(statement: Statement) -> bool:
        held = holds(statement)
        if held:
            found.append(str(statement))
        return held

    some(known(statements) or (), note)
    return found[0] if found else ""
