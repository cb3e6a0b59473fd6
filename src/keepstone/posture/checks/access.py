"""Access: what policies of IAM allow of Bedrock, who may take roles on, how roles are bounded."""

import re
from collections.abc import Callable, Iterable

from keepstone.posture.binding import Condition, compared, names_a_subject
from keepstone.posture.documents import (
    Statement,
    allows,
    bound_by,
    broad_on_models,
    confused,
    grants,
    names,
    offending,
    open_to_all,
    reaches_any,
    reaches_everywhere,
    services,
    within,
)
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import every, known, some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

_INVOKE = (
    "bedrock:InvokeModel",
    "bedrock:InvokeModelWithResponseStream",
    "bedrock-mantle:CreateInference",  # no condition of it asks for a guardrail
)
_FULL = ("AmazonBedrockFullAccess", "AmazonBedrockMantleFullAccess", "AdministratorAccess", "PowerUserAccess")
_ANY_ROLE = "arn:aws:iam::000000000000:role/any"
_ANY_KEY = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000"
# Of a region and a name that no policy writes: only patterns fit.
_ANY_MODEL = (
    "arn:aws:bedrock:nowhere-0::foundation-model/0any",
    "arn:aws:bedrock:nowhere-0::inference-profile/0any",
    "arn:aws:bedrock:nowhere-0::application-inference-profile/0any",
    "arn:aws:bedrock:nowhere-0::custom-model/0any",
    "arn:aws:bedrock-mantle:nowhere-0::project/0any",
)
_BOUND = "bedrock:GuardrailIdentifier"
_GUARDRAIL = re.compile(r"arn:[\w*-]+:bedrock:[\w*-]+:\d{12}:guardrail/[\w:*-]+|[\w-]{4,}(?::?[\w*]*)")
_OTHER = ("stringnotequals", "stringnotequalsignorecase", "stringnotlike", "arnnotequals", "arnnotlike")
_SUBSCRIBE = "aws-marketplace:Subscribe"


@check("KS-IAM-001", of=Kind.POLICY)
def policy_names_its_actions(policy: Reading) -> Opinion:
    """The policy allows no service's every action on Bedrock."""
    found = offending(policy["policy"], broad_on_models)
    return require(not found, f"`{found}` allows every action of Bedrock")


@check("KS-IAM-002", of=Kind.POLICY)
def policy_names_its_models(policy: Reading) -> Opinion:
    """Where models may be invoked, it is said which or where."""
    statements = policy["policy"]
    if not _invoking(policy):
        return not_applicable("it lets nobody invoke models")
    found = offending(statements, lambda each: _invokes(each) and _names_nothing(each))
    return require(not found, f"`{found}` allows every model or profile of a kind, in every region")


def _names_nothing(statement: Statement) -> bool:
    every_one = some(_ANY_MODEL, lambda arn: reaches_everywhere(statement, arn))
    return every_one and not bound_by(
        statement, "aws:RequestedRegion", "bedrock:InferenceProfileArn", "bedrock-mantle:Model"
    )


@check("KS-IAM-003", of=Kind.POLICY)
def models_are_invoked_with_a_guardrail(policy: Reading) -> Opinion:
    """Where models may be invoked, a guardrail has to be named in the call."""
    if not _invoking(policy):
        return not_applicable("it lets nobody invoke models")
    statements = policy["policy"]
    found = offending(statements, lambda each: _is_unguarded(each, statements))
    return require(not found, f"`{found}` lets models be invoked without a guardrail, or with any")


def _invoking(policy: Reading) -> bool:
    return some(policy["policy"] or (), _invokes)


def _invokes(statement: Statement) -> bool:
    return any(grants(statement, action) for action in _INVOKE)


def _is_unguarded(statement: Statement, statements: Iterable[Statement]) -> bool:
    """Say whether the statement allows calls without a guardrail that it names, and none denies them."""

    def is_open(action: str) -> bool:
        ways: tuple[Callable[[], bool], ...] = (
            lambda: action.startswith("bedrock:") and some(statement.conditions, _asks),
            lambda: some(statements, lambda each: _denies(each, action, statement)),
        )
        return grants(statement, action) and not some(ways, lambda is_closed: is_closed())

    return some(_INVOKE, is_open)


def _asks(condition: Condition) -> bool:
    """Say whether a condition holds only for calls with a guardrail that it names, or one of its account."""
    return condition.about() == _BOUND.lower() and compared(condition, _is_guardrail)


def _is_guardrail(value: str) -> bool:
    return _GUARDRAIL.fullmatch(value) is not None


def _denies(denial: Statement, action: str, allowed: Statement) -> bool:
    """Say whether an action is denied wherever it is allowed: to all, or to calls without a guardrail.

    All conditions of a statement have to hold, so a further one would leave a way round.
    """
    if denial.effect != "Deny" or not names(denial, action) or len(denial.conditions) > 1:
        return False
    return within(allowed, denial) and every(denial.conditions, _refuses_others)


def _refuses_others(condition: Condition) -> bool:
    """Say whether a condition holds for all calls but those with a guardrail that it names."""
    test = known(condition.test).lower().removesuffix("ifexists")
    if condition.about() != _BOUND.lower() or test not in _OTHER:
        return False
    return bool(condition.values) and every(condition.values, lambda each: _is_guardrail(str(known(each))))


@check("KS-IAM-004", of=Kind.POLICY)
def roles_are_not_passed_at_will(policy: Reading) -> Opinion:
    """Nobody may hand any role to any service."""
    found = offending(
        policy["policy"],
        lambda each: (
            grants(each, "iam:PassRole")
            and reaches_any(each, _ANY_ROLE)
            and not bound_by(each, "iam:PassedToService", "iam:AssociatedResourceArn")
        ),
    )
    return require(not found, f"`{found}` lets every role be passed to every service")


@check("KS-IAM-005", of=Kind.POLICY)
def keys_are_named(policy: Reading) -> Opinion:
    """Decryption is allowed for named keys, or by way of a named service."""
    found = offending(
        policy["policy"],
        lambda each: (
            grants(each, "kms:Decrypt")
            and not bound_by(each, "kms:ViaService", "kms:ResourceAliases")
            and reaches_any(each, _ANY_KEY)
        ),
    )
    return require(not found, f"`{found}` lets every key of the account decrypt")


@check("KS-IAM-006", of=Kind.POLICY)
def models_are_subscribed_to_by_name(policy: Reading) -> Opinion:
    """Subscribing to models of the Marketplace is bound to products."""
    found = offending(
        policy["policy"],
        lambda each: grants(each, _SUBSCRIBE) and not bound_by(each, "aws-marketplace:ProductId"),
    )
    return require(not found, f"`{found}` lets anything of the Marketplace be subscribed to")


@check("KS-IAM-007", of=Kind.ATTACHMENT)
def full_access_is_not_attached(attachment: Reading) -> Opinion:
    """No managed policy of full access is attached."""
    value = attachment.raw("policy")
    if attachment.is_set("policy") and not isinstance(value, str):
        return passed()  # it is a policy of this source, judged by itself
    name = str(attachment["policy"]).rsplit("/", 1)[-1]
    return require(name not in _FULL, f"`{name}` is attached")


@check("KS-IAM-008", of=Kind.ROLE)
def role_has_a_boundary(role: Reading) -> Opinion:
    """A role that Bedrock, or people who use it, take on has a permissions boundary."""
    if role.is_set("boundary"):
        return passed()
    if not _uses_bedrock(role):
        return not_applicable("it has nothing to do with Bedrock")
    return failed("no permissions boundary is set")


def _uses_bedrock(role: Reading) -> bool:
    if some(role["trust"] or (), _trusts_bedrock):
        return True
    return some(role.policies(), lambda each: some(each["policy"] or (), _touches_bedrock))


def _touches_bedrock(statement: Statement) -> bool:
    if not allows(statement):
        return False
    return bool(statement.not_actions) or some(
        statement.actions, lambda each: each == "*" or known(each).startswith("bedrock")
    )


@check("KS-IAM-009", of=Kind.ROLE)
def bedrock_takes_the_role_on_for_this_account_only(role: Reading) -> Opinion:
    """Bedrock may take the role on only for resources of this account."""
    statements = role["trust"]
    if not some(statements or (), _trusts_bedrock):
        return not_applicable("Bedrock may not take it on")
    found = offending(statements, lambda each: _trusts_bedrock(each) and bool(confused(each)))
    return require(
        not found, f"`{found}` has neither `aws:SourceAccount` nor `aws:SourceArn`: a confused deputy"
    )


def _trusts_bedrock(statement: Statement) -> bool:
    return allows(statement) and some(services(statement), lambda each: each.startswith("bedrock"))


@check("KS-IAM-010", of=Kind.ROLE)
def role_is_not_open_to_all(role: Reading) -> Opinion:
    """Not everybody may take the role on."""
    found = offending(role["trust"], lambda each: open_to_all(each) or _any_subject(each))
    return require(not found, f"`{found}` lets anybody take the role on")


def _any_subject(statement: Statement) -> bool:
    """Say whether a provider of web identities is trusted, whomever it speaks of."""
    web = some(
        statement.principals, lambda each: each[0] == "Federated" and ":saml-provider/" not in known(each[1])
    )
    return allows(statement) and web and not some(statement.conditions, names_a_subject)


@check("KS-IAM-011", of=Kind.API_KEY)
def api_key_of_bedrock_expires(key: Reading) -> Opinion:
    """Long-term keys of Bedrock end."""
    if not str(key["service"]).startswith("bedrock"):
        return not_applicable("it is no key of Bedrock")
    return require(bool(key["expires_in_days"]), "the key has no end: use roles, or short-term keys")


@check("KS-IAM-012", of=Kind.LAMBDA_GRANT)
def bedrock_calls_functions_for_this_account_only(grant: Reading) -> Opinion:
    """Bedrock may call the function only for agents of this account."""
    if not str(grant["principal"]).startswith("bedrock"):
        return not_applicable("it is no permission of Bedrock")
    if grant.is_set("source_arn") or grant.is_set("source_account"):
        return passed()
    return failed("neither `source_arn` nor `source_account` is set: anybody's agent may call it")
