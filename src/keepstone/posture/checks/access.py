"""Access: what policies of IAM allow of Bedrock, who may take roles on, how roles are bounded."""

from keepstone.posture.binding import Condition, names_a_subject
from keepstone.posture.documents import (
    Statement,
    allows,
    anywhere,
    bound_by,
    broad,
    confused,
    covers,
    grants,
    names,
    offending,
    open_to_all,
    reaches_any,
    services,
)
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import known, some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

_INVOKE = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
_FULL = ("AmazonBedrockFullAccess", "AdministratorAccess", "PowerUserAccess")
_ANY_ROLE = "arn:aws:iam::000000000000:role/any"
_ANY_KEY = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000"
_ANY_MODEL = (
    "arn:aws:bedrock:us-east-1::foundation-model/any",
    "arn:aws:bedrock:eu-west-1:000000000000:inference-profile/any",
    "arn:aws:bedrock:us-west-2:000000000000:custom-model/any",
)
_BOUND = "bedrock:GuardrailIdentifier"
_SUBSCRIBE = "aws-marketplace:Subscribe"


@check("KS-IAM-001", of=Kind.POLICY)
def policy_names_its_actions(policy: Reading) -> Opinion:
    """The policy allows no service's every action on Bedrock."""
    found = offending(policy["policy"], lambda each: broad(each, "bedrock"))
    return require(not found, f"`{found}` allows every action of Bedrock")


@check("KS-IAM-002", of=Kind.POLICY)
def policy_names_its_models(policy: Reading) -> Opinion:
    """Where models may be invoked, it is said which or where."""
    statements = policy["policy"]
    if not _invoking(policy):
        return not_applicable("it lets nobody invoke models")
    found = offending(statements, lambda each: _invokes(each) and anywhere(each, *_ANY_MODEL))
    return require(not found, f"`{found}` allows every model and profile, those you will make included")


@check("KS-IAM-003", of=Kind.POLICY)
def models_are_invoked_with_a_guardrail(policy: Reading) -> Opinion:
    """Where models may be invoked, a guardrail has to be named in the call."""
    if not _invoking(policy):
        return not_applicable("it lets nobody invoke models")
    statements = policy["policy"]
    denied = some(statements, _denies_without)
    open_ones = some(statements, lambda each: _invokes(each) and not _asks(each))
    return require(denied or not open_ones, "models may be invoked without a guardrail")


def _invoking(policy: Reading) -> bool:
    return some(policy["policy"] or (), _invokes)


def _invokes(statement: Statement) -> bool:
    return any(grants(statement, action) for action in _INVOKE)


def _asks(statement: Statement) -> bool:
    """Say whether the statement is bound to guardrails; which, may be unknown."""
    return some(
        statement.conditions,
        lambda each: (
            known(each.key).lower() == _BOUND.lower()
            and known(each.test).startswith(("StringEquals", "StringLike", "Arn"))
            and not known(each.test).endswith("IfExists")
        ),
    )


def _denies_without(statement: Statement) -> bool:
    """Say whether calls without a guardrail, or with another one, are denied everywhere.

    All conditions of a statement have to hold, so a further one would leave a way round.
    """
    if statement.effect != "Deny" or not covers(statement, *_ANY_MODEL) or len(statement.conditions) != 1:
        return False
    if not all(names(statement, action) for action in _INVOKE):
        return False
    return some(
        statement.conditions,
        lambda each: known(each.key).lower() == _BOUND.lower() and _is_negative(each),
    )


def _is_negative(condition: Condition) -> bool:
    if condition.test == "Null":
        return bool(condition.values == ("true",))
    return known(condition.test) in ("StringNotEquals", "StringNotLike", "ArnNotEquals", "ArnNotLike")


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
