"""Policy documents of IAM, keys, buckets, topics and endpoints, as statements that checks can ask.

A statement's parts may be unknown. A document that cannot be parsed is unknown as a whole.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from keepstone.posture.binding import Condition, bound
from keepstone.posture.values import Unknown, Value, every, known, some

_PATTERN = re.compile(r"[*?]")
_OF_ONE_ACCOUNT = re.compile(r"[^:]*:[^:]*:[^:]*:[^:]*:\d{12}:")


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


def same(text: str, other: str) -> bool:
    """Say whether two documents are one, whatever the order in which they say it, or neither is one."""
    try:
        return bool(_plain(json.loads(text)) == _plain(json.loads(other)))
    except (ValueError, RecursionError):
        return text == other


def _plain(value: Value) -> Value:
    """Return a part of a document as AWS may write it as well: what stands alone is no list."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return _plain(value[0]) if len(value) == 1 else sorted((_plain(each) for each in value), key=repr)
    return value


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


def broad_on_models(statement: Statement) -> bool:
    """Say whether the statement allows all actions of Bedrock, or of its OpenAI-compatible door."""
    return some(("bedrock", "bedrock-mantle"), lambda service: broad(statement, service))


def within(statement: Statement, wider: Statement) -> bool:
    """Say whether whatever resource the statement is about, the wider one is about it, too."""
    if some(wider.resources, lambda each: set(known(each)) == {"*"}):
        return True
    return not statement.not_resources and every(
        statement.resources, lambda each: some(wider.resources, lambda pattern: _is_within(each, pattern))
    )


def _is_within(text: Value, pattern: Value) -> bool:
    """Say whether a pattern fits all that another one fits; `?` would take that one's `*` for a letter."""
    return text == pattern if "?" in known(pattern) else _fits(known(text), pattern)


def reaches_any(statement: Statement, arn: str) -> bool:
    """Say whether the statement is about every resource like `arn`, be it of one account or region only."""
    return bool(statement.not_resources) or some(statement.resources, lambda each: _is_like(arn, known(each)))


def reaches_everywhere(statement: Statement, arn: str) -> bool:
    """Say whether the statement is about every resource like `arn` in every region, be it of one account."""
    return bool(statement.not_resources) or some(
        statement.resources, lambda each: _is_like(arn, known(each), _SERVICE, _REGION, _RESOURCE)
    )


_SERVICE, _REGION, _RESOURCE = 2, 3, 5


def _is_like(arn: str, pattern: str, *parts: int) -> bool:
    wanted, written = arn.split(":", 5), pattern.split(":", 5)
    if len(written) < len(wanted):
        return _fits(arn, pattern)
    return all(_fits(wanted[part], written[part]) for part in parts or (_SERVICE, _RESOURCE))


def to_anybody(statement: Statement) -> bool:
    """Say whether the statement allows something to anybody at all, before conditions."""
    return allows(statement) and (bool(statement.not_principals) or some(statement.principals, _is_anybody))


def _is_anybody(principal: tuple[Value, Value]) -> bool:
    """Say whether a principal is everybody, or somebody of any account: `*`, `arn:aws:iam::*:root`."""
    name = str(known(principal[1]))
    return _PATTERN.search(name) is not None and _OF_ONE_ACCOUNT.match(name) is None


def denies_plain_requests(statement: Statement) -> bool:
    """Say whether everybody is denied something without TLS; a further condition would be a way round."""
    return denies_everybody(statement) and some(
        statement.conditions,
        lambda each: (
            known(each.key).lower() == "aws:securetransport"
            and known(each.test).startswith("Bool")
            and each.values == ("false",)
        ),
    )


def denies_everybody(statement: Statement) -> bool:
    """Say whether everybody is denied something on one condition and no other."""
    alone = statement.effect == "Deny" and len(statement.conditions) == 1
    return alone and some(statement.principals, lambda each: each[1] == "*")


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


def stated_in_each(documents: Value, holds: Callable[[Statement], bool]) -> bool:
    """Say whether a statement holds in every one of some documents, and there is one."""
    return bool(documents) and every(documents, lambda each: bool(offending(each, holds)))


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
