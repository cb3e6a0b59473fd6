"""Load balancers: who reaches them, by which TLS, through which firewall, and what is on record."""

from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Account, Reading
from keepstone.posture.registry import account_check, check
from keepstone.posture.values import every
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

_MODERN = tuple(f"ELBSecurityPolicy-{each}-" for each in ("TLS13-1-2", "TLS13-1-3", "TLS-1-2", "FS-1-2"))
_OVER_TLS = ("HTTPS", "TLS")


@check("KS-LBR-001", of=Kind.LOAD_BALANCER)
def load_balancer_is_internal(balancer: Reading) -> Opinion:
    """The load balancer has private addresses only."""
    return require(balancer["internal"] is True, "the load balancer has public addresses")


@check("KS-LBR-002", of=Kind.LISTENER)
def listener_speaks_modern_tls(listener: Reading) -> Opinion:
    """The listener takes TLS 1.2 or newer only, or sends callers to one that does."""
    protocol = listener["protocol"]
    if protocol in _OVER_TLS:
        policy = listener["tls_policy"] or "the default, which takes TLS 1.0"
        return require(policy.startswith(_MODERN), f"its TLS policy is `{policy}`")
    if protocol != "HTTP":
        return not_applicable(f"it hands `{protocol}` on as it is")
    actions = listener["redirects_to"]
    redirects = bool(actions) and every(actions, lambda each: each == "HTTPS")
    return require(redirects, "it speaks HTTP, which anybody on the way can read")


@check("KS-LBR-003", of=Kind.LOAD_BALANCER)
def load_balancer_logs_access(balancer: Reading) -> Opinion:
    """Who called when is on record."""
    return require(balancer["logged"] is True, "access is not logged")


@check("KS-LBR-004", of=Kind.LOAD_BALANCER)
def load_balancer_drops_invalid_headers(balancer: Reading) -> Opinion:
    """Headers that are no headers do not come through."""
    if balancer["type"] != "application":
        return not_applicable("it reads no headers")
    return require(balancer["drops_headers"] is True, "invalid headers come through")


@check("KS-LBR-005", of=Kind.LOAD_BALANCER)
def load_balancer_is_protected_from_deletion(balancer: Reading) -> Opinion:
    """The load balancer cannot be deleted by mistake."""
    return require(balancer["protected"] is True, "deletion protection is off")


@account_check("KS-LBR-006", where=[Kind.LOAD_BALANCER, Kind.FIREWALL])
def firewall_stands_before_load_balancers(account: Account) -> Opinion:
    """Each load balancer that reads HTTP has a web firewall before it."""
    firewalls = account.all(Kind.FIREWALL)
    for balancer in account.all(Kind.LOAD_BALANCER):
        if balancer["type"] != "application":
            continue
        before = [each.one(Kind.LOAD_BALANCER, "before") for each in firewalls]
        if not any(each is not None and each.address == balancer.address for each in before):
            return failed(f"no web firewall stands before `{balancer.address}`")
    return passed()


@check("KS-LBR-007", of=Kind.TARGET_GROUP)
def targets_are_reached_by_tls(group: Reading) -> Opinion:
    """What stands behind the load balancer is reached by TLS, too."""
    protocol = group["protocol"]
    if protocol is None:
        return not_applicable("its targets are functions, which are called, not reached")
    if protocol not in (*_OVER_TLS, "HTTP"):
        return not_applicable(f"`{protocol}` is handed on as it is")
    return require(protocol in _OVER_TLS, "calls travel in clear behind the load balancer")
