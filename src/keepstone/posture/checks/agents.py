"""Agents: what they are encrypted with, guarded by, and allowed to do."""

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.documents import Statement, broad, offending
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Account, Reading
from keepstone.posture.registry import account_check, check
from keepstone.posture.values import Unknown
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

LONGEST_IDLE = 3600


@check("KS-AGT-001", of=Kind.AGENT)
def agent_sessions_are_encrypted_with_own_key(agent: Reading) -> Opinion:
    """Sessions of the agent are encrypted with a customer-managed key."""
    return own_key(agent)


@check("KS-AGT-002", of=Kind.AGENT)
def agent_has_a_guardrail(agent: Reading) -> Opinion:
    """The agent works with a guardrail."""
    return require(agent.is_set("guardrail"), "no guardrail is set")


@check("KS-AGT-003", of=Kind.AGENT)
def agent_pins_its_guardrail(agent: Reading) -> Opinion:
    """The agent uses a version of its guardrail, not the draft."""
    if not agent.is_set("guardrail"):
        return not_applicable("it has no guardrail")
    if not agent.is_set("guardrail_version"):
        return failed("no version of the guardrail is set")
    version = agent.raw("guardrail_version")
    return require(
        isinstance(version, Unknown) or version != "DRAFT", "it uses the draft, which changes under it"
    )


@check("KS-AGT-004", of=Kind.AGENT)
def agent_has_a_service_role(agent: Reading) -> Opinion:
    """The agent has a service role, and in a whole account the role is there."""
    if not agent.is_set("role"):
        return failed("no service role is set")
    if agent.account.snapshot.provenance.whole and agent.one(Kind.ROLE, "role") is None:
        return failed("the service role is not in the account")
    return passed()


@account_check("KS-AGT-005", where=[Kind.AGENT])
def agents_do_not_share_roles(account: Account) -> Opinion:
    """Each agent has a role of its own."""
    owners: dict[object, str] = {}
    for agent in account.all(Kind.AGENT):
        role = agent.raw("role")
        name = agent["role"] if not isinstance(role, Unknown) or len(role.sources) != 1 else role.sources[0]
        if name in owners:
            return failed(f"`{owners[name]}` and `{agent.address}` have the same role")
        owners[name] = agent.address
    return passed()


@check("KS-AGT-006", of=Kind.AGENT)
def agent_role_names_its_actions(agent: Reading) -> Opinion:
    """The agent's role allows no service's every action."""
    role = agent.one(Kind.ROLE, "role")
    if role is None:
        return agent.account.lacks("the agent's role is not")
    for policy in role.policies():
        found = offending(policy["policy"], _too_much)
        if found:
            return failed(f"`{policy.address}` allows every action of a service in `{found}`")
    return passed()


def _too_much(statement: Statement) -> bool:
    return any(broad(statement, service) for service in _SERVICES)


_SERVICES = ("bedrock", "bedrock-mantle", "s3", "lambda", "kms", "iam", "dynamodb", "secretsmanager", "aoss")


@check("KS-AGT-007", of=Kind.AGENT)
def idle_sessions_end(agent: Reading) -> Opinion:
    """A session that nobody uses ends within the hour."""
    seconds = agent["idle_seconds"]
    if seconds is None:
        return passed()  # ten minutes, as AWS has it
    return require(seconds <= LONGEST_IDLE, f"idle sessions stay for {seconds} seconds")


@check("KS-AGT-008", of=Kind.ACTION_GROUP)
def agent_does_not_run_code(group: Reading) -> Opinion:
    """The agent does not run code that a model wrote."""
    if group["signature"] != "AMAZON.CodeInterpreter":
        return passed()
    return require(not group["enabled"], "the code interpreter is enabled")
