"""Endpoints: that Bedrock is reached privately, and what may pass."""

from keepstone.posture.documents import Statement, broad_on_models, grants, offending, open_to_all
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Account, Reading
from keepstone.posture.registry import account_check, check
from keepstone.posture.values import known
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

BEDROCK = ("bedrock", "bedrock-runtime", "bedrock-agent", "bedrock-agent-runtime", "bedrock-mantle")
_CONTROL = ("bedrock", "bedrock-agent")


def _is_bedrock(endpoint: Reading) -> bool:
    return bool(known(endpoint["service"]).startswith("bedrock"))


@account_check("KS-VPE-001", where=[Kind.ENDPOINT])
def every_door_of_bedrock_is_private(account: Account) -> Opinion:
    """Each of the five services of Bedrock has an endpoint."""
    there = tuple(each["service"] for each in account.all(Kind.ENDPOINT))
    missing = [each for each in BEDROCK if each not in there]
    if not missing:
        return passed()
    return account.lacks(f"an endpoint of {', '.join(f'`{each}`' for each in missing)} is not")


@check("KS-VPE-002", of=Kind.ENDPOINT)
def endpoint_policy_names_its_actions(endpoint: Reading) -> Opinion:
    """The policy of an endpoint of Bedrock names what may pass."""
    if not _is_bedrock(endpoint):
        return not_applicable("it is no endpoint of Bedrock")
    statements = endpoint["policy"]
    if statements is None:
        return failed("it has no policy: everything passes")
    found = offending(statements, broad_on_models)
    return require(not found, f"`{found}` lets every action pass")


@check("KS-VPE-003", of=Kind.ENDPOINT)
def endpoint_is_for_known_callers(endpoint: Reading) -> Opinion:
    """The policy is bound to an account, an organisation or named callers."""
    statements = endpoint["policy"]
    if statements is None:
        return failed("it has no policy: callers with anybody's credentials pass")
    found = offending(statements, open_to_all)
    return require(not found, f"`{found}` lets callers of any account pass")


@check("KS-VPE-004", of=Kind.ENDPOINT)
def endpoint_has_the_private_name(endpoint: Reading) -> Opinion:
    """Within the VPC the service's own name leads to the endpoint."""
    if endpoint["interface"] not in ("Interface", None):
        return not_applicable("it is no interface endpoint")
    return require(bool(endpoint["private_dns"]), "private DNS is off: SDKs go by the public address")


@check("KS-VPE-005", of=Kind.ENDPOINT)
def endpoint_stands_in_two_subnets(endpoint: Reading) -> Opinion:
    """The endpoint outlives the loss of a zone."""
    if endpoint["interface"] not in ("Interface", None):
        return not_applicable("it is no interface endpoint")
    found = len(endpoint["subnets"] or ())
    return require(found >= 2, f"it stands in {found} subnets, expected two or more")


@check("KS-VPE-006", of=Kind.ENDPOINT)
def endpoint_has_its_security_group(endpoint: Reading) -> Opinion:
    """The endpoint does not stand in the VPC's default security group."""
    if endpoint["interface"] not in ("Interface", None):
        return not_applicable("it is no interface endpoint")
    groups = endpoint.raw("security_groups")
    if groups is not None:
        groups = (
            endpoint.account.snapshot.candidates(Kind.SECURITY_GROUP, groups) if _whole(groups) else groups
        )
    return require(bool(groups), "no security group is named, so it stands in the default one")


def _whole(groups: object) -> bool:
    return not isinstance(groups, tuple)


@check("KS-VPE-007", of=Kind.ENDPOINT)
def control_plane_endpoint_invokes_nothing(endpoint: Reading) -> Opinion:
    """Models are not invoked by way of the control plane's endpoint."""
    if endpoint["service"] not in _CONTROL:
        return not_applicable("it is no endpoint of a control plane")
    statements = endpoint["policy"]
    if statements is None:
        return failed("it has no policy")
    found = offending(statements, _invokes)
    return require(not found, f"`{found}` lets invocations pass too")


def _invokes(statement: Statement) -> bool:
    return grants(statement, "bedrock:InvokeModel") or grants(statement, "bedrock:InvokeAgent")
